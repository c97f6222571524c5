package cors

import (
	"slices"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// warnings finds the origins that are allowed with credentials and come without a cookie.
// To the user they look as if CORS did not work: the preflight is answered, the request is
// allowed, and then nobody is logged in.
func warnings(cfg Config) (all []core.ConfigError) {
	if !cfg.Credentials {
		return nil
	}
	cookies := slices.Clone(cfg.Cookies)
	cookies = slices.DeleteFunc(cookies, func(s *cookie.Spec) bool { return s.SameSite() == cookie.SameSiteNone })
	warn := func(field string, from []string) {
		for i, o := range from {
			if !origin.CrossSite(o, cfg.PublicOrigin) {
				continue
			}
			for _, s := range cookies {
				all = append(all, core.ConfigError{Field: prefix + at(field, i), Value: o, Reason: "is of another site than " + cfg.PublicOrigin +
					", whose cookie " + s.Name() + " is SameSite=" + s.SameSite().String() +
					": browsers do not send it with requests of such a page. Serve both from one site, make the cookie SameSite=None, or turn Credentials off"})
			}
		}
	}
	warn("Origins", cfg.Origins)
	warn("Patterns", cfg.Patterns)
	return all
}
