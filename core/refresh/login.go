package refresh

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/identity"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Identity is who logs in, as the application has just verified.
type Identity struct {
	// Subject names the account: 1 to 255 bytes of UTF-8. Two spellings are two
	// subjects, so give the canonical one.
	Subject string
	// Roles and Scopes go into the access tokens; at most 255 of each, 1 to 255 bytes
	// each. Config.SubjectStatus, if set, has the last word.
	Roles, Scopes []string
	// Client is the OAuth client that the tokens are for, "" if there is only one: the
	// client_id of the access tokens, and whoever refreshes must name it. At most 255
	// bytes.
	Client string
	// Method says how the subject proved itself: "password", "webauthn". At most 255
	// bytes; may be empty.
	Method string
	// Device names the client in Families. At most 255 bytes; may be empty.
	Device string
	// AuthTime is when it did so. Zero means now; it may not be in the future.
	AuthTime time.Time
	// Replaces is a refresh token of this client, whose family the new one takes the
	// place of: a proof of identity that is newer or stronger begins a new family, and
	// the one before ends. With the transport Cookie, TokenLogin finds it in the jar. A
	// token that is worth nothing replaces nothing.
	Replaces string
}

// check returns every mistake at once.
func (id Identity) check(now time.Time) error {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "refresh.Identity." + field, Value: value, Reason: reason})
	}
	identity.Subject(id.Subject, bad)
	identity.Names("Roles", id.Roles, bad)
	identity.Names("Scopes", id.Scopes, bad)
	identity.Text("Client", id.Client, bad)
	identity.Text("Method", id.Method, bad)
	identity.Text("Device", id.Device, bad)
	identity.AuthTime(id.AuthTime, now, bad)
	if len(errs) > 0 {
		return fmt.Errorf("refresh: %w", errors.Join(errs...))
	}
	return nil
}

// From is where a request comes from.
type From struct {
	// Client is the OAuth client that a refresh or a revocation names; a login has it
	// in its Identity.
	Client string
	// Device is a key of the device that the application has made sure of, such as the
	// thumbprint of a client certificate, "" for none. A family belongs to that of its
	// login.
	Device string
	// ClientIP and UserAgent are for events.
	ClientIP  netip.Addr
	UserAgent string
}

// Tokens is an answer.
type Tokens struct {
	// Access is the access token, which expires at Expires.
	Access  string
	Expires time.Time
	// Refresh is the refresh token, "" if the client is to keep the one that it has
	// (RFC 6749 section 6). It is worth nothing after RefreshExpires, unless it is used
	// before.
	Refresh        string
	RefreshExpires time.Time
	// Principal is who the access token is for.
	Principal core.Principal
}

// Login begins a family for id. An error of the identity, one that wraps core.ErrUnknown
// if the store did not answer, ErrFull, or one of the issuer or the random source:
// nobody is logged in then.
func (r *Rotator) Login(ctx context.Context, id Identity, from From) (Tokens, error) {
	now := r.cfg.Now()
	if err := id.check(now); err != nil {
		return Tokens{}, err
	}
	if id.AuthTime.IsZero() {
		id.AuthTime = now
	}
	handle, err := revocation.NewHandle(r.cfg.Rand)
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh: %w", err)
	}
	from.Client = id.Client
	l := login{
		subject: id.Subject, client: id.Client, device: id.Device, method: id.Method,
		authTime: id.AuthTime, roles: id.Roles, scopes: id.Scopes,
	}
	// The family outlives the request, whose buffers a framework may reuse: what Fiber
	// hands out as a string is the next request's tomorrow.
	value := l.encode()
	if err := l.decode(value); err != nil {
		return Tokens{}, err
	}
	// Before the new one: what ends between the two costs a login, and never leaves both.
	if err := r.replace(ctx, id.Replaces, &l, from); err != nil {
		return Tokens{}, err
	}
	f, err := r.create(ctx, &l, value, handle, from)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := r.answer(ctx, &f, r.principal(&f, &l), l.client, true)
	if err != nil {
		// Nobody has a token of it, so a family that stays behind costs room and no more.
		// Nor is there anything to deny: an hour without a signer would fill the room
		// for what must be.
		storeCtx, cancel := r.write(ctx)
		defer cancel()
		_, _ = r.store.EndFamily(storeCtx, f.Key(), Rules{})
		return Tokens{}, err
	}
	r.record(ctx, audit.FamilyCreated, "", &f, &l, from, nil)
	r.record(ctx, audit.LoginSucceeded, "", &f, &l, from, nil)
	return tokens, nil
}

// replace ends the family of token, if there is one, for the login l.
func (r *Rotator) replace(ctx context.Context, token string, l *login, from From) error {
	n, err := r.ring.read(token)
	if err != nil {
		return nil // worth nothing here, and nobody is to be kept out because of it
	}
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	f, err := r.store.EndFamily(storeCtx, n.key, r.rules)
	switch {
	case errors.Is(err, ErrGone):
		return nil
	case err != nil:
		return r.fail(ctx, nil, l, from, err)
	}
	var old login
	_ = old.decode(f.Value) // an end must not wait for who can read it
	cause := audit.CauseStepUp
	if old.subject != l.subject {
		cause = audit.CauseUserSwitch
	}
	r.record(ctx, audit.FamilyExpired, cause, &f, &old, from, nil)
	return nil
}

// create stores a family that begins now.
func (r *Rotator) create(ctx context.Context, l *login, value string, handle revocation.Handle, from From) (Family, error) {
	f := Family{
		Owner: r.registry.Owner(l.subject), Handle: handle, Binding: r.binding(from), Value: value,
		Lifetime: r.cfg.AbsoluteTimeout, Idle: r.cfg.IdleTimeout, State: State{Secret: r.ring[0].id},
	}
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	begun, ended, err := r.store.CreateFamily(storeCtx, f, r.cfg.SubjectLimit)
	switch {
	case errors.Is(err, ErrFull):
		r.record(ctx, audit.LoginRefused, audit.CauseLimit, nil, l, from, err)
		return Family{}, err
	case err != nil:
		return Family{}, r.fail(ctx, &f, l, from, err)
	}
	for i := range ended {
		r.record(ctx, audit.FamilyExpired, audit.CauseLimit, &ended[i], l, from, nil)
	}
	return begun, nil
}

// binding is the zero Binding where there is nothing to be bound to.
func (r *Rotator) binding(from From) Binding {
	if from.Client == "" && from.Device == "" {
		return Binding{}
	}
	return r.registry.Mark("refresh binding", from.Client, from.Device)
}

// principal is who the family's access tokens are for, as it logged in.
func (r *Rotator) principal(f *Family, l *login) core.Principal {
	return core.Principal{
		Subject: l.subject, Roles: l.roles, Scopes: l.scopes, Session: f.Handle.String(),
		Epoch: f.Epoch, AuthTime: l.authTime, Method: l.method,
	}
}

// answer signs the access token of f's latest answer, and makes the refresh token of
// its generation if that is to go with it.
func (r *Rotator) answer(ctx context.Context, f *Family, p core.Principal, client string, withRefresh bool) (Tokens, error) {
	var a revocation.Answer
	if r.wired {
		a = f.Answer()
	}
	access, expires, err := r.cfg.Issuer.IssueAnswer(ctx, p, client, a, time.UnixMicro(f.Ends))
	if err != nil {
		return Tokens{}, err
	}
	return r.attach(Tokens{Access: access, Expires: expires, Principal: p}, f, withRefresh)
}

// attach puts the refresh token of f's latest generation into t. ErrSecret if only other
// nodes can make it.
func (r *Rotator) attach(t Tokens, f *Family, withRefresh bool) (Tokens, error) {
	t.RefreshExpires = time.UnixMicro(f.Expires).UTC()
	if !withRefresh {
		return t, nil
	}
	s := r.ring.find(f.Secret)
	if s == nil {
		return Tokens{}, ErrSecret
	}
	t.Refresh = s.mint(&name{f.Secret, f.Key(), f.Generation})
	return t, nil
}
