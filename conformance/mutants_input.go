package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core/session"
)

// inputMutants break the rules of inputCases.
func inputMutants() []Mutant { return slices.Concat(requestMutants(), storeMutants()) }

// theCookie is the name that mutants rewrite.
const theCookie = "__Host-session"

// rewrite is a server that changes requests before they are looked at.
func rewrite(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(r)
			next.ServeHTTP(w, r)
		})
	}
}

// recook is a server that changes the values of our cookie: pairs are what
// stands between semicolons, over all lines.
func recook(change func(pairs []string) []string) func(http.Handler) http.Handler {
	return rewrite(func(r *http.Request) {
		if lines := r.Header["Cookie"]; len(lines) > 0 {
			pairs := strings.Split(strings.Join(lines, "; "), ";")
			for i, p := range pairs {
				pairs[i] = strings.TrimPrefix(p, " ")
			}
			r.Header["Cookie"] = []string{strings.Join(change(pairs), "; ")}
		}
	})
}

// revalue is recook for each value of our cookie by itself.
func revalue(change func(string) string) func(http.Handler) http.Handler {
	return recook(func(pairs []string) []string {
		for i, p := range pairs {
			if v, ok := strings.CutPrefix(p, theCookie+"="); ok {
				pairs[i] = theCookie + "=" + change(v)
			}
		}
		return pairs
	})
}

// issued is a server that remembers the values it set and makes a presented one
// into an issued one if same says so.
func issued(same func(issued, presented string) bool) func(http.Handler) http.Handler {
	var mu sync.Mutex
	var values []string
	return func(next http.Handler) http.Handler {
		front := revalue(func(v string) string {
			mu.Lock()
			defer mu.Unlock()
			for _, known := range values {
				if same(known, v) {
					return known
				}
			}
			return v
		})(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			front.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			for _, line := range w.Header()["Set-Cookie"] {
				if c := parseSetCookie(line); !c.Deletes {
					values = append(values, c.Value)
				}
			}
		})
	}
}

// reanswer is a server that changes an answer's status and headers just before
// they leave.
func reanswer(change func(status int, h http.Header) int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&reanswered{ResponseWriter: w, change: change}, r)
		})
	}
}

type reanswered struct {
	http.ResponseWriter
	change func(int, http.Header) int
	sent   bool
}

func (w *reanswered) WriteHeader(status int) {
	w.sent = true
	w.ResponseWriter.WriteHeader(w.change(status, w.Header()))
}

func (w *reanswered) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// recookie is reanswer for the Set-Cookie lines alone.
func recookie(change func([]string) []string) func(http.Handler) http.Handler {
	return reanswer(func(status int, h http.Header) int {
		if lines := change(h["Set-Cookie"]); len(lines) > 0 {
			h["Set-Cookie"] = lines
		} else {
			h.Del("Set-Cookie")
		}
		return status
	})
}

func mine(pair string) bool { return strings.HasPrefix(pair, theCookie+"=") }

func alphanumeric(s string) string { return notAlphanumeric.ReplaceAllString(s, "") }

var notAlphanumeric = regexp.MustCompile(`[^A-Za-z0-9]`)

func requestMutants() []Mutant {
	return slices.Concat(valueMutants(), elsewhereMutants(), jarMutants(), dataMutants())
}

func valueMutants() []Mutant {
	return []Mutant{
		{Name: "a malformed id is looked up under a hash of it", Slug: "input/malformed-id",
			Front: revalue(func(v string) string {
				if !newValue.MatchString(v) {
					return neverIssued(len(v))
				}
				return v
			})},
		{Name: "CVE-2024-38513: an unknown id begins a session under it", Slug: "input/unknown-ids",
			Store: func(s session.Store) session.Store { return adopting{s} }},
		{Name: "an id that the store does not know is a failure of the store", Slug: "input/unknown-ids",
			Store: func(s session.Store) session.Store { return strictLoad{s} }},
		{Name: "CVE-2026-27840: a truncated id is completed", Slug: "input/truncated-id",
			Front: issued(func(known, v string) bool { return len(v) >= 40 && strings.HasPrefix(known, v) })},
		{Name: "an extended id is cut to its length", Slug: "input/truncated-id",
			Front: revalue(func(v string) string { return v[:min(len(v), 48)] })},
		{Name: "the last bits of an id do not count", Slug: "input/flipped-bit",
			Front: issued(func(known, v string) bool { return len(v) == 48 && known[:47] == v[:47] })},
		{Name: "ids are compared without regard to case", Slug: "input/respelled-id",
			Front: issued(strings.EqualFold)},
		{Name: "both base64 alphabets are accepted", Slug: "input/respelled-id",
			Front: revalue(strings.NewReplacer("+", "-", "/", "_").Replace)},
		{Name: "base64 padding is accepted", Slug: "input/respelled-id",
			Front: revalue(func(v string) string { return strings.TrimRight(v, "=") })},
		{Name: "cookies are percent-decoded", Slug: "input/respelled-id",
			Front: revalue(func(v string) string {
				if u, err := url.PathUnescape(v); err == nil {
					return u
				}
				return v
			})},
		{Name: "quotes around a cookie are taken off", Slug: "input/quoted-id",
			Front: revalue(func(v string) string { return strings.Trim(v, `"`) })},
		{Name: "blanks around a cookie are taken off", Slug: "input/quoted-id",
			Front: revalue(strings.TrimSpace)},
		{Name: "every character that cannot be in an id is skipped", Slug: "input/quoted-id",
			Front: issued(func(known, v string) bool { return alphanumeric(known) == alphanumeric(v) })},
		{Name: "a store's key is as good as the value that it was made from", Slug: "input/other-artefact",
			Store: func(s session.Store) session.Store { return &keyAsValue{Store: s} }},
		{Name: "applications on one store share a name", Slug: "input/other-app",
			Config: func(c *session.Config) { c.App = "app" }},
	}
}

func elsewhereMutants() []Mutant {
	promote := func(find func(*http.Request) string) func(http.Handler) http.Handler {
		return rewrite(func(r *http.Request) {
			if v := find(r); v != "" && r.Header.Get("Cookie") == "" {
				r.Header.Set("Cookie", theCookie+"="+v)
			}
		})
	}
	return []Mutant{
		{Name: "gofiber PR 4469: an id in the query becomes the cookie", Slug: "input/id-elsewhere",
			Front: promote(func(r *http.Request) string { return r.URL.Query().Get("sid") })},
		{Name: "an id in the Authorization header becomes the cookie", Slug: "input/id-elsewhere",
			Front: promote(func(r *http.Request) string {
				v, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				return v
			})},
		{Name: "an id in a form becomes the cookie", Slug: "input/id-elsewhere",
			Front: promote(func(r *http.Request) string { return r.PostFormValue("session_id") })},
		{Name: "an id in the path becomes the cookie", Slug: "input/id-elsewhere",
			Front: promote(func(r *http.Request) string { return strings.Trim(r.URL.Path, "/") })},
		{Name: "an id in a header of its own becomes the cookie", Slug: "input/id-elsewhere-adopted",
			Front: promote(func(r *http.Request) string { return r.Header.Get("X-Session-Id") })},
		{Name: "gofiber PR 4469: a write goes to the session that the query names", Slug: "input/id-elsewhere-adopted",
			Front: promote(func(r *http.Request) string { return r.URL.Query().Get("session") })},
	}
}

func jarMutants() []Mutant {
	only := func(last bool) func([]string) []string {
		return func(pairs []string) []string {
			var others, ours []string
			for _, p := range pairs {
				if mine(p) {
					ours = append(ours, p)
				} else {
					others = append(others, p)
				}
			}
			if len(ours) > 1 && last {
				ours = ours[len(ours)-1:]
			} else if len(ours) > 1 {
				ours = ours[:1]
			}
			return append(others, ours...)
		}
	}
	keep := func(lines []string, keep func(SetCookie) bool) []string {
		return slices.DeleteFunc(lines, func(l string) bool { return !keep(parseSetCookie(l)) })
	}
	return []Mutant{
		{Name: "equal cookies are ambiguous", Slug: "input/equal-cookies",
			Front: recook(func(pairs []string) []string {
				if len(slices.Compact(slices.Clone(pairs))) < len(pairs) {
					return slices.DeleteFunc(pairs, mine)
				}
				return pairs
			})},
		{Name: "the first cookie wins", Slug: "input/one-alive", Front: recook(only(false))},
		{Name: "the last cookie wins", Slug: "input/two-alive", Front: recook(only(true))},
		{Name: "the first of two live sessions wins", Slug: "input/two-alive", Front: recook(only(false))},
		{Name: "the jar is not repaired", Slug: "input/one-alive",
			Front: recookie(func(lines []string) []string { return keep(lines, func(c SetCookie) bool { return !c.Deletes }) })},
		{Name: "a jar with nothing alive in it is emptied", Slug: "input/none-alive",
			Front: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					reanswer(func(status int, h http.Header) int {
						if status == 401 && strings.Count(r.Header.Get("Cookie"), theCookie) > 1 && len(h["Set-Cookie"]) == 0 {
							h.Set("Set-Cookie", theCookie+"=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
						}
						return status
					})(next).ServeHTTP(w, r)
				})
			}},
		{Name: "cookies joined by a comma are taken apart", Slug: "input/comma-joined",
			Front: recook(func(pairs []string) []string {
				return strings.FieldsFunc(strings.Join(pairs, ";"), func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
			})},
		{Name: "the candidates of a stuffed jar are looked up from behind", Slug: "input/at-most-four",
			Front: recook(func(pairs []string) []string { slices.Reverse(pairs); return pairs })},
		{Name: "each candidate is a store call of its own", Slug: "input/at-most-four",
			Store: func(s session.Store) session.Store { return oneByOne{s} }},
		{Name: "the repair forgets the partition", Slug: "input/repair-variants",
			Front: recookie(func(lines []string) []string {
				for i, l := range lines {
					lines[i] = strings.TrimSuffix(l, "; Partitioned")
				}
				return lines
			})},
		{Name: "the deletions stand behind what is set", Slug: "input/repair-jar",
			Front: recookie(func(lines []string) []string { slices.Reverse(lines); return lines })},
		{Name: "a login leaves the other forms in the jar", Slug: "input/repair-jar",
			Front: recookie(func(lines []string) []string {
				if sets := keep(slices.Clone(lines), func(c SetCookie) bool { return !c.Deletes }); len(sets) > 0 {
					return sets
				}
				return lines
			})},
		{Name: "a write brings a destroyed session back", Slug: "input/repair-only-alive",
			Store: func(s session.Store) session.Store { return upsert{s} }},
		{Name: "CVE-2026-24894: a request is served with the cookie of the one before", Slug: "input/users-in-parallel",
			Front: mixedRequests()},
		{Name: "CVE-2025-29923: the store's reply belongs to the read before", Slug: "input/users-in-parallel",
			Store: func(s session.Store) session.Store { return &previousReply{Store: s} }},
	}
}

// mixedRequests keeps a request's cookie in what it shares with the next.
func mixedRequests() func(http.Handler) http.Handler {
	var mu sync.Mutex
	var shared []string
	n := 0
	return rewrite(func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		mine := r.Header["Cookie"]
		if n%1000 == 0 && shared != nil {
			r.Header["Cookie"] = shared
		}
		shared = mine
	})
}

func dataMutants() []Mutant {
	return []Mutant{
		{Name: "the size of a session is not bounded", Slug: "input/oversize-value",
			Config: func(c *session.Config) { c.MaxDataBytes = 1 << 20 }},
		{Name: "the size is checked for each request by itself", Slug: "input/oversize-together",
			Config: func(c *session.Config) { c.MaxDataBytes *= 2 }},
		{Name: "a session over its size is not bounded", Slug: "input/oversize-login",
			Config: func(c *session.Config) { c.MaxDataBytes *= 2 }},
		{Name: "the store is not clean for all bytes", Slug: "input/hostile-data",
			Store: func(s session.Store) session.Store { return textStore{s} }},
	}
}
