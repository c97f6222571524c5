package conformance

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// The typed data that cases use.
var (
	note  = session.NewKey[string]("note")
	hits  = session.NewCounter("hits")
	flash = session.NewFlash[string]("flash")
)

// freshFor is what the route /fresh asks of a login's age.
const freshFor = 5 * time.Minute

// standard is the application that most cases use. The routes that change
// something take what they need from the query, because the body belongs to the
// cases about bodies.
func standard() App {
	login := []Guard{{Login: true}}
	return App{Routes: []Route{
		{Method: "GET", Path: "/public", Handler: func(r Request) error { return r.String(200, "public") }},
		{Method: "GET", Path: "/whoami", Handler: whoami},
		{Method: "GET", Path: "/me", Guards: login, Handler: whoami},
		{Method: "GET", Path: "/admin", Guards: []Guard{{Roles: []string{"admin"}}}, Handler: whoami},
		{Method: "GET", Path: "/fresh", Guards: []Guard{{Fresh: freshFor}}, Handler: whoami},
		{Method: "POST", Path: "/login", Handler: login0},
		{Method: "POST", Path: "/logout", Handler: func(r Request) error {
			return answer(r, r.Session().Logout(r.Context()), "logged out")
		}},
		{Method: "POST", Path: "/renew", Handler: func(r Request) error {
			return answer(r, r.Session().Renew(r.Context()), "renewed")
		}},
		{Method: "POST", Path: "/note", Handler: func(r Request) error {
			return answer(r, note.Set(r.Session(), r.Query("v")), "noted")
		}},
		{Method: "GET", Path: "/note", Handler: func(r Request) error {
			v, _, err := note.Get(r.Session())
			return answer(r, err, "note="+v)
		}},
		{Method: "POST", Path: "/hit", Handler: func(r Request) error {
			return answer(r, hits.Add(r.Session(), 1), "hit")
		}},
		{Method: "GET", Path: "/hits", Handler: func(r Request) error {
			n, err := hits.Get(r.Session())
			return answer(r, err, fmt.Sprint("hits=", n))
		}},
	}}
}

// subjectApp is changingApp with what a page of devices offers, and with what an
// administrator does to ?user=.
func subjectApp() App {
	return changingApp().
		with("GET", "/devices", devices).
		with("POST", "/revoke", func(r Request) error {
			ended, err := r.Session().Revoke(r.Context(), r.Query("handle"))
			return answer(r, err, fmt.Sprint("ended=", ended))
		}).
		with("POST", "/revoke-others", func(r Request) error {
			return answer(r, r.Session().RevokeOthers(r.Context()), "revoked")
		}).
		with("POST", "/revoke-all", func(r Request) error {
			return answer(r, r.Session().RevokeAll(r.Context()), "revoked")
		}).
		with("POST", "/disable", func(r Request) error {
			return answer(r, r.Session().Manager().RevokeAll(r.Context(), r.Query("user")), "disabled")
		})
}

// devices lists the subject's sessions, one a line.
func devices(r Request) error {
	list, err := r.Session().Devices(r.Context())
	var b strings.Builder
	for _, d := range list {
		here := ""
		if d.Current {
			here = " (here)"
		}
		fmt.Fprintf(&b, "%s %s by %s since %s%s\n", d.Handle, d.Name, d.Method, d.Created.UTC().Format(time.TimeOnly), here)
	}
	return answer(r, err, b.String())
}

// with adds a route to an app.
func (a App) with(method, path string, h Handler, guards ...Guard) App {
	a.Routes = append(a.Routes, Route{Method: method, Path: path, Guards: guards, Handler: h})
	return a
}

// whoami says who is asking, through all three doors, and that they agree.
func whoami(r Request) error {
	p, err := r.Principal()
	below, belowErr := core.PrincipalFrom(r.Context())
	direct, directErr := r.Session().Principal()
	if p.Subject != below.Subject || p.Subject != direct.Subject || (err == nil) != (belowErr == nil) || (err == nil) != (directErr == nil) {
		return r.String(500, fmt.Sprintf("the doors disagree: %v %v %v", err, belowErr, directErr))
	}
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return r.String(200, "anonymous")
	case err != nil:
		return r.Fail(err)
	default:
		return r.String(200, "subject="+p.Subject)
	}
}

// login0 logs in ?user= with the role ?role= on ?device=, without a password.
func login0(r Request) error {
	id := session.Identity{Subject: r.Query("user"), Method: "test", Device: r.Query("device")}
	if role := r.Query("role"); role != "" {
		id.Roles = []string{role}
	}
	return answer(r, r.Session().Login(r.Context(), id), "logged in")
}

// answer says done, or fails as the adapter would have it.
func answer(r Request, err error, done string) error {
	if err != nil {
		return r.Fail(err)
	}
	return r.String(200, done)
}

// loggedIn returns a browser in which user is logged in.
func (s *Server) loggedIn(user string) *Browser {
	s.t.Helper()
	b := s.Browser()
	a := b.Post("/login?user=" + user)
	s.Check(a, Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
	return b
}
