package conformance

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
)

// Want is everything that an answer may say about sessions. A header of the ones
// that this suite writes must be as stated, or absent if nothing is stated: that
// nothing else is there is half of every rule.
type Want struct {
	Status int
	// Code is the "error" member of a refusal's body; "" for an answer of the
	// application's, whose Body must then be as stated, if it is.
	Code string
	Body string
	// Cookies are the expected Set-Cookie lines in order. "set" is a new value
	// in the configured form with the default Max-Age, "set:N" with Max-Age N,
	// "delete" the deletion of the configured form, "variants" the deletions of
	// the other forms, "=line" an exact line. "refresh" is a new refresh token in its
	// configured form with the default Max-Age, "refresh:N" with Max-Age N,
	// "refresh-delete" and "refresh-variants" are as for the session.
	Cookies []string
	// Asked is whether the answer depended on the session: Vary: Cookie, and
	// Cache-Control private or no-store.
	Asked bool
	// Bearer is whether the answer is one of a route behind Bearer: Vary:
	// Authorization, Cache-Control private or no-store, Bearer's challenges.
	Bearer bool
	// CacheControl overrides the expected Cache-Control; "-" for any.
	CacheControl string
	// Challenge is a part of WWW-Authenticate that must be there beside the
	// scheme; set with Code for 401s. With Bearer it is the end of the challenge,
	// behind the parameters that go with Code.
	Challenge string
	// Location is the redirect's target.
	Location string
	// Service is whether the answer is one of a token endpoint: never cached, and
	// with this scheme in the challenge of a 401.
	Service string
}

var (
	newValue   = regexp.MustCompile(`^[A-Za-z0-9_-]{48}$`)
	newRefresh = regexp.MustCompile(`^spr_[A-Za-z0-9_-]{84}$`)
)

// defaultRefreshAge is the Max-Age of a refresh cookie by default: 14 days.
const defaultRefreshAge = 14 * 24 * 60 * 60

// Check ends the case unless a is exactly what is wanted.
func (s *Server) Check(a *Answer, w Want) *Answer {
	s.t.Helper()
	t := s.t
	Equal(t, "status", a.Status, w.Status)
	Equal(t, "error code", a.Code(), w.Code)
	if w.Body != "" {
		Equal(t, "body", a.Body, w.Body)
	}
	s.checkCookies(a, w.Cookies)
	cache, vary := "", ""
	if w.Asked {
		vary, cache = "Cookie", "private"
	}
	if w.Bearer {
		vary, cache = "Authorization", "private"
	}
	if len(w.Cookies) > 0 || w.Code != "" || w.Service != "" {
		cache = "no-store"
	}
	if w.CacheControl != "" {
		cache = w.CacheControl
	}
	Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), vary)
	if cache != "-" {
		Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), cache)
	}
	s.checkChallenge(a, w)
	retry := a.Header.Get("Retry-After")
	if want := w.Code != "" && (w.Status == 503 || w.Status == 429); (retry != "") != want {
		t.Failf("Retry-After: got %q, wanted one: %t", retry, want)
	}
	Equal(t, "Location", a.Header.Get("Location"), w.Location)
	return a
}

func (s *Server) checkChallenge(a *Answer, w Want) {
	s.t.Helper()
	got := strings.Join(a.Header.Values("WWW-Authenticate"), ", ")
	if w.Bearer {
		Equal(s.t, "WWW-Authenticate", got, bearerChallenge(w))
		return
	}
	if w.Status != 401 || w.Code == "" {
		Equal(s.t, "WWW-Authenticate", got, "")
		return
	}
	scheme := cmp.Or(w.Service, "Cookie")
	if !strings.HasPrefix(got, scheme+` realm="`) || !strings.Contains(got, w.Challenge) {
		s.t.Failf("WWW-Authenticate: got %q, want a %s challenge with %q", got, scheme, w.Challenge)
	}
	if w.Challenge == "" && strings.Contains(got, "error=") {
		s.t.Failf("WWW-Authenticate: got %q, want no error in it", got)
	}
}

// bearerChallenge is the one that RFC 6750 section 3 wants: no error code where no
// credentials were sent.
func bearerChallenge(w Want) string {
	params := ""
	switch core.Code(w.Code) {
	case core.MissingCredentials:
	case core.TokenExpired, core.InvalidSignature, core.TokenRevoked:
		params = `, error="invalid_token", error_description="` + core.Code(w.Code).Message() + `"`
	case core.InvalidRequest:
		params = `, error="invalid_request"`
	case core.InsufficientScope:
		params = `, error="insufficient_scope"`
	case core.StepUpRequired:
		params = `, error="insufficient_user_authentication"`
	default:
		return ""
	}
	return `Bearer realm="conformance"` + params + w.Challenge
}

func (s *Server) checkCookies(a *Answer, want []string) {
	s.t.Helper()
	spec := s.manager.Cookie()
	var lines []string
	for _, w := range want {
		switch w {
		case "variants":
			lines = append(lines, spec.DeleteVariants()...)
		case "refresh-variants":
			lines = append(lines, s.rotator.Cookie().DeleteVariants()...)
		default:
			lines = append(lines, w)
		}
	}
	got := a.Header["Set-Cookie"]
	if len(got) != len(lines) {
		s.t.Failf("Set-Cookie: got %q, want %q", got, want)
	}
	for i, w := range lines {
		c := parseSetCookie(got[i])
		switch {
		case w == "set" || strings.HasPrefix(w, "set:"):
			age := 86400
			if n, ok := strings.CutPrefix(w, "set:"); ok {
				_, _ = fmt.Sscan(n, &age)
			}
			attrs := []string{"Path=/", fmt.Sprintf("Max-Age=%d", age), "Secure", "HttpOnly", "SameSite=Lax"}
			if c.Name != s.Cookie || !newValue.MatchString(c.Value) || !slices.Equal(c.Attributes, attrs) {
				s.t.Failf("Set-Cookie %d: got %q, want %s=<48 characters>; %s", i, got[i], s.Cookie, strings.Join(attrs, "; "))
			}
		case w == "delete":
			Equal(s.t, "Set-Cookie", got[i], spec.Delete())
		case w == "refresh" || strings.HasPrefix(w, "refresh:"):
			age := defaultRefreshAge
			if n, ok := strings.CutPrefix(w, "refresh:"); ok {
				_, _ = fmt.Sscan(n, &age)
			}
			attrs := []string{"Path=/", fmt.Sprintf("Max-Age=%d", age), "Secure", "HttpOnly", "SameSite=Strict"}
			if c.Name != s.rotator.Cookie().Name() || !newRefresh.MatchString(c.Value) || !slices.Equal(c.Attributes, attrs) {
				s.t.Failf("Set-Cookie %d: got %q, want %s=<a refresh token>; %s", i, got[i], s.rotator.Cookie().Name(), strings.Join(attrs, "; "))
			}
		case w == "refresh-delete":
			Equal(s.t, "Set-Cookie", got[i], s.rotator.Cookie().Delete())
		default:
			Equal(s.t, "Set-Cookie", got[i], strings.TrimPrefix(w, "="))
		}
	}
}

// Anonymous is what a route behind RequireLogin answers to nobody.
func Anonymous() Want {
	return Want{Status: 401, Code: "MISSING_CREDENTIALS", Asked: true}
}
