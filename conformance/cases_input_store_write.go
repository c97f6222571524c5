package conformance

import (
	"errors"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// storeWriteCases have a store that fails the data of a request.
func storeWriteCases() []Case {
	return []Case{writeFails, writeFailsAfterLogin, poisoned, commitFails}
}

// secretBody is in every answer that must not get out.
const secretBody = "stored, says the handler"

// boast answers as if the write had been stored, with every header that would be a
// lie about another body, and two that hold for any.
func boast(finish func(Request) error) Handler {
	return func(r Request) error {
		if err := note.Set(r.Session(), "after"); err != nil {
			return r.Fail(err)
		}
		for name, value := range map[string]string{
			"ETag": `"v1"`, "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT", "Cache-Control": "public, max-age=60",
			"Content-Encoding": "x-none", "Location": "/next", "Access-Control-Allow-Origin": "https://app.example",
		} {
			r.SetHeader(name, value)
		}
		return finish(r)
	}
}

// boasting are the ways to end such an answer.
var boasting = []struct {
	path   string
	finish func(Request) error
}{
	{"/string", func(r Request) error { return r.String(200, secretBody) }},
	{"/json", func(r Request) error { return r.JSON(201, map[string]string{"say": secretBody}) }},
	{"/redirect", func(r Request) error { return r.Redirect(303, "/next?"+strings.ReplaceAll(secretBody, " ", "+")) }},
	{"/status", func(r Request) error { return r.Status(204) }},
	{"/copy", func(r Request) error { return ignore(r.Copy(strings.NewReader(secretBody))) }},
	{"/error", func(r Request) error { return r.NativeError(418, secretBody) }},
}

// ignore is a handler that does not care whether its write got through.
func ignore(error) error { return nil }

var writeFails = Case{
	ID: "S19", Slug: "store/write-fails",
	Rule:   "A write that could not be stored turns the answer into 503, and nothing of the handler's answer gets out.",
	Clause: "DESIGN section 2: a failed data write turns the answer into 503",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		app := standard()
		for _, b := range boasting {
			app = app.with("POST", b.path, boast(b.finish))
		}
		s := t.Serve(app)
		for _, f := range failures {
			alice := s.loggedIn("alice")
			s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
			t.settle()
			t.Store.Fail(Always(f.fault, OpSwap, OpCreate))
			ways := boasting
			if f.fault == FaultHang { // each of which takes its time
				ways = ways[:2]
			}
			for _, b := range ways {
				known := alice.Post(b.path)
				s.storeFailed(known, OpLoad, OpSwap)
				visitor := s.Do("POST", b.path)
				s.storeFailed(visitor, OpCreate)
				for _, a := range []*Answer{known, visitor} {
					for _, name := range []string{"ETag", "Last-Modified", "Content-Encoding"} {
						Equal(t, name, a.Header.Get(name), "")
					}
					Equal(t, "Access-Control-Allow-Origin", a.Header.Get("Access-Control-Allow-Origin"), "https://app.example")
					if strings.Contains(a.Raw, secretBody) || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
						t.Failf("the handler's answer got out")
					}
				}
			}
			t.Store.Fail(nil)
			want := "note=before"
			if f.fault == FaultAfter {
				want = "note=after" // 503 promises nothing either way
			}
			s.Check(alice.Get("/note"), Want{Status: 200, Body: want, Asked: true})
			s.Check(alice.Post("/note?v=again"), Want{Status: 200, Body: "noted", Asked: true})
			s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=again", Asked: true})
		}
	},
}

var writeFailsAfterLogin = Case{
	ID: "S19", Slug: "store/write-fails-after-login",
	Rule:   "The cookie of a login that was stored goes out also with the 503 of a write that was not.",
	Clause: "DESIGN section 2: the Set-Cookie of a transition that was stored stays",
	Run: func(t *T) {
		s := t.Serve(standard().with("POST", "/both", func(r Request) error {
			if err := r.Session().Login(r.Context(), session.Identity{Subject: "alice"}); err != nil {
				return r.Fail(err)
			}
			return answer(r, note.Set(r.Session(), "lost"), secretBody)
		}))
		t.Store.Fail(Always(FaultError, OpSwap))
		b := s.Browser()
		want := unavailable()
		want.Cookies = []string{"set"}
		s.Check(b.Post("/both"), want)
		t.Calls(OpCreate, OpSwap)
		t.Events("session_created", "authn_login_success", "store_failure:error")
		t.Store.Fail(nil)
		s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
		s.Check(b.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
	},
}

var poisoned = Case{
	ID: "S19", Slug: "store/poisoned-write",
	Rule:   "After a failed load no write of the request is stored or passed over in silence, even if the handler ignores every error and the store is back by then.",
	Clause: "DESIGN section 2: after a failed load the request's pending writes are poisoned",
	Run: func(t *T) {
		var heal func()
		careless := func(write func(*session.Session) error) Handler {
			return func(r Request) error {
				_ = write(r.Session())
				heal()
				return r.String(200, secretBody)
			}
		}
		writes := map[string]func(*session.Session) error{
			"/set":    func(s *session.Session) error { return note.Set(s, "after") },
			"/add":    func(s *session.Session) error { return hits.Add(s, 1) },
			"/delete": func(s *session.Session) error { return note.Delete(s) },
			"/flash":  func(s *session.Session) error { return flash.Add(s, "x") },
			"/cas":    func(s *session.Session) error { return note.CompareAndSet(s, "before", "after") },
			"/absent": func(s *session.Session) error { return hits2.SetIfAbsent(s, 1) },
			"/read-and-set": func(s *session.Session) error {
				if v, _, err := note.Get(s); v != "" || !errors.Is(err, core.ErrUnknown) {
					return nil
				}
				return note.Set(s, "after")
			},
		}
		app := standard()
		for path, write := range writes {
			app = app.with("POST", path, careless(write))
		}
		s := t.Serve(app)
		alice := s.loggedIn("alice")
		s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
		t.settle()
		written := len(t.Store.Written())
		for _, back := range []bool{true, false} {
			heal = func() {
				if back {
					t.Store.Fail(nil)
				}
			}
			for path := range writes {
				t.Store.Fail(Always(FaultError, OpLoad))
				s.storeFailed(alice.Post(path), OpLoad)
			}
		}
		t.Store.Fail(nil)
		Equal(t, "values that were stored", len(t.Store.Written())-written, 0)
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=before", Asked: true})
		s.Check(alice.Get("/hits"), Want{Status: 200, Body: "hits=0", Asked: true})
		s.Check(alice.Post("/set"), Want{Status: 200, Body: secretBody, Asked: true})
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=after", Asked: true})
	},
}

var hits2 = session.NewKey[int]("hits2")

var commitFails = Case{
	ID: "S19", Slug: "store/commit-fails",
	Rule:   "A handler that commits, or compares and sets, learns at once that nothing was stored, and its answer is then its own.",
	Clause: "DESIGN section 2: a handler that must know calls Commit; compare-and-set returns its error",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		tells := func(r Request, err error) error {
			if errors.Is(err, core.ErrUnknown) {
				return r.String(202, "told")
			}
			return answer(r, err, "stored")
		}
		s := t.Serve(standard().with("POST", "/commit", func(r Request) error {
			if err := note.Set(r.Session(), "after"); err != nil {
				return r.Fail(err)
			}
			return tells(r, r.Session().Commit(r.Context()))
		}).with("POST", "/cas", func(r Request) error {
			return tells(r, note.CompareAndSet(r.Session(), "before", "after"))
		}))
		for _, f := range failures {
			for _, path := range []string{"/commit", "/cas"} {
				alice := s.loggedIn("alice")
				s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
				t.settle()
				t.Store.Fail(Always(f.fault, OpSwap))
				s.Check(alice.Post(path), Want{Status: 202, Body: "told", Asked: true})
				t.Calls(OpLoad, OpSwap)
				t.Events("store_failure:error")
				t.Store.Fail(nil)
				if f.fault != FaultAfter {
					s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=before", Asked: true})
					s.Check(alice.Post(path), Want{Status: 200, Body: "stored", Asked: true})
				}
				s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=after", Asked: true})
			}
		}
	},
}
