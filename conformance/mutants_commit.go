package conformance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/sallyport-go/sallyport/core/session"
)

// commitMutants break the rules of commitCases.
func commitMutants() []Mutant {
	return slices.Concat(lostCookieMutants(), strayHeaderMutants(), brokenRefusalMutants(), brokenWriterMutants(), commitStoreMutants())
}

// exit is the call by which an answer's headers leave.
type exit string

const (
	exitWrite    exit = "Write"
	exitString   exit = "WriteString"
	exitReadFrom exit = "ReadFrom"
	exitFlush    exit = "Flush"
	exitEnd      exit = "end" // nothing was called but WriteHeader
	exitInterim  exit = "1xx"
)

// spoiled is a server whose answers' headers are changed at the last moment, by
// somebody who knows through which exit they leave. Like Gin's writer it keeps the
// status back until then.
func spoiled(spoil func(by exit, status int, h http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d := &doorkeeper{ResponseWriter: w, spoil: spoil, status: http.StatusOK}
			next.ServeHTTP(d, r)
			d.leave(exitEnd)
		})
	}
}

type doorkeeper struct {
	http.ResponseWriter
	spoil  func(exit, int, http.Header)
	status int
	left   bool
}

func (d *doorkeeper) leave(by exit) {
	if !d.left {
		d.left = true
		d.spoil(by, d.status, d.Header())
		d.ResponseWriter.WriteHeader(d.status)
	}
}

func (d *doorkeeper) WriteHeader(status int) {
	switch {
	case status >= 200:
		d.status = status
	default:
		d.spoil(exitInterim, status, d.Header())
		d.ResponseWriter.WriteHeader(status)
	}
}

func (d *doorkeeper) Write(p []byte) (int, error) {
	d.leave(exitWrite)
	return d.ResponseWriter.Write(p)
}

func (d *doorkeeper) WriteString(s string) (int, error) {
	d.leave(exitString)
	return io.WriteString(d.ResponseWriter, s)
}

func (d *doorkeeper) ReadFrom(r io.Reader) (int64, error) {
	d.leave(exitReadFrom)
	return io.Copy(d.ResponseWriter, r)
}

func (d *doorkeeper) FlushError() error {
	d.leave(exitFlush)
	return http.NewResponseController(d.ResponseWriter).Flush()
}

func (d *doorkeeper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	d.left = true
	return http.NewResponseController(d.ResponseWriter).Hijack()
}

// lostCookieMutants lose the cookie on one way out.
func lostCookieMutants() []Mutant {
	without := func(gone func(exit, int) bool) func(http.Handler) http.Handler {
		return spoiled(func(by exit, status int, h http.Header) {
			if gone(by, status) {
				h.Del("Set-Cookie")
			}
		})
	}
	through := func(lost exit) func(http.Handler) http.Handler {
		return without(func(by exit, _ int) bool { return by == lost })
	}
	with := func(lost int) func(http.Handler) http.Handler {
		return without(func(_ exit, status int) bool { return status == lost })
	}
	return []Mutant{
		{Name: "scs: a flush before the first write goes out without the session", Slug: "commit/flush-first", Front: through(exitFlush)},
		{Name: "scs: ResponseController flushes past the session", Slug: "commit/flush-controller", Front: through(exitFlush)},
		{Name: "echo Response.Before: a handler that writes nothing loses its cookie", Slug: "commit/nothing", Front: through(exitEnd)},
		{Name: "gin: a status alone leaves by the writer inside", Slug: "commit/status-204", Front: through(exitEnd)},
		{Name: "gin: a status alone leaves by the writer inside, also 200", Slug: "commit/status-200", Front: through(exitEnd)},
		{Name: "gin wrapper with Write alone: WriteString goes past it", Slug: "commit/string", Front: through(exitString)},
		{Name: "gin wrapper with Write alone: io.Copy of a string goes past it", Slug: "commit/copy-string", Front: through(exitString)},
		{Name: "gin wrapper with Write alone: ReadFrom goes past it", Slug: "commit/copy", Front: through(exitReadFrom)},
		{Name: "gin wrapper with Write alone: files go past it", Slug: "commit/file", Front: through(exitReadFrom)},
		{Name: "a wrapper without Write", Slug: "commit/json", Front: through(exitWrite)},
		{Name: "a stream's first piece leaves without the session", Slug: "commit/stream", Front: through(exitWrite)},
		{Name: "no cookie with a redirect", Slug: "commit/redirect", Front: with(303)},
		{Name: "no cookie with 404", Slug: "commit/not-found", Front: with(404)},
		{Name: "no cookie with the framework's own errors", Slug: "commit/native-error", Front: with(418)},
		{Name: "no cookie with a refusal", Slug: "commit/session-error-returned", Front: with(401)},
		{Name: "no cookie with 304", Slug: "commit/status-304", Front: with(304)},
		{Name: "no cookie with 304 for a file", Slug: "commit/file-not-modified", Front: with(304)},
		{Name: "no cookie with 206", Slug: "commit/file-range", Front: with(206)},
		{Name: "no cookie with 416", Slug: "commit/file-bad-range", Front: with(416)},
		{Name: "Fiber recover outside: no cookie on a panic page", Slug: "commit/panic-after-login", Front: with(500)},
		{Name: "no cookie with an answer that a panic follows", Slug: "commit/panic-after-answer", Front: with(200)},
		{Name: "a stored login is taken back with the answer", Slug: "commit/failed-after-login", Front: with(503)},
		{Name: "a stored log-out leaves the browser its cookie", Slug: "commit/failed-after-logout", Front: with(503)},
		{Name: "a cookie is lost with a refused hand-over", Slug: "commit/hijack-cookie-pending", Front: with(426)},
		{Name: "headers over 8 KiB are cut", Slug: "commit/large-headers", Front: spoiled(func(_ exit, _ int, h http.Header) {
			if len(h.Get("X-Large")) > 8<<10 {
				h.Del("Set-Cookie")
			}
		})},
		{Name: "no cookie with an answer to HEAD", Slug: "commit/head", Front: func(next http.Handler) http.Handler {
			quiet := through(exitString)(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					quiet.ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
	}
}

// forged has the form of a session cookie's line.
const forged = "__Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; Path=/; Max-Age=7200; Secure; HttpOnly; SameSite=Lax"

// strayHeaderMutants say something of the session where nothing is to be said.
func strayHeaderMutants() []Mutant {
	on := func(when int, name, value string) func(http.Handler) http.Handler {
		return spoiled(func(_ exit, status int, h http.Header) {
			if status == when {
				h.Add(name, value)
			}
		})
	}
	return []Mutant{
		{Name: "net/http: 103 carries the cookie", Slug: "commit/early-hints", Front: on(103, "Set-Cookie", forged)},
		{Name: "103 says that the answer is the session's", Slug: "commit/early-hints", Front: on(103, "Vary", "Cookie")},
		{Name: "a panic page hands out a session", Slug: "commit/panic-discards", Front: on(500, "Set-Cookie", forged)},
		{Name: "every 404 hands out a session", Slug: "commit/unknown-path", Front: on(404, "Set-Cookie", forged)},
		{Name: "every 404 varies on Cookie", Slug: "commit/unknown-path", Front: on(404, "Vary", "Cookie")},
		{Name: "an answer hands out a session that was never stored", Slug: "commit/explicit-failed", Front: spoiled(
			func(_ exit, _ int, h http.Header) {
				if h.Get("Set-Cookie") == "" {
					h.Set("Set-Cookie", forged)
				}
			})},
		{Name: "gin-contrib/sessions: every save sets its cookie", Slug: "commit/two-middlewares", Front: spoiled(
			func(_ exit, _ int, h http.Header) {
				if lines := h["Set-Cookie"]; len(lines) > 0 {
					h["Set-Cookie"] = append(lines, lines[0])
				}
			})},
		{Name: "gin-contrib/cors: a header slice is shared between requests", Slug: "commit/keep-alive", Front: func(next http.Handler) http.Handler {
			var mu sync.Mutex
			var shared []string
			return spoiled(func(_ exit, _ int, h http.Header) {
				mu.Lock()
				defer mu.Unlock()
				if lines := h["Set-Cookie"]; len(lines) > 0 {
					shared = lines
				}
				if len(shared) > 0 {
					h["Set-Cookie"] = shared
				}
			})(next)
		}},
		{Name: "a dead record is given a cookie again", Slug: "commit/dead-record", Front: spoiled(
			func(by exit, _ int, h http.Header) {
				if by == exitString && h.Get("Set-Cookie") == "" {
					h.Set("Set-Cookie", forged)
				}
			})},
	}
}

// brokenRefusalMutants leave something of the handler's answer in the 503, or lose
// something that belongs there.
func brokenRefusalMutants() []Mutant {
	keeps := func(name, value string) func(http.Handler) http.Handler {
		return spoiled(func(_ exit, status int, h http.Header) {
			if status == http.StatusServiceUnavailable {
				h.Set(name, value)
			}
		})
	}
	loses := func(when int, name string) func(http.Handler) http.Handler {
		return spoiled(func(_ exit, status int, h http.Header) {
			if status == when {
				h.Del(name)
			}
		})
	}
	return []Mutant{
		{Name: "the 503 keeps the handler's ETag", Slug: "commit/failed-string", Front: keeps("ETag", `"v1"`)},
		{Name: "the 503 keeps the handler's Content-Length", Slug: "commit/failed-string", Front: keeps("Content-Length", "22")},
		{Name: "the 503 keeps the handler's Content-Length, and a body nobody read", Slug: "commit/failed-unread-body", Front: keeps("Content-Length", "22")},
		{Name: "the 503 keeps the handler's Content-Type", Slug: "commit/failed-json", Front: keeps("Content-Type", "text/x-own")},
		{Name: "the 503 keeps the handler's Content-Encoding", Slug: "commit/failed-copy", Front: keeps("Content-Encoding", "x-own")},
		{Name: "the 503 keeps the handler's Location", Slug: "commit/failed-redirect", Front: keeps("Location", "/elsewhere")},
		{Name: "the 503 keeps the file's Last-Modified", Slug: "commit/failed-file", Front: keeps("Last-Modified", written.Format(httpDate))},
		{Name: "the 503 keeps the file's Content-Range", Slug: "commit/failed-file-range", Front: keeps("Content-Range", "bytes 4-12/22")},
		{Name: "the 503 keeps the handler's Content-Disposition", Slug: "commit/failed-status-204", Front: keeps("Content-Disposition", "attachment")},
		{Name: "the 503 may be cached", Slug: "commit/failed-status-200", Front: keeps("Cache-Control", "public, max-age=600")},
		{Name: "the 503 does not vary any more", Slug: "commit/failed-nothing", Front: loses(503, "Vary")},
		{Name: "the 503 has no CORS headers any more", Slug: "commit/failed-native-error", Front: loses(503, "Access-Control-Allow-Origin")},
		{Name: "the 503 hides that it is compressed", Slug: "commit/failed-compressed", Front: func(next http.Handler) http.Handler {
			return loses(503, "Content-Encoding")(compressing(next))
		}},
		{Name: "a failed call's 503 keeps the handler's ETag", Slug: "commit/failed-call", Front: keeps("ETag", `"v1"`)},
		{Name: "the application's own 503 says nothing of coming back", Slug: "commit/failed-own-handler", Front: loses(503, "Retry-After")},
		{Name: "the application's own 401 has no challenge", Slug: "commit/guard-own-handler", Front: loses(401, "WWW-Authenticate")},
		{Name: "a 401 for a session that died has no challenge", Slug: "commit/dead-record-guarded", Front: loses(401, "WWW-Authenticate")},
		{Name: "scs: the handler's body follows the error page", Slug: "commit/failed-flush-first", Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				d := &doorkeeper{ResponseWriter: w, spoil: func(exit, int, http.Header) {}, status: http.StatusOK}
				next.ServeHTTP(d, r)
				d.leave(exitEnd)
				if d.status == http.StatusServiceUnavailable {
					_, _ = io.WriteString(w, body)
				}
			})
		}},
	}
}

// bare hides everything of a writer but what http.ResponseWriter has, as a wrapper
// does that embeds the interface.
type bare struct{ http.ResponseWriter }

// brokenWriterMutants are about wrappers that lose what net/http can do, and about
// bodies.
func brokenWriterMutants() []Mutant {
	wrapped := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(bare{w}, r) })
	}
	return []Mutant{
		{Name: "a wrapper hides Hijack", Slug: "commit/hijack", Front: wrapped},
		{Name: "a wrapper hides Hijack from a handler that then fails", Slug: "commit/hijack-then-error", Front: wrapped},
		{Name: "a wrapper hides Flush from ResponseController", Slug: "commit/stream-session-controller", Front: wrapped},
		{Name: "gofiber/csrf: a middleware reads the form and leaves none", Slug: "commit/request-body", Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				next.ServeHTTP(w, r)
			})
		}},
		{Name: "a middleware puts back 64 KiB of the body", Slug: "commit/request-body", Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = io.NopCloser(io.LimitReader(r.Body, 64<<10))
				next.ServeHTTP(w, r)
			})
		}},
	}
}

// commitStoreMutants are stores that lie about writes.
func commitStoreMutants() []Mutant {
	yes := func(s session.Store) session.Store { return claimsSuccess{s} }
	nothing := func(s session.Store) session.Store { return storesNothing{s} }
	revive := func(s session.Store) session.Store { return revives{s} }
	double := func(s session.Store) session.Store { return savesTwice{s} }
	return []Mutant{
		{Name: "gin-contrib/sessions: a failed save goes unnoticed", Slug: "commit/failed-stream", Store: yes},
		{Name: "a failed save goes unnoticed before a hand-over", Slug: "commit/failed-hijack", Store: yes},
		{Name: "a failed save goes unnoticed by a stream", Slug: "commit/failed-writes-fail", Store: yes},
		{Name: "a failed save goes unnoticed by the handler that asks", Slug: "commit/explicit-failed", Store: yes},
		{Name: "a failed save goes unnoticed by a 404", Slug: "commit/failed-not-found", Store: yes},
		{Name: "a failed save goes unnoticed by a 304", Slug: "commit/failed-status-304", Store: yes},
		{Name: "a failed save goes unnoticed by an answer to HEAD", Slug: "commit/failed-head", Store: yes},
		{Name: "a failed save goes unnoticed by a flush through ResponseController", Slug: "commit/failed-flush-controller", Store: yes},
		{Name: "a failed save goes unnoticed by io.Copy of a string", Slug: "commit/failed-copy-string", Store: yes},
		{Name: "a failed save goes unnoticed after early hints", Slug: "commit/failed-early-hints", Store: yes},
		{Name: "a failed save goes unnoticed by a 304 for a file", Slug: "commit/failed-file-not-modified", Store: yes},
		{Name: "a failed save goes unnoticed by a 416 for a file", Slug: "commit/failed-file-bad-range", Store: yes},
		{Name: "a save that does nothing before a hand-over", Slug: "commit/hijack", Store: nothing},
		{Name: "a save that does nothing before a stream", Slug: "commit/stream-session", Store: nothing},
		{Name: "a save that does nothing after an explicit one", Slug: "commit/write-after-explicit", Store: nothing},
		{Name: "a save that does nothing loses what goroutines counted", Slug: "commit/concurrent-handler", Store: nothing},
		{Name: "scs, redistore#2: a write brings back what a log-out ended", Slug: "commit/dead-record", Store: revive},
		{Name: "scs, redistore#2: a guarded write brings back what a log-out ended", Slug: "commit/dead-record-guarded", Store: revive},
		{Name: "Fiber session: an explicit save is followed by another", Slug: "commit/explicit", Store: double},
		{Name: "a failed read is taken for an empty session", Slug: "commit/session-error-returned", Store: func(s session.Store) session.Store {
			return readsNothing{s}
		}},
	}
}

// claimsSuccess answers a write that failed as if it had not.
type claimsSuccess struct{ session.Store }

func (s claimsSuccess) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	_, _, _ = s.Store.Create(ctx, key, e, a)
	return 0, nil, nil
}

func (s claimsSuccess) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	_, _ = s.Store.Swap(ctx, key, version, next)
	return session.Entry{}, nil
}

// storesNothing forgets every change of a record.
type storesNothing struct{ session.Store }

func (s storesNothing) Swap(ctx context.Context, key session.StoreKey, version uint64, _ session.Entry) (session.Entry, error) {
	var e [1]session.Entry
	if err := s.Load(ctx, []session.StoreKey{key}, e[:]); err != nil {
		return session.Entry{}, err
	}
	return s.Store.Swap(ctx, key, version, e[0])
}

// revives writes whether the record is still there or not.
type revives struct{ session.Store }

func (s revives) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	e, err := s.Store.Swap(ctx, key, version, next)
	if errors.Is(err, session.ErrGone) {
		return session.Entry{}, plant(ctx, s, key, next)
	}
	return e, err
}

// savesTwice makes two writes of one.
type savesTwice struct{ session.Store }

func (s savesTwice) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	epoch, evicted, err := s.Store.Create(ctx, key, e, a)
	if err == nil {
		_, err = s.Swap(ctx, key, e.Version, e)
	}
	return epoch, evicted, err
}

// readsNothing answers a read that failed as if there were no record.
type readsNothing struct{ session.Store }

func (s readsNothing) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if s.Store.Load(ctx, keys, out) != nil {
		clear(out)
	}
	return nil
}
