package adapter_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// F15: what caches, other visitors and the browser's jar see of a page with a token.
func TestCSRFTokenHeaders(t *testing.T) {
	for _, alone := range []bool{false, true} {
		t.Run(map[bool]string{false: "session", true: "no session"}[alone], func(t *testing.T) {
			a := newSite(t, csrf.Config{})
			if alone {
				a.m = nil
			}
			a.page = func(x adapter.Exchange, _ *session.Session) (string, error) {
				x.SetHeader("Cache-Control", "public, max-age=60")
				x.AddHeader("Vary", "Accept")
				first, err := adapter.CSRFToken(x, "")
				if err != nil {
					return "", err
				}
				second, err := adapter.CSRFToken(x, csrf.Action("POST", "/act"))
				require.NotEqual(t, first, second)
				return second + first, err
			}
			res, text := a.send("GET", "/page", "")
			require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))
			require.Equal(t, []string{"Accept", "Cookie"}, res.Header.Values("Vary"))
			lines := res.Header.Values("Set-Cookie")
			require.Len(t, lines, 1, "one cookie, however many tokens")
			require.Regexp(t, `^__Host-csrf=[A-Za-z0-9_-]{43}`+visitorLine+`$`, lines[0])
			b := tab{cookies: "Cookie: " + lines[0][:len("__Host-csrf=")+43], token: text[87:]}
			a.passed("POST", "", b.lines(sameOrigin, b.header())...)
			b.token = text[:87]
			a.passed("POST", "", b.lines(sameOrigin, b.header())...)
			a.refused("token-invalid", "PUT", "", b.lines(sameOrigin, b.header())...)

			res, text = a.send("GET", "/page", "", b.cookies)
			require.Empty(t, res.Header.Values("Set-Cookie"), "a good cookie stays what it is")
			require.Equal(t, []string{"Accept", "Cookie"}, res.Header.Values("Vary"))
			a.passed("POST", "", b.lines(sameOrigin, "X-CSRF-Token: "+text[87:])...)
			_, other := a.send("GET", "/page", "")
			a.refused("token-invalid", "POST", "", b.lines(sameOrigin, "X-CSRF-Token: "+other[87:])...)
		})
	}
}

// F3, F4: what is not ours, or not the only one, is replaced and never written back.
func TestCSRFVisitorCookie(t *testing.T) {
	a := newSite(t, csrf.Config{})
	own, other := a.load(), a.load()
	value := strings.TrimPrefix(own.cookies, "Cookie: __Host-csrf=")
	planted := strings.TrimPrefix(other.cookies, "Cookie: ")
	for desc, tc := range map[string]struct {
		lines  []string
		repair bool
	}{
		"empty": {[]string{"Cookie: __Host-csrf="}, false}, "a word": {[]string{"Cookie: __Host-csrf=mallory"}, false},
		"longer":           {[]string{own.cookies + "A"}, false},
		"a token":          {[]string{"Cookie: __Host-csrf=" + own.token}, false},
		"two":              {[]string{own.cookies + "; " + planted}, true},
		"two lines":        {[]string{own.cookies, "Cookie: " + planted}, true},
		"a word beside it": {[]string{own.cookies + "; __Host-csrf=x"}, true},
	} {
		t.Run(desc, func(t *testing.T) {
			a.refused("token-invalid", "POST", "", append(tc.lines, sameOrigin, own.header())...)
			a.refused("token-invalid", "POST", "", append(tc.lines, sameOrigin, other.header())...)
			res, token := a.send("GET", "/page", "", tc.lines...)
			lines := res.Header.Values("Set-Cookie")
			if tc.repair {
				require.Len(t, lines, 2)
				require.Equal(t, variantGone, lines[0])
				lines = lines[1:]
			}
			require.Len(t, lines, 1)
			require.Regexp(t, `^__Host-csrf=[A-Za-z0-9_-]{43}`+visitorLine+`$`, lines[0])
			require.NotContains(t, lines[0], value)
			require.NotContains(t, planted, lines[0][:55])
			a.passed("POST", "", "Cookie: "+lines[0][:len("__Host-csrf=")+43], sameOrigin, "X-CSRF-Token: "+token)
		})
	}
	twice := own.cookies + "; " + strings.TrimPrefix(own.cookies, "Cookie: ")
	a.passed("POST", "", twice, sameOrigin, own.header())
	res, _ := a.send("GET", "/page", "", twice)
	require.Empty(t, res.Header.Values("Set-Cookie"), "equal ones are one")
}

// A visitor's cookie does not outlive the login: the next page of the user deletes it.
func TestCSRFVisitorCookieEndsWithTheVisit(t *testing.T) {
	a := newSite(t, csrf.Config{})
	b := a.user("ann")
	visitor := a.load()
	token := a.page
	a.page = func(x adapter.Exchange, s *session.Session) (string, error) {
		if _, err := token(x, s); err != nil {
			return "", err
		}
		return token(x, s)
	}
	nonce := strings.TrimPrefix(visitor.cookies, "Cookie: ")
	res, text := a.send("GET", "/page", "", b.cookies)
	require.Empty(t, res.Header.Values("Set-Cookie"))
	a.passed("POST", "", b.lines(sameOrigin, "X-CSRF-Token: "+text)...)
	for cookies, want := range map[string][]string{
		"; " + nonce: {visitorGone}, "; __Host-csrf=": {visitorGone}, "; " + nonce + "; " + nonce: {variantGone, visitorGone},
		"; " + nonce + "; __Host-csrf=x": {variantGone, visitorGone}, "; x__Host-csrf=y": nil,
	} {
		res, text = a.send("GET", "/page", "", b.cookies+cookies)
		require.Equal(t, want, res.Header["Set-Cookie"], cookies)
		require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))
		require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
		a.passed("POST", "", b.lines(sameOrigin, "X-CSRF-Token: "+text)...)
	}

	var tokens []string
	ask := func(x adapter.Exchange, s *session.Session) {
		got, err := adapter.CSRFToken(x, "")
		require.NoError(t, err)
		tokens = append(tokens, got)
	}
	a.page = func(x adapter.Exchange, s *session.Session) (string, error) {
		ask(x, s)
		login(t, s, session.Identity{Subject: "bob"})
		ask(x, s)
		ask(x, s)
		require.NoError(t, s.Logout(context.Background()))
		ask(x, s)
		ask(x, s)
		return "", nil
	}
	for _, cookies := range [][]string{nil, {visitor.cookies}} {
		tokens = nil
		res, _ = a.send("GET", "/page", "", cookies...)
		lines := res.Header["Set-Cookie"]
		a.events = nil
		if cookies == nil {
			require.Regexp(t, `^__Host-csrf=[A-Za-z0-9_-]{43};`, lines[0])
			a.passed("POST", "", sameOrigin, "Cookie: "+lines[0][:55], "X-CSRF-Token: "+tokens[0])
			lines = lines[1:]
		} else {
			a.passed("POST", "", sameOrigin, visitor.cookies, "X-CSRF-Token: "+tokens[0])
		}
		require.Equal(t, visitorGone, lines[0])
		require.Regexp(t, `^__Host-csrf=[A-Za-z0-9_-]{43};`, lines[1], "a visit after a login is another")
		require.NotContains(t, visitor.cookies, lines[1][:55])
		for _, token := range tokens[3:] {
			a.passed("POST", "", sameOrigin, "Cookie: "+lines[1][:55], "X-CSRF-Token: "+token)
		}
		for _, token := range tokens[:3] {
			a.refused("token-invalid", "POST", "", sameOrigin, "Cookie: "+lines[1][:55], "X-CSRF-Token: "+token)
		}
	}
}

// F13: a token of one action.
func TestCSRFTokenFor(t *testing.T) {
	a := newSite(t, csrf.Config{})
	a.page = func(x adapter.Exchange, _ *session.Session) (string, error) {
		return adapter.CSRFToken(x, csrf.Action("POST", "/caf%C3%A9"))
	}
	b := a.user("ann")
	for target, want := range map[string]int{
		"/caf%C3%A9": 200, "/caf%C3%A9?a=1": 200, "/caf%c3%a9": 403, "/caf%C3%A9/": 403, "/act": 403, "//caf%C3%A9": 403,
	} {
		res, _ := a.send("POST", target, "", b.lines(sameOrigin, b.header())...)
		require.Equal(t, want, res.StatusCode, target)
		res, _ = a.send("PUT", target, "", b.lines(sameOrigin, b.header())...)
		require.Equal(t, 403, res.StatusCode, target)
	}
}

func TestCSRFTokenTooLate(t *testing.T) {
	a := newSite(t, csrf.Config{})
	a.m = newManager(t, a.store)
	h := mount(a.m, nil, func(g *gate, s *session.Session) {
		x := adapter.Bind(g, g.r, nil, netip.Addr{})
		_, d := adapter.BeginCSRF(a.guard, x)
		require.Nil(t, d)
		_, _ = g.Write([]byte("x"))
		_, err := adapter.CSRFToken(x, "")
		require.ErrorIs(t, err, session.ErrHeadersSent)
	})
	res := record(h, get())
	require.Empty(t, res.Cookies())

	none := newSite(t, csrf.Config{})
	none.m = nil
	none.page = func(x adapter.Exchange, _ *session.Session) (string, error) {
		_, err := adapter.CSRFToken(committed{x}, "")
		require.ErrorIs(t, err, session.ErrHeadersSent)
		return "", nil
	}
	none.send("GET", "/page", "")
}

type committed struct{ adapter.Exchange }

func (committed) Committed() bool { return true }

func TestCSRFTokenWithoutMiddleware(t *testing.T) {
	bare := adapter.Headers(httptest.NewRecorder(), get())
	_, err := adapter.CSRFToken(bare, "")
	require.ErrorIs(t, err, core.ErrNoMiddleware)
	require.ErrorContains(t, err, "CSRF")
	d := adapter.Failure(t.Context(), err)
	require.Equal(t, core.AuthMiddlewareFailure, d.Code)

	record(mount(newManager(t, newFaulty()), nil, func(g *gate, _ *session.Session) {
		_, err := adapter.CSRFToken(adapter.Headers(g, g.r), "")
		require.ErrorIs(t, err, core.ErrNoMiddleware, "a session is not enough")
	}), get())
}

func TestCSRFTokenWithoutRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	a := newSite(t, csrf.Config{Rand: failing{broken}})
	a.page = func(x adapter.Exchange, _ *session.Session) (string, error) {
		_, err := adapter.CSRFToken(x, "")
		require.ErrorIs(t, err, broken)
		return "", nil
	}
	res, _ := a.send("GET", "/page", "")
	require.Empty(t, res.Cookies())
	a.send("GET", "/page", "", loggedIn(t, a.m, session.Identity{Subject: "ann"}))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
