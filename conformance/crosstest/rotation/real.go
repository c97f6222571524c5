package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

const (
	audience = "https://api.example"
	// forever is how long what is issued lives: a token that somebody can still use is
	// the harder case.
	forever = 200 * 24 * time.Hour
)

// Real is the scheme itself: a refresh.Rotator, wired, on a memstore.Store.
type Real struct {
	clock    *Clock
	store    *memstore.Store
	registry *revocation.Registry
	rotator  *refresh.Rotator
	crash    bool
	logins   int
}

var errCrash = errors.New("rotation: the server crashed")

// NewReal makes one for any number of families.
func NewReal(clock *Clock) (*Real, error) {
	r := &Real{clock: clock}
	var err error
	if r.store, err = memstore.New(memstore.Config{Now: clock.Now}); err != nil {
		return nil, err
	}
	secret := bytes.Repeat([]byte{1}, 32)
	if r.registry, err = revocation.New(r.store, revocation.Config{Secret: secret, Now: clock.Now}); err != nil {
		return nil, err
	}
	r.rotator, err = refresh.New(r.registry, refresh.Config{
		Issuer: r, Secrets: [][]byte{secret}, Wired: []string{audience}, Grace: Grace, Now: clock.Now,
		IdleTimeout: forever, AbsoluteTimeout: 2 * forever, Rand: constant{},
	})
	return r, err
}

// Server returns another family, of a subject of its own.
func (r *Real) Server() Server {
	r.logins++
	return &family{Real: r, subject: "user-" + strconv.Itoa(r.logins), seen: make(map[string]bool)}
}

// constant makes the same handles in every run: what was drawn is no part of a history.
type constant struct{}

func (constant) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{7}, len(p))), nil }

// IssueAnswer makes a Real a refresh.Issuer.
func (r *Real) IssueAnswer(_ context.Context, p core.Principal, _ string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	if r.crash {
		return "", time.Time{}, errCrash
	}
	expires := r.clock.Now().Add(forever)
	if notAfter.Before(expires) {
		expires = notAfter
	}
	c := Claims{a.Generation, a.Stamp, p.Session, p.Epoch, expires.UnixMicro()}
	return c.String(), expires, nil
}

// Audience and Lifetime are of refresh.Issuer too.
func (r *Real) Audience() string { return audience }

// Lifetime is like Audience.
func (r *Real) Lifetime() time.Duration { return forever }

// family is one login of a Real. What should never happen panics: a simulation that goes
// on after it would prove nothing.
type family struct {
	*Real
	subject string
	key     refresh.Key
	claims  Claims // of the login
	seen    map[string]bool
}

func (f *family) Login() Answer {
	t, err := f.rotator.Login(context.Background(), refresh.Identity{Subject: f.subject}, refresh.From{})
	if err != nil {
		panic(fmt.Sprintf("rotation: login: %v", err))
	}
	f.claims, _ = ReadClaims(t.Access)
	f.key.Tag = f.registry.Owner(f.subject).Tag
	f.key.Handle, _ = revocation.ParseHandle(f.claims.Session)
	return Answer{t.Access, t.Refresh}
}

func (f *family) Refresh(token string) (Answer, Outcome) {
	t, err := f.rotator.Refresh(context.Background(), token, nil, refresh.From{})
	switch {
	case err == nil:
		return Answer{t.Access, t.Refresh}, Answered
	case errors.Is(err, refresh.ErrInvalidGrant):
		return Answer{}, Refused
	case errors.Is(err, core.ErrUnknown):
		return Answer{}, Failed
	default:
		panic(fmt.Sprintf("rotation: refresh: %v", err))
	}
}

// Crash implements Crashing: the issuer fails, after the store has decided.
func (f *family) Crash(token string) Outcome {
	f.crash = true
	_, o := f.Refresh(token)
	f.crash = false
	return o
}

// Use does what a token.Verifier does: the sighting before the check when it is first
// shown a token, the check alone when it has accepted it before.
func (f *family) Use(access string) bool {
	c, ok := ReadClaims(access)
	if !ok || f.clock.Micros() >= c.Expires {
		return false
	}
	credential, err := f.registry.Credential(revocation.Named{
		Subject: f.subject, Session: c.Session, Epoch: c.Epoch, Token: access,
		Answer: revocation.Answer{Generation: c.Generation, Stamp: c.Stamp},
	})
	if err != nil {
		return false
	}
	if !f.seen[access] {
		err = f.registry.Sight(context.Background(), &credential)
	}
	if err == nil {
		err = f.registry.Check(context.Background(), &credential)
	}
	switch {
	case err == nil:
		f.seen[access] = true
		return true
	case errors.Is(err, revocation.ErrRevoked):
		return false
	default:
		panic(fmt.Sprintf("rotation: use: %v", err))
	}
}

func (f *family) Logout(token string) {
	if _, err := f.rotator.Logout(context.Background(), token, refresh.From{}); err != nil {
		panic(fmt.Sprintf("rotation: logout: %v", err))
	}
}

func (f *family) Dead() bool {
	_, err := f.store.FindFamily(context.Background(), f.key)
	return errors.Is(err, refresh.ErrGone)
}

// View implements Observed.
func (f *family) View() View {
	record, err := f.store.FindFamily(context.Background(), f.key)
	if err != nil {
		return View{Dead: true}
	}
	v := View{Latest: record.Generation, Fixed: record.Fixed, Confirmed: record.Confirmed}
	for i := range v.Floors {
		if record.Generation <= uint64(i) {
			break
		}
		asked := revocation.Asked{Session: f.key.Handle, Generation: record.Generation - uint64(i)}
		found, err := f.store.Revoked(context.Background(), record.Owner, asked)
		if err != nil {
			panic(fmt.Sprintf("rotation: view: %v", err))
		}
		v.Floors[i] = found.Floor
	}
	return v
}

// Access implements Observed.
func (f *family) Access(generation, stamp uint64) string {
	c := f.claims
	c.Generation, c.Stamp = generation, stamp
	return c.String()
}

// Ours is the real scheme.
var Ours = Scheme{"the rule of this suite", func(clock *Clock) Server {
	r, err := NewReal(clock)
	if err != nil {
		panic(fmt.Sprintf("rotation: %v", err))
	}
	return r.Server()
}}
