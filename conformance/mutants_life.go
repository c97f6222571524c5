package conformance

import (
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// lifeMutants break the rules of lifeCases.
func lifeMutants() []Mutant {
	return slices.Concat(beginMutants(), changeMutants(), endMutants(), timeMutants(), dataLifeMutants())
}

func beginMutants() []Mutant {
	return []Mutant{
		{Name: "CVE-2024-38513: what a client presents becomes a session's id", Slug: "session/unknown-id-never-adopted",
			Store: bend(adoptsPresented)},
		{Name: "CVE-2023-22479: the id from before a login is logged in by it", Slug: "session/login-changes-id",
			Store: bend(keepsID)},
		{Name: "the visitor's record outlives the login", Slug: "session/login-changes-id",
			Store: bend(takesNothing)},
		{Name: "a cart is inherited twice", Slug: "session/login-carries-data-once",
			Store: bend(takesTwice)},
		{Name: "a login begins with an empty cart", Slug: "session/login-carries-data-once",
			Store: bend(rewrites(func(e session.Entry) session.Entry {
				if !e.Owner.IsZero() && e.Version == 1 {
					e.Value = e.Value[:dataFrom(e)] + noData
				}
				return e
			}))},
		{Name: "CVE-2025-66630: ids are made of zeros", Slug: "session/login-without-a-record",
			Config: func(c *session.Config) { c.Rand = zeros{} }},
		{Name: "a login without a subject is a guest's", Slug: "session/login-refuses-nobody",
			Front: rewrite(func(r *http.Request) {
				if q := r.URL.Query(); q.Has("user") && q.Get("user") == "" {
					r.URL.RawQuery = "user=guest"
				}
			})},
		{Name: "CVE-2015-5143: every visitor gets a record", Slug: "session/visitors-leave-nothing",
			Front: ahead("POST", "/note", func(r *http.Request) bool { return r.Header.Get("Cookie") == "" })},
		{Name: "CVE-2025-66630: zeros stand in for a failed random source", Slug: "session/random-source-fails",
			Config: func(c *session.Config) { c.Rand = fallback{c.Rand} }},
		{Name: "CVE-2024-52801: ids are counted", Slug: "session/ids-are-random",
			Config: func(c *session.Config) { c.Rand = &countedUp{} }},
		{Name: "the store's key lacks the application's name", Slug: "session/apps-on-one-store-are-apart",
			Config: func(c *session.Config) { c.App = "conformance" }},
	}
}

func changeMutants() []Mutant {
	return []Mutant{
		{Name: "a change of roles leaves the old id alive", Slug: "session/role-change-ends-old-id-at-once",
			Store: bend(leavesOld)},
		{Name: "the old id keeps everything until the new one is seen", Slug: "session/superseded-id-changes-nothing",
			Store: bend(leavesOld)},
		{Name: "the old id's cookie is sent again", Slug: "session/superseded-id-changes-nothing",
			Front: resend},
		{Name: "the old id outlives its minute", Slug: "session/superseded-id-ends-within-60-seconds",
			Store: bend(changesLeft(lengthens))},
		{Name: "what the old id leaves outlives its session", Slug: "session/superseded-id-ends-with-its-session",
			Store: bend(changesLeft(lengthens))},
		{Name: "the old id survives that the new one is seen", Slug: "session/superseded-id-ends-when-new-is-presented",
			Store: bend(keepsSnapshots)},
		{Name: "the old id gets the authority of the step-up", Slug: "session/stepped-up-id-keeps-old-authority",
			Store: bend(changesLeft(raises))},
		{Name: "a step-up whose answer is lost logs out", Slug: "session/stepped-up-id-keeps-old-authority",
			Store: bend(changesLeft(leavesNothing))},
		{Name: "a renewal whose answer is lost logs out", Slug: "session/renewed-id-forwards-data",
			Store: bend(changesLeft(leavesNothing))},
		{Name: "what is under way at a renewal is lost", Slug: "session/request-in-flight-crosses-renewal",
			Store: bend(changesLeft(leavesNothing))},
		{Name: "a late write undoes a step-up", Slug: "session/request-in-flight-refused-after-step-up",
			Store: bend(lastWriterWins)},
		{Name: "two step-ups make two sessions", Slug: "session/parallel-changes-make-one-session",
			Store: bend(lastWriterWins)},
		{Name: "a late change takes over the renewed session", Slug: "session/change-in-flight-refused-after-renewal",
			Store: bend(lastWriterWins)},
		{Name: "the next user finds the previous one's data", Slug: "session/user-switch-leaves-nothing",
			Store: bend(inherits)},
		{Name: "the previous user's id is the next one's", Slug: "session/user-switch-leaves-nothing",
			Store: bend(keepsID)},
		{Name: "a renewal counts as a proof of identity", Slug: "session/renewal-changes-id-alone",
			Store: bend(rewrites(proven))},
		{Name: "use counts as a proof of identity", Slug: "session/guard-fresh",
			Store: bend(rewrites(proven))},
		{Name: "role names are compared without regard to case", Slug: "session/guard-role",
			Front: rewrite(func(r *http.Request) { r.URL.RawQuery = strings.ToLower(r.URL.RawQuery) })},
		{Name: "a route is reached past its guard", Slug: "session/guard-login",
			Front: rewrite(func(r *http.Request) {
				if r.URL.Path == "/act" {
					r.URL.Path, r.URL.RawQuery = "/note", "v=acted"
				}
			})},
		{Name: "an own ErrorHandler loses the challenge", Slug: "session/own-error-handler-answers-refusals",
			Front: reanswer(func(status int, h http.Header) int { h.Del("WWW-Authenticate"); return status })},
	}
}

func endMutants() []Mutant {
	return []Mutant{
		{Name: "CVE-2026-30224: a logout leaves the session alive", Slug: "session/logout-ends-session",
			Store: bend(takesNothing)},
		{Name: "CVE-2022-39284: the deletion lacks the cookie's attributes", Slug: "session/logout-deletes-the-cookie-it-set",
			Front: recookie(func(lines []string) []string {
				for i, l := range lines {
					if parseSetCookie(l).Deletes {
						lines[i] = strings.Replace(l, "; Secure", "", 1)
					}
				}
				return lines
			})},
		{Name: "the deletion is of another domain's cookie", Slug: "session/logout-deletes-the-cookie-it-set",
			Front: recookie(func(lines []string) []string {
				for i, l := range lines {
					if parseSetCookie(l).Deletes {
						lines[i] = strings.Replace(l, "; Domain=example.com", "", 1)
					}
				}
				return lines
			})},
		{Name: "every 401 deletes the cookie", Slug: "session/only-a-logout-deletes-the-cookie",
			Front: reanswer(func(status int, h http.Header) int {
				if status == http.StatusUnauthorized {
					h.Add("Set-Cookie", deletionLine)
				}
				return status
			})},
		{Name: "every logout deletes the cookie", Slug: "session/only-a-logout-deletes-the-cookie",
			Front: func(next http.Handler) http.Handler {
				deleting := reanswer(func(status int, h http.Header) int {
					h.Set("Set-Cookie", deletionLine)
					return status
				})(next)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/logout" {
						deleting.ServeHTTP(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
			}},
		{Name: "CVE-2022-24444: the id survives the logout", Slug: "session/what-follows-a-logout-is-a-new-session",
			Store: bend(keepsID)},
		{Name: "the session after a logout has the data from before", Slug: "session/what-follows-a-logout-is-a-new-session",
			Store: bend(inherits)},
		{Name: "both of two logouts delete the cookie", Slug: "session/parallel-logouts-delete-once",
			Store: bend(takesTwice)},
		{Name: "an expiry is told of twice", Slug: "session/every-end-is-told-once", Store: bend(tellsTwice)},
		{Name: "an expiry is told to nobody", Slug: "session/every-end-is-told-once", Store: bend(tellsNobody)},
		{Name: "CVE-2025-46336: a late write undoes the logout", Slug: "session/late-write-undoes-no-logout",
			Store: bend(bringsBack)},
		{Name: "CVE-2025-46336: a late touch undoes the logout", Slug: "session/late-touch-undoes-no-logout",
			Store: bend(bringsBack)},
		{Name: "CVE-2025-46336: a late write outlives the expiry", Slug: "session/late-write-outlives-no-expiry",
			Store: bend(bringsBack)},
		{Name: "CVE-2025-46336: a late write brings the previous user back", Slug: "session/late-write-stays-with-its-user",
			Store: bend(bringsBack)},
	}
}

func timeMutants() []Mutant {
	return []Mutant{
		{Name: "sessions nobody uses do not end", Slug: "session/idle-timeout", Store: bend(rewrites(immortal))},
		{Name: "CVE-2018-1000814: only the client enforces the end", Slug: "session/stale-cookie-is-worth-nothing",
			Store: bend(rewrites(immortal))},
		{Name: "use is never noted", Slug: "session/use-puts-off-the-idle-end",
			Config: func(c *session.Config) { c.Now = func() time.Time { return epoch } }},
		{Name: "use puts off the absolute end", Slug: "session/absolute-timeout", Store: bend(rewrites(sliding))},
		{Name: "the cookie promises a day whatever is left", Slug: "session/absolute-timeout",
			Front: recookie(func(lines []string) []string {
				for i, l := range lines {
					if c := parseSetCookie(l); !c.Deletes {
						lines[i] = c.Name + "=" + c.Value + "; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"
					}
				}
				return lines
			})},
		{Name: "the store leaves expiry to the server's clock", Slug: "session/neither-clock-alone-lengthens-a-life",
			Store: bend(rewrites(kept))},
		{Name: "every read is noted", Slug: "session/touch",
			Config: func(c *session.Config) { c.TouchInterval = time.Second }},
		{Name: "every answer sends the cookie again", Slug: "session/touch", Front: resend},
		{Name: "every request that finds it due touches the session", Slug: "session/parallel-touch-once",
			Store: bend(lastWriterWins)},
	}
}

func dataLifeMutants() []Mutant {
	return []Mutant{
		{Name: "the last of ten parallel writers wins", Slug: "session/parallel-writes-all-survive", Store: bend(lastWriterWins)},
		{Name: "the last of ten parallel counters wins", Slug: "session/parallel-increments-are-exact", Store: bend(lastWriterWins)},
		{Name: "the last of ten parallel flashes wins", Slug: "session/parallel-flashes-all-survive", Store: bend(lastWriterWins)},
		{Name: "all of ten compare-and-sets win", Slug: "session/compare-and-set-has-one-winner", Store: bend(lastWriterWins)},
		{Name: "a flash is shown for ever", Slug: "session/flash-is-shown-once", Store: bend(neverShrinks)},
		{Name: "a session is stored again whenever it is read", Slug: "session/store-is-asked-only-when-needed", Store: bend(resaves)},
		{Name: "a session is read once for each question", Slug: "session/store-is-asked-only-when-needed", Store: bend(readsTwice)},
		{Name: "a session is read before anybody asks", Slug: "session/store-is-asked-only-when-needed",
			Front: ahead("GET", "/whoami", func(r *http.Request) bool { return r.Header.Get("Cookie") != "" })},
	}
}

// ahead is a server that makes a request of its own before those that it is asked
// to, and passes on the cookie.
func ahead(method, path string, when func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if when(r) {
				own := r.Clone(r.Context())
				own.Method, own.URL.Path, own.Body, own.ContentLength = method, path, http.NoBody, 0
				next.ServeHTTP(&unsent{header: w.Header()}, own)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// unsent is an answer of which only the headers matter.
type unsent struct{ header http.Header }

func (u *unsent) Header() http.Header       { return u.header }
func (*unsent) Write(p []byte) (int, error) { return len(p), nil }
func (*unsent) WriteHeader(int)             {}

// resend is a server that gives the presented cookie its full time again with
// every answer that knows its user.
func resend(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, ok := strings.CutPrefix(r.Header.Get("Cookie"), theCookie+"=")
		reanswer(func(status int, h http.Header) int {
			if ok && status < 300 && len(h["Set-Cookie"]) == 0 {
				h.Set("Set-Cookie", strings.Replace(loginLine, "*", value, 1))
				h.Set("Cache-Control", "no-store")
			}
			return status
		})(next).ServeHTTP(w, r)
	})
}

// zeros is a random source that is none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// fallback covers up that its source has failed.
type fallback struct{ io.Reader }

func (f fallback) Read(p []byte) (int, error) {
	if n, err := f.Reader.Read(p); err != nil || n < len(p) {
		clear(p)
	}
	return len(p), nil
}

// countedUp is a source whose bytes never repeat and are known in advance.
type countedUp struct{ n atomic.Uint64 }

func (c *countedUp) Read(p []byte) (int, error) {
	clear(p)
	binary.BigEndian.PutUint32(p[max(len(p)-4, 0):], uint32(c.n.Add(1)))
	return len(p), nil
}
