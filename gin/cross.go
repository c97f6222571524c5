package authgin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// CORS lets pages of other origins do what policy allows. Mount it on the engine, in front
// of everything that asks who the client is and before the routes: a preflight carries no
// credentials, and is answered here, also where no OPTIONS route is.
//
// Gin runs the middleware of a group or of a route only where a route matches, which for a
// preflight is none: use CORSGroups for a group. For one route that, or
// engine.OPTIONS("/x", cors) beside engine.POST("/x", cors, create).
func CORS(policy *cors.Policy, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForCORS("authgin", policy)).cors
}

// CORSGroups is CORS with a policy for each group of routes, by the path that all of them
// begin with: "/api", "/users/:id", "/" for the rest. The innermost group counts, and a
// route outside of all is left alone. Mount it on the engine, before the routes. Of two CORS
// that a request passes the first one would answer its preflight, and the last one decide
// about itself.
func CORSGroups(policies map[string]*cors.Policy, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForCORSGroups("authgin", policies)).cors
}

func (m *middleware) cors(c *gin.Context) {
	if m.cfg.Skip != nil && m.cfg.Skip(c) {
		return
	}
	policy := m.Policy
	if m.Groups != nil {
		policy = m.Groups.PolicyOf(c.FullPath(), c.Request)
	}
	if policy == nil {
		return
	}
	preflight, d := adapter.ServeCORS(policy, adapter.Bind(c.Writer, c.Request, m.Proxies, m.clientIP(c)))
	switch {
	case d != nil:
		m.owner(c.Request.Context()).refuse(c, d)
	case preflight:
		c.AbortWithStatus(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
	}
}

// CSRF refuses requests that change something and do not come from a page of this
// application. Mount it behind Session.
func CSRF(guard *csrf.Guard, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForCSRF("authgin", guard)).csrf
}

func (m *middleware) csrf(c *gin.Context) {
	if m.cfg.Skip != nil && m.cfg.Skip(c) {
		return
	}
	ctx, d := adapter.BeginCSRF(m.Guard, adapter.Bind(c.Writer, c.Request, m.Proxies, m.clientIP(c)))
	if d != nil {
		m.owner(c.Request.Context()).refuse(c, d)
		return
	}
	if ctx != nil {
		c.Request = c.Request.WithContext(ctx)
	}
}

// CSRFToken returns the token for a form or a script of the page that is being answered.
// It is good for the current login, or for this visitor until somebody logs in; it may be
// another text each time. The answer becomes one that caches do not keep, and may set a
// cookie: session.ErrHeadersSent if it is too late for that.
func CSRFToken(c *gin.Context) (string, error) { return csrfToken(c, "") }

// CSRFTokenFor is CSRFToken for a token that is good for one action alone: method and the
// path as a browser will send it.
func CSRFTokenFor(c *gin.Context, method, path string) (string, error) {
	return csrfToken(c, csrf.Action(method, path))
}

func csrfToken(c *gin.Context, action string) (string, error) {
	if c.Writer.Written() {
		return "", session.ErrHeadersSent
	}
	return adapter.CSRFToken(adapter.Headers(c.Writer, c.Request), action)
}
