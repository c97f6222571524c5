package refresh_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func TestLogin(t *testing.T) {
	e := newEnv(t)
	id := ann()
	id.AuthTime, id.Client = noon.Add(-time.Minute), "web"
	tokens, err := e.r.Login(t.Context(), id, refresh.From{Client: "not asked", ClientIP: here.ClientIP, UserAgent: strings.Repeat("u", 300)})
	require.NoError(t, err)
	handle := tokens.Principal.Session
	_, ok := revocation.ParseHandle(handle)
	require.True(t, ok)
	require.Regexp(t, `^spr_[A-Za-z0-9_-]{84}$`, tokens.Refresh)
	want := core.Principal{
		Subject: "ann", Roles: []string{"admin"}, Scopes: []string{"read", "write"}, Session: handle, AuthTime: id.AuthTime, Method: "password",
	}
	require.Equal(t, refresh.Tokens{
		Access: "access 1", Expires: noon.Add(15 * time.Minute),
		Refresh: tokens.Refresh, RefreshExpires: noon.Add(14 * 24 * time.Hour), Principal: want,
	}, tokens)
	require.Len(t, e.issuer.calls, 1)
	got := e.issuer.last()
	require.True(t, got.notAfter.Equal(noon.Add(30*24*time.Hour)))
	got.notAfter = time.Time{}
	require.Equal(t, issued{principal: want, client: "web", answer: revocation.Answer{Generation: 1, Stamp: uint64(noon.UnixMicro())}}, got)
	require.Equal(t, []string{"create"}, e.store.calls)
	event := audit.Event{Time: noon, App: "shop", Subject: "ann", Session: handle, ClientIP: here.ClientIP, UserAgent: strings.Repeat("u", 256)}
	created, in := event, event
	created.Name = audit.FamilyCreated
	in.Name, in.Method = audit.LoginSucceeded, "password"
	require.Equal(t, []audit.Event{created, in}, e.events)

	all, err := e.r.Families(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, []refresh.FamilyInfo{{
		Handle: handle, Subject: "ann", Client: "web", Device: "laptop", Method: "password", Scopes: []string{"read", "write"},
		AuthTime: id.AuthTime, Created: noon, Expires: noon.Add(14 * 24 * time.Hour), Ends: noon.Add(30 * 24 * time.Hour),
	}}, all)
}

func TestLoginNow(t *testing.T) {
	e := newEnv(t)
	tokens, err := e.r.Login(t.Context(), refresh.Identity{Subject: "ann"}, refresh.From{})
	require.NoError(t, err)
	require.Equal(t, core.Principal{Subject: "ann", Session: tokens.Principal.Session, AuthTime: noon}, tokens.Principal)
	other, err := e.r.Login(t.Context(), refresh.Identity{Subject: "ann"}, refresh.From{})
	require.NoError(t, err)
	require.NotEqual(t, tokens.Principal.Session, other.Principal.Session)
	require.NotEqual(t, tokens.Refresh, other.Refresh)
}

// The epoch of an access token is that of the login, whatever it is when it is refreshed:
// a token that learnt of a newer one would have survived what raised it.
func TestEpochIsThatOfTheLogin(t *testing.T) {
	e := newEnv(t)
	require.NoError(t, e.registry.LogoutEverywhere(t.Context(), "ann"))
	epoch, err := e.registry.Epoch(t.Context(), "ann")
	require.NoError(t, err)
	require.NotZero(t, epoch)
	first := e.login()
	require.Equal(t, epoch, first.Principal.Epoch)
	require.NoError(t, e.use(e.issuer.last()))
	e.pass(time.Minute)
	require.Equal(t, epoch, e.refresh(first.Refresh).Principal.Epoch)
}

func TestLoginMistakes(t *testing.T) {
	long := strings.Repeat("a", 256)
	many := slices.Repeat([]string{"a"}, 256)
	most := slices.Repeat([]string{long[:255]}, 255)
	for _, tc := range []struct {
		desc string
		id   refresh.Identity
		want []string
	}{
		{"least", refresh.Identity{Subject: "a"}, nil},
		{"most", refresh.Identity{Subject: long[:255], Method: long[:255], Device: long[:255], Roles: most, Scopes: most, AuthTime: noon}, nil},
		{"no subject", refresh.Identity{}, []string{"Subject"}},
		{"subject too long", refresh.Identity{Subject: long}, []string{"Subject"}},
		{"subject no UTF-8", refresh.Identity{Subject: "\xff"}, []string{"Subject"}},
		{"method too long", refresh.Identity{Subject: "a", Method: long}, []string{"Method"}},
		{"method no UTF-8", refresh.Identity{Subject: "a", Method: "\xff"}, []string{"Method"}},
		{"client too long", refresh.Identity{Subject: "a", Client: long}, []string{"Client"}},
		{"client no UTF-8", refresh.Identity{Subject: "a", Client: "\xff"}, []string{"Client"}},
		{"device too long", refresh.Identity{Subject: "a", Device: long}, []string{"Device"}},
		{"device no UTF-8", refresh.Identity{Subject: "a", Device: "\xff"}, []string{"Device"}},
		{"in the future", refresh.Identity{Subject: "a", AuthTime: noon.Add(1)}, []string{"AuthTime"}},
		{"too many roles", refresh.Identity{Subject: "a", Roles: many}, []string{"Roles"}},
		{"role empty", refresh.Identity{Subject: "a", Roles: []string{"a", ""}}, []string{"Roles"}},
		{"role too long", refresh.Identity{Subject: "a", Roles: []string{long}}, []string{"Roles"}},
		{"too many scopes", refresh.Identity{Subject: "a", Scopes: many}, []string{"Scopes"}},
		{"scope no UTF-8", refresh.Identity{Subject: "a", Scopes: []string{"\xff"}}, []string{"Scopes"}},
		{"all at once", refresh.Identity{
			Method: long, Device: long, AuthTime: noon.Add(time.Hour), Roles: []string{"", ""}, Scopes: many,
		}, []string{"Subject", "Method", "Device", "AuthTime", "Roles", "Roles", "Scopes"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			tokens, err := e.r.Login(t.Context(), tc.id, here)
			var got []string
			for _, field := range mistakes(err) {
				got = append(got, strings.TrimPrefix(field, "refresh.Identity."))
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			require.Equal(t, tc.want, got)
			if err == nil {
				require.NotEmpty(t, e.refresh(tokens.Refresh).Refresh)
				return
			}
			require.Zero(t, tokens)
			require.True(t, strings.HasPrefix(err.Error(), "refresh: "))
			require.NotErrorIs(t, err, core.ErrUnknown)
			require.Empty(t, e.store.calls)
			require.Empty(t, e.events)
		})
	}
}

// Those that expire first make room, and each has its terminal event.
func TestSubjectLimit(t *testing.T) {
	e := newEnv(t, func(c *refresh.Config) { c.SubjectLimit = 2 })
	first := e.login()
	e.pass(time.Minute)
	second := e.login()
	e.pass(time.Minute)
	first = e.refresh(first.Refresh) // which expires later now
	e.quiet()
	third := e.login()
	require.Len(t, e.events, 3)
	require.Equal(t, audit.FamilyExpired, e.events[0].Name)
	require.Equal(t, audit.CauseLimit, e.events[0].Cause)
	require.Equal(t, second.Principal.Session, e.events[0].Session)
	require.Equal(t, "ann", e.events[0].Subject)
	e.refused(second.Refresh, "gone")
	e.pass(time.Minute)
	require.NotEmpty(t, e.refresh(first.Refresh).Refresh)
	require.NotEmpty(t, e.refresh(third.Refresh).Refresh)
	_, err := e.r.Login(t.Context(), refresh.Identity{Subject: "bob"}, here)
	require.NoError(t, err)
	require.NotEmpty(t, e.refresh(e.refresh(third.Refresh).Refresh).Access)
}

func TestLoginFails(t *testing.T) {
	ended := func(e *env) {
		e.store.calls = nil
		all, err := e.r.Families(t.Context(), "ann")
		require.NoError(t, err)
		require.Empty(t, all)
	}
	t.Run("the store is full", func(t *testing.T) {
		e := newEnv(t)
		e.store.faults["create"], e.store.err = before, refresh.ErrFull
		tokens, err := e.r.Login(t.Context(), ann(), here)
		require.ErrorIs(t, err, refresh.ErrFull)
		require.NotErrorIs(t, err, core.ErrUnknown)
		require.Zero(t, tokens)
		require.Len(t, e.events, 1)
		require.ErrorIs(t, e.events[0].Err, refresh.ErrFull)
		e.told("", "login_refused limit")
	})
	for _, f := range []fault{before, after} {
		e := newEnv(t)
		e.store.faults["create"] = f
		tokens, err := e.r.Login(t.Context(), ann(), here)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, errDown)
		require.Zero(t, tokens)
		require.Empty(t, e.issuer.calls)
		require.Len(t, e.events, 1)
		require.ErrorIs(t, e.events[0].Err, errDown)
		require.NotEqual(t, revocation.Handle{}.String(), e.events[0].Session)
		e.told(e.events[0].Session, "store_failure error")
	}
	t.Run("nobody can sign", func(t *testing.T) {
		e := newEnv(t)
		e.issuer.err = errors.New("the KMS is away")
		tokens, err := e.r.Login(t.Context(), ann(), here)
		require.ErrorIs(t, err, e.issuer.err)
		require.Zero(t, tokens)
		require.Equal(t, []string{"create", "end"}, e.store.calls)
		require.Empty(t, e.events, "nobody logged in")
		ended(e)
	})
	t.Run("nobody can sign for an hour", func(t *testing.T) {
		e := newEnv(t)
		bystander := e.login()
		e.issuer.err = errors.New("the KMS is away")
		for range 2 * revocation.MaxDenied {
			e.pass(time.Second)
			_, err := e.r.Login(t.Context(), ann(), here)
			require.ErrorIs(t, err, e.issuer.err)
		}
		e.issuer.err = nil
		require.NotEmpty(t, e.refresh(bystander.Refresh).Refresh, "who is logged in stays so")
	})
	t.Run("nobody can sign, and the store is gone too", func(t *testing.T) {
		e := newEnv(t)
		e.issuer.err, e.store.faults["end"] = errors.New("the KMS is away"), before
		_, err := e.r.Login(t.Context(), ann(), here)
		require.ErrorIs(t, err, e.issuer.err)
	})
}

// What a framework lends for one request is not what the family is kept by: the buffer
// belongs to the next request before the events are read.
func TestLoginKeepsItsOwnCopy(t *testing.T) {
	e := newEnv(t)
	var buffers [][]byte
	lent := func(s string) string {
		b := []byte(s)
		buffers = append(buffers, b)
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	id := refresh.Identity{
		Subject: lent("ann"), Client: lent("web"), Method: lent("password"), Device: lent("laptop"),
		Roles: []string{lent("admin")}, Scopes: []string{lent("read")},
	}
	tokens, err := e.r.Login(t.Context(), id, here)
	require.NoError(t, err)
	for _, b := range buffers {
		clear(b)
	}
	id.Roles[0], id.Scopes[0] = "changed", "changed"
	want := core.Principal{
		Subject: "ann", Roles: []string{"admin"}, Scopes: []string{"read"}, Session: tokens.Principal.Session, AuthTime: noon, Method: "password",
	}
	require.Equal(t, want, tokens.Principal)
	require.Equal(t, want, e.issuer.last().principal)
	require.Equal(t, "web", e.issuer.last().client)
	for _, event := range e.events {
		require.Equal(t, "ann", event.Subject)
	}
	require.Equal(t, "password", e.events[1].Method)
	got, err := e.r.Family(t.Context(), tokens.Refresh)
	require.NoError(t, err)
	require.Equal(t, []string{"ann", "web", "laptop", "password", "read"}, []string{got.Subject, got.Client, got.Device, got.Method, got.Scopes[0]})
}

// A login goes on when the client has hung up; it is decided already.
func TestLoginContext(t *testing.T) {
	e := newEnv(t)
	gone, hangUp := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
	hangUp()
	_, err := e.r.Login(gone, ann(), here)
	require.NoError(t, err)
	e.bounded()
}

type ctxKey struct{}

// bounded fails unless the last store call had an end, and values of the request.
func (e *env) bounded() {
	e.t.Helper()
	deadline, ok := e.store.ctx.Deadline()
	require.True(e.t, ok)
	require.LessOrEqual(e.t, time.Until(deadline), 2*time.Second)
	require.Equal(e.t, "kept", e.store.ctx.Value(ctxKey{}))
	require.Error(e.t, e.store.ctx.Err(), "nothing is left to run out")
}
