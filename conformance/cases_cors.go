package conformance

import (
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/cors"
)

// corsCases are the rules about pages of other origins.
func corsCases() []Case {
	return slices.Concat(corsOriginCases(), corsPatternCases(), corsConfigCases(), corsVaryCases(), corsPreflightCases(), corsPlaceCases(), corsOrderCases(), corsLifeCases())
}

// Where the pages of cases come from.
const (
	corsPage  = "https://app.example.com"
	corsAdmin = "https://admin.example.com:8443"
	corsLocal = "http://localhost:3000"
	corsEvil  = "https://evil.example"
)

// What every answer varies on, and every answer to OPTIONS.
const (
	corsVary          = "Vary: Origin"
	corsVaryPreflight = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)

const (
	corsAllowOrigin      = "Access-Control-Allow-Origin: "
	corsAllowCredentials = "Access-Control-Allow-Credentials: true"
	corsExpose           = "Access-Control-Expose-Headers: "
	corsAllowMethods     = "Access-Control-Allow-Methods: "
	corsAllowHeaders     = "Access-Control-Allow-Headers: "
	corsMaxAge           = "Access-Control-Max-Age: "
	corsAllowPrivate     = "Access-Control-Allow-Private-Network: true"
)

// corsConfig is the policy of most cases.
func corsConfig() cors.Config {
	return cors.Config{
		Origins: []string{corsPage, corsAdmin, corsLocal}, Credentials: true,
		Methods: []string{"PUT", "DELETE"}, RequestHeaders: []string{"X-Requested-With", "Content-Type"},
		ResponseHeaders: []string{"X-Total"}, MaxAge: 10 * time.Minute,
	}
}

// corsActual is what corsConfig adds to an answer to a page of origin.
func corsActual(origin string) []string {
	return []string{corsVary, corsAllowOrigin + origin, corsAllowCredentials, corsExpose + "x-total"}
}

// corsGranted is what corsConfig answers to a preflight of a page of origin that needs no
// permission for its method and its headers. What it needs is more.
func corsGranted(origin string, more ...string) []string {
	return append([]string{corsVaryPreflight, corsAllowOrigin + origin, corsAllowCredentials, corsMaxAge + "600"}, more...)
}

// What corsGranted has besides when a method or a header was asked for.
const (
	corsItsMethods = corsAllowMethods + "DELETE,PUT"
	corsItsHeaders = corsAllowHeaders + "content-type,x-requested-with"
)

// corsFrom is what a browser says of a page of origin.
func corsFrom(origin string) string { return "Origin: " + origin }

// corsAsks is what a preflight says: who asks, for which method, and with which lines of
// header names.
func corsAsks(origin, method string, names ...string) []string {
	lines := []string{corsFrom(origin), "Access-Control-Request-Method: " + method}
	for _, n := range names {
		lines = append(lines, corsNames+n)
	}
	return lines
}

const corsNames = "Access-Control-Request-Headers: "

// corsServe serves standard under a policy on everything.
func (t *T) corsServe(cfg cors.Config) *Server {
	t.Helper()
	app := standard()
	app.CORS = t.policy(cfg)
	return t.Serve(app)
}

// corsLogin returns a browser in which user is logged in, from a page of origin. s has
// corsConfig.
func (s *Server) corsLogin(user, origin string) *Browser {
	s.t.Helper()
	b := s.Browser()
	a := b.Do("POST", "/login?user="+user, corsFrom(origin))
	s.corsSays(a, "logged in", append(corsActual(origin), "Set-Cookie", "Vary: Cookie", "Cache-Control: no-store")...)
	s.checkCookies(a, []string{"set"})
	s.t.forget()
	return b
}

// corsStrain sends what a server may refuse for its size alone, on a connection of its
// own. It returns nil if there was no answer at all.
func (s *Server) corsStrain(method, target string, lines ...string) *Answer {
	s.t.Helper()
	raw := s.Request(method, target, lines...)
	c := s.Dial()
	defer c.Close()
	_ = c.Send(raw) // who refuses a header need not read it to the end
	a, err := c.Receive(raw)
	if err != nil {
		s.t.note(raw, c.tee.String())
		return nil
	}
	s.t.note(raw, a.Raw)
	return a
}

// corsTooLarge reports whether a is the server's own refusal of a header, or none.
func corsTooLarge(a *Answer) bool { return a == nil || a.Status == 431 || a.Status == 400 }

// corsBoth asks for /public as a page and by preflight, with these lines in the place of
// Origin, and checks that the page is allowed nothing. What it asked for runs: to keep
// others from reading an answer is not to keep them from asking.
func (s *Server) corsBoth(lines ...string) {
	s.t.Helper()
	s.corsSays(s.Do("GET", "/public", lines...), "public", corsVary)
	s.corsRefused("/public", append(slices.Clone(lines), "Access-Control-Request-Method: GET")...)
}

// corsOdd is corsBoth for lines that a server may take for no HTTP at all.
func (s *Server) corsOdd(lines ...string) {
	s.t.Helper()
	a := s.corsStrain("GET", "/public", lines...)
	if !corsTooLarge(a) {
		s.corsSays(a, "public", corsVary)
	} else if a != nil {
		s.corsSilent(a)
	}
	a = s.corsStrain("OPTIONS", "/public", append(slices.Clone(lines), "Access-Control-Request-Method: GET")...)
	if !corsTooLarge(a) {
		s.corsIs(a, 204, corsVaryPreflight)
	} else if a != nil {
		s.corsSilent(a)
	}
}

// corsWithout is lines without those that begin with any of the prefixes.
func corsWithout(lines []string, prefixes ...string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(l, p) })
	})
}
