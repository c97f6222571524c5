package adapter

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
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
		g, seen := &CORSGroups{}, map[string]bool{}
		for _, prefix := range slices.Sorted(maps.Keys(policies)) {
			policy := policies[prefix]
			if reason := prefixReason(prefix); reason != "" {
				bad(prefix, reason)
				continue
			}
			if same := parameters.ReplaceAllString(strings.ToLower(prefix), "/:"); seen[same] {
				bad(prefix, "is the same as another but for the name of a parameter, or for its case, which not every router knows")
			} else {
				seen[same] = true
			}
			if policy == nil {
				bad(prefix, "has no policy: make one with cors.New")
			}
			g.innermost = append(g.innermost, corsGroup{segmentsOf(prefix), policy})
		}
		slices.SortFunc(g.innermost, inside)
		return construct(Compiled{Groups: g}, pkg, "CORSGroups", cfg, errs)
	}
}

// parameters are those of a prefix.
var parameters = regexp.MustCompile("/:[^/:]+")

func prefixReason(prefix string) string {
	switch {
	case !strings.HasPrefix(prefix, "/"):
		return "does not begin with a slash"
	case prefix == "/":
		return ""
	case strings.ContainsAny(prefix, "*?#%+"):
		return "is not a path as routes are written, without wildcards; what is below it is meant anyway"
	case strings.Contains(parameters.ReplaceAllString(prefix, "/"), ":"):
		return "has a colon that does not begin a parameter: a parameter is a whole segment, with a name"
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
	return strings.Split(strings.Clone(prefix[1:]), "/")
}

// inside puts a group in front of those that it lies in, and a name in front of a parameter,
// segment by segment, as routers do: "/admin" is no tenant of "/:tenant/reports".
func inside(a, b corsGroup) int {
	for i := range min(len(a.segments), len(b.segments)) {
		x, y := a.segments[i], b.segments[i]
		switch p, q := isParameter(x), isParameter(y); {
		case p && q || x == y:
		case p:
			return 1
		case q:
			return -1
		default:
			return strings.Compare(x, y)
		}
	}
	return cmp.Compare(len(b.segments), len(a.segments))
}

func isParameter(segment string) bool { return segment[0] == ':' }

// Policy returns the policy of the innermost group that a path lies in, nil if it lies in
// none. With fold the names in it have no case.
//
// raw is the path as it was sent, decoded what it means. Routers go by one or the other, and
// file servers and proxies behind a catch-all by the other one again, so both have to lie in
// the same group. A path that has two readings, because some shorten it, lies nowhere.
func (g *CORSGroups) Policy(raw, decoded string, fold bool) *cors.Policy {
	p := g.policy(decoded, fold)
	if raw != decoded && g.policy(raw, fold) != p {
		return nil
	}
	return p
}

// PolicyOf is Policy for frameworks on net/http. pattern is the route that the router has
// found, "" if it is not known: it has to lie in the same group as the path, so that a route
// with parameters is not opened by a group that its path only looks like. A catch-all says
// nothing of that, and no router says where the request will go that follows a preflight.
func (g *CORSGroups) PolicyOf(pattern string, r *http.Request) *cors.Policy {
	p := g.Policy(cmp.Or(r.URL.RawPath, r.URL.Path), r.URL.Path, false)
	if r.Method == http.MethodOptions || pattern == "" || strings.Contains(pattern, "*") || g.policy(pattern, false) == p {
		return p
	}
	return nil
}

func (g *CORSGroups) policy(path string, fold bool) *cors.Policy {
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
		case want == got, isParameter(want) && got != "":
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
