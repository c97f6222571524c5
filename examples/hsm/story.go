package main

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

const (
	issuerName = "https://login.example.test"
	audience   = "https://api.example.test"
	// refresh is how old the service elsewhere lets its copy of the key set grow.
	refresh = 5 * time.Minute
)

var alice = token.Grant{Principal: core.Principal{Subject: "alice", Scopes: []string{"read"}}}

// story is an issuer, three keys, and a service elsewhere.
type story struct {
	out    io.Writer
	vault  vault
	now    atomic.Int64 // Unix nanoseconds: the key set is served by another goroutine
	held   int          // expectations
	failed int

	keys  map[string]*storyKey // by name
	names map[string]string    // by kid

	ring                *token.KeyRing
	issuer              *token.Issuer
	own, elsewhere      *token.Verifier
	url                 string // of the key set
	stop                func()
	before, after, last string // tokens of the first, the second and the spare
}

type storyKey struct {
	name      string
	algorithm token.Algorithm
	signer    crypto.Signer
	id        string // once it is in the ring
}

func newStory(w io.Writer, v vault) *story {
	s := &story{out: w, vault: v, keys: map[string]*storyKey{}, names: map[string]string{}, stop: func() {}}
	s.now.Store(time.Date(2027, time.January, 4, 9, 0, 0, 0, time.UTC).UnixNano())
	return s
}

func (s *story) clock() time.Time { return time.Unix(0, s.now.Load()).UTC() }

// pass lets time go by.
func (s *story) pass(d time.Duration) {
	s.now.Add(int64(d))
	fmt.Fprintf(s.out, "  %s\n", s.clock().Format("15:04:05"))
}

// begin makes the issuer, publishes its keys on a loopback port, and sets up the
// service elsewhere, which is told the URL and nothing else.
func (s *story) begin(keys ...token.Key) (err error) {
	s.ring, err = token.NewKeyRing(token.KeyRingConfig{Keys: keys, Now: s.clock})
	if err != nil {
		return err
	}
	s.issuer, err = token.NewIssuer(token.IssuerConfig{Name: issuerName, Audience: audience, Keys: s.ring, Now: s.clock})
	if err != nil {
		return err
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/jwks.json", s.ring.JWKS())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	s.stop = func() { _ = server.Close(); <-ended }
	s.url = "http://" + l.Addr().String() + "/jwks.json"
	fmt.Fprintf(s.out, "  key set: %s\n", s.url)

	remote, err := token.NewRemoteKeys(token.RemoteKeysConfig{
		Issuer: issuerName, URL: s.url, Refresh: refresh,
		InsecureHTTP: true, // loopback only
		Now:          s.clock,
	})
	if err != nil {
		return err
	}
	var errOwn, errElsewhere error
	s.own, errOwn = s.verifier(s.ring)
	s.elsewhere, errElsewhere = s.verifier(remote)
	return errors.Join(errOwn, errElsewhere)
}

func (s *story) verifier(keys token.KeySource) (*token.Verifier, error) {
	return token.NewVerifier(token.VerifierConfig{
		Audience: audience,
		Issuers: []token.TrustedIssuer{{
			Name: issuerName, Algorithms: []token.Algorithm{token.ES256, token.PS256}, Keys: keys,
		}},
		Now: s.clock,
	})
}

// learn notes the ids of keys that are new in the ring, named in the order in which
// they sign.
func (s *story) learn(names ...string) {
	for _, info := range s.ring.Keys() {
		if s.names[info.ID] == "" && len(names) > 0 {
			s.keys[names[0]].id, s.names[info.ID] = info.ID, names[0]
			names = names[1:]
		}
	}
}

// issue returns a token, which the named key must have signed.
func (s *story) issue(ctx context.Context, name string) (string, error) {
	issued, err := s.issuer.Issue(ctx, alice)
	if err != nil {
		return "", err
	}
	var header struct{ Alg, Typ, Kid string }
	text, _, _ := strings.Cut(issued.Token, ".")
	if raw, err := base64.RawURLEncoding.DecodeString(text); err != nil {
		return "", err
	} else if err := json.Unmarshal(raw, &header); err != nil {
		return "", err
	}
	s.expect(s.names[header.Kid] == name && header.Alg == string(s.keys[name].algorithm),
		"a token: %s, %s, kid %s, the %s", header.Typ, header.Alg, header.Kid, s.names[header.Kid])
	return issued.Token, nil
}

// forge changes what a token says and leaves its signature.
func forge(raw string) string {
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		return raw
	}
	claims, _ := base64.RawURLEncoding.DecodeString(part[1])
	part[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), "alice", "mallory", 1)))
	return strings.Join(part, ".")
}

// The verdicts on a token: accepted, or the cause that goes to the audit log. A client
// is told INVALID_SIGNATURE, whichever it is.
const (
	accepted     = "accepted"
	keyRevoked   = "key-revoked"
	kidUnknown   = "kid-unknown"
	badSignature = "signature"
)

func verdict(ctx context.Context, v *token.Verifier, raw string) string {
	_, err := v.Verify(ctx, raw)
	var refusal *token.Refusal
	switch {
	case err == nil:
		return accepted
	case errors.As(err, &refusal) && errors.Is(err, token.ErrInvalid):
		return string(refusal.Cause)
	default:
		return err.Error()
	}
}

// expectVerdicts asks the issuer's own verifier and the one elsewhere.
func (s *story) expectVerdicts(ctx context.Context, what, raw, own, elsewhere string) {
	gotOwn, gotElsewhere := verdict(ctx, s.own, raw), verdict(ctx, s.elsewhere, raw)
	s.expect(gotOwn == own && gotElsewhere == elsewhere, "%s: here %s, elsewhere %s", what, gotOwn, gotElsewhere)
}

// expectKeys expects these keys in the ring, each "name state", in the order in which
// they sign, and all but the revoked ones in the key set, which it fetches as anybody
// may.
func (s *story) expectKeys(ctx context.Context, want ...string) {
	var got, public []string
	for _, info := range s.ring.Keys() {
		got = append(got, s.names[info.ID]+" "+info.State.String())
		if info.State != token.KeyRevoked {
			public = append(public, s.names[info.ID])
		}
	}
	s.expect(slices.Equal(got, want), "keys: %s", strings.Join(got, ", "))

	published, err := s.published(ctx)
	if err != nil {
		s.expect(false, "published: %v", err)
		return
	}
	slices.Sort(public)
	s.expect(slices.Equal(published, public), "published: %s", strings.Join(published, ", "))
}

// published returns the names of the keys in the key set, sorted. A private member
// (RFC 7518 sections 6.2.2 and 6.3.2) is an error.
func (s *story) published(ctx context.Context) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var set struct{ Keys []map[string]any }
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&set); err != nil {
		return nil, fmt.Errorf("%s: %w", answer.Status, err)
	}
	var names []string
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, has := key[private]; has {
				return nil, fmt.Errorf("a key with the private member %q", private)
			}
		}
		kid, _ := key["kid"].(string)
		names = append(names, s.names[kid])
	}
	slices.Sort(names)
	return names, nil
}

// expect prints what was found, and counts it.
func (s *story) expect(ok bool, format string, args ...any) {
	mark := "ok  "
	if ok {
		s.held++
	} else {
		s.failed++
		mark = "FAIL"
	}
	fmt.Fprintf(s.out, "  %s %s\n", mark, fmt.Sprintf(format, args...))
}
