package authecho

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// CORS lets pages of other origins do what policy allows. Mount it with Use on the Echo, in
// front of everything that asks who the client is: a preflight carries no credentials, and
// is answered here, also where no OPTIONS route is.
//
// The middleware of a route does not run for a preflight, which Echo answers by itself, nor
// that of a group below its catch-all routes: use CORSGroups for a group. For one route
// that, or e.OPTIONS("/x", echo.NotFoundHandler, cors) beside e.POST("/x", create, cors).
func CORS(policy *cors.Policy, cfg ...Config) echo.MiddlewareFunc {
	return compile(cfg, adapter.ForCORS("authecho", policy)).cors
}

// CORSGroups is CORS with a policy for each group of routes, by the path that all of them
// begin with: "/api", "/users/:id", "/" for the rest. The innermost group counts, and a
// route outside of all is left alone. Mount it with Use on the Echo. Of two CORS that a
// request passes the first one would answer its preflight, and the last one decide about
// itself.
func CORSGroups(policies map[string]*cors.Policy, cfg ...Config) echo.MiddlewareFunc {
	return compile(cfg, adapter.ForCORSGroups("authecho", policies)).cors
}

func (m *settings) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if m.cfg.Skipper != nil && m.cfg.Skipper(c) {
			return next(c)
		}
		policy := m.Policy
		if m.Groups != nil {
			policy = m.Groups.PolicyOf(c.Path(), c.Request())
		}
		if policy == nil {
			return next(c)
		}
		preflight, d := adapter.ServeCORS(policy, adapter.Bind(c.Response(), c.Request(), m.Proxies, m.clientIP(c)))
		switch {
		case d != nil:
			return m.owner(c.Request().Context()).refuse(c, d)
		case preflight:
			return c.NoContent(http.StatusNoContent)
		default:
			return next(c)
		}
	}
}

// CSRF refuses requests that change something and do not come from a page of this
// application. Mount it behind Session.
func CSRF(guard *csrf.Guard, cfg ...Config) echo.MiddlewareFunc {
	return compile(cfg, adapter.ForCSRF("authecho", guard)).csrf
}

func (m *settings) csrf(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if m.cfg.Skipper != nil && m.cfg.Skipper(c) {
			return next(c)
		}
		ctx, d := adapter.BeginCSRF(m.Guard, adapter.Bind(c.Response(), c.Request(), m.Proxies, m.clientIP(c)))
		if d != nil {
			return m.owner(c.Request().Context()).refuse(c, d)
		}
		if ctx != nil {
			c.SetRequest(c.Request().WithContext(ctx))
		}
		err := next(c)
		if err != nil && !c.Response().Committed {
			return m.owner(c.Request().Context()).translate(c, err)
		}
		return err
	}
}

// CSRFToken returns the token for a form or a script of the page that is being answered.
// It is good for the current login, or for this visitor until somebody logs in; it may be
// another text each time. The answer becomes one that caches do not keep, and may set a
// cookie: session.ErrHeadersSent if it is too late for that.
func CSRFToken(c echo.Context) (string, error) { return csrfToken(c, "") }

// CSRFTokenFor is CSRFToken for a token that is good for one action alone: method and the
// path as a browser will send it.
func CSRFTokenFor(c echo.Context, method, path string) (string, error) {
	return csrfToken(c, csrf.Action(method, path))
}

func csrfToken(c echo.Context, action string) (string, error) {
	if c.Response().Committed {
		return "", session.ErrHeadersSent
	}
	return adapter.CSRFToken(adapter.Headers(c.Response(), c.Request()), action)
}
