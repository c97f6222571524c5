package adapter

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cors"
)

// CORSGroups are the policies of groups of routes, each by the path that all routes of the
// group begin with. It is made by ForCORSGroups and immutable.
type CORSGroups struct{ innermost []corsGroup }

type corsGroup struct {
	segments []string
	policy   *cors.Policy
}

// ForCORSGroups is ForSession for CORS of groups.
func ForCORSGroups(pkg string, policies map[string]*cors.Policy) Construct {
	return func(cfg []Option) (Compiled, error) {
		errs := misplaced(pkg, "CORSGroups", cfg, false, true, false)
		bad := func(prefix, reason string) {
			errs = append(errs, &core.ConfigError{Field: pkg + ".CORSGroups.policies", Value: prefix, Reason: reason})
		}
		if len(policies) == 0 {
			bad("", "names no group")
		}
		g := &CORSGroups{}
		for prefix, policy := range policies {
			if reason := prefixReason(prefix); reason != "" {
				bad(prefix, reason)
			}
			if policy == nil {
				bad(prefix, "has no policy: make one with cors.New")
			}
			g.innermost = append(g.innermost, corsGroup{segmentsOf(prefix), policy})
		}
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		slices.SortFunc(g.innermost, inside)
		return construct(Compiled{Groups: g}, pkg, "CORSGroups", cfg, errs)
	}
}

func prefixReason(prefix string) string {
	switch {
	case !strings.HasPrefix(prefix, "/"):
		return "does not begin with a slash"
	case prefix == "/":
		return ""
	case strings.ContainsAny(prefix, "*?#%+"):
		return "is not a path as routes are written, without wildcards; what is below it is meant anyway"
	case !plain(prefix) || strings.HasSuffix(prefix, "/"):
		return `ends with a slash, or has an empty, "." or ".." segment`
	default:
		return ""
	}
}

func segmentsOf(prefix string) []string {
	if prefix == "/" {
		return nil
	}
	return strings.Split(strings.Clone(prefix[min(len(prefix), 1):]), "/")
}

// inside puts a group in front of those that it lies in, and a name in front of a
// parameter, as routers do.
func inside(a, b corsGroup) int {
	if n := cmp.Compare(len(b.segments), len(a.segments)); n != 0 {
		return n
	}
	return slices.CompareFunc(a.segments, b.segments, func(x, y string) int {
		switch p, q := x[:min(len(x), 1)] == ":", y[:min(len(y), 1)] == ":"; {
		case p && !q:
			return 1
		case q && !p:
			return -1
		default:
			return strings.Compare(x, y)
		}
	})
}

// Policy returns the policy of the innermost group that a path lies in, nil if it lies in
// none. With fold the names in it have no case. A path that has two readings, because some
// routers shorten it, lies nowhere.
func (g *CORSGroups) Policy(path string, fold bool) *cors.Policy {
	if !plain(path) {
		return nil
	}
	for i := range g.innermost {
		if group := &g.innermost[i]; group.covers(path, fold) {
			return group.policy
		}
	}
	return nil
}

// PolicyOf is Policy for frameworks on net/http. pattern is the route that the router has
// found, whose group counts; "" if there is none. Then the path does, which routers take as
// it was sent or by what that means: both have to lie in the same group. A catch-all that
// OPTIONS arrives at says nothing of where the request will that follows a preflight.
func (g *CORSGroups) PolicyOf(pattern string, r *http.Request) *cors.Policy {
	if pattern != "" && !(r.Method == http.MethodOptions && catchAll(pattern)) {
		return g.Policy(pattern, false)
	}
	p := g.Policy(r.URL.Path, false)
	if r.URL.RawPath != "" && g.Policy(r.URL.RawPath, false) != p {
		return nil
	}
	return p
}

func catchAll(pattern string) bool { return strings.HasPrefix(path.Base(pattern), "*") }

func (g *corsGroup) covers(path string, fold bool) bool {
	for _, want := range g.segments {
		if path == "" {
			return false
		}
		got := path[1:]
		if end := strings.IndexByte(got, '/'); end >= 0 {
			got = got[:end]
		}
		path = path[1+len(got):]
		switch {
		case want == got, want[0] == ':' && got != "":
		case !fold || !strings.EqualFold(want, got):
			return false
		}
	}
	return true
}

// plain reports whether a path has no segment that is empty, the last one excepted, "." or
// "..".
func plain(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for path != "" {
		segment := path[1:]
		if end := strings.IndexByte(segment, '/'); end >= 0 {
			segment = segment[:end]
		}
		path = path[1+len(segment):]
		if segment == "" && path != "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
