package authfiber

import (
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// CORS lets pages of other origins do what policy allows. Mount it with Use, in front of
// everything that asks who the client is: a preflight carries no credentials, and is
// answered here, also where no OPTIONS route is. For one route, app.Options("/x", cors) and
// app.Post("/x", cors, create).
func CORS(policy *cors.Policy, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForCORS("authfiber", policy)).mount((*middleware).cors)
}

// CORSGroups is CORS with a policy for each group of routes, by the path that all of them
// begin with: "/api", "/users/:id", "/" for the rest. The innermost group counts; a route
// outside of all is left alone. Mount it in front of the routes. Of two CORS that a request
// passes the first answers its preflight, and the last decides about the request itself.
func CORSGroups(policies map[string]*cors.Policy, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForCORSGroups("authfiber", policies)).mount((*middleware).cors)
}

func (m *middleware) cors(c *fiber.Ctx) error {
	policy := m.Policy
	if m.Groups != nil {
		policy = m.Groups.Policy(c.Path(), utils.UnsafeString(c.Context().URI().Path()), !c.App().Config().CaseSensitive)
	}
	if policy == nil {
		return c.Next()
	}
	x := m.used.Get().(*exchange)
	*x = m.bind(c)
	preflight, d := adapter.ServeCORS(policy, x)
	m.used.Put(x)
	switch {
	case d != nil:
		return m.owner(c.UserContext()).refuse(c, d)
	case preflight:
		c.Status(fiber.StatusNoContent)
		return nil
	default:
		return c.Next()
	}
}

// CSRF refuses requests that change something and do not come from a page of this
// application. Mount it behind Session.
func CSRF(guard *csrf.Guard, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForCSRF("authfiber", guard)).mount((*middleware).csrf)
}

func (m *middleware) csrf(c *fiber.Ctx) error {
	x := m.used.Get().(*exchange)
	*x = m.bind(c)
	ctx, d := adapter.BeginCSRF(m.Guard, x)
	m.used.Put(x)
	if d != nil {
		return m.owner(c.UserContext()).refuse(c, d)
	}
	if ctx != nil {
		c.SetUserContext(ctx)
	}
	return m.owner(c.UserContext()).translate(c, c.Next())
}

// CSRFToken returns the token for a form or a script of the page that is being answered. It is
// good for the current login, or for this visitor until somebody logs in; it may be another
// text each time. The answer becomes one that caches do not keep, and may set a cookie.
func CSRFToken(c *fiber.Ctx) (string, error) { return csrfToken(c, "") }

// CSRFTokenFor is CSRFToken for a token that is good for one action alone: method and the
// path as a browser will send it.
func CSRFTokenFor(c *fiber.Ctx, method, path string) (string, error) {
	return csrfToken(c, csrf.Action(method, path))
}

func csrfToken(c *fiber.Ctx, action string) (string, error) {
	x := new(middleware).bind(c)
	return adapter.CSRFToken(&x, action)
}
