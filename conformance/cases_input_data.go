package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sallyport-go/sallyport/core/session"
)

// dataCases put into a session what applications should not have to think about.
func dataCases() []Case { return []Case{oversizeValue, oversizeTogether, oversizeLogin, hostileData} }

// dataLimit bounds the sessions of the cases about size. One value named "note"
// of n plain characters takes n+noteCost.
const (
	dataLimit = 1024
	noteCost  = 1 + len("note") + 4 + len(`""`)
)

// writeNote says whether the session took the value, as an application would.
func writeNote(r Request) error {
	var n int
	_, _ = fmt.Sscan(r.Query("n"), &n)
	err := note.Set(r.Session(), strings.Repeat("x", n))
	if errors.Is(err, session.ErrTooLarge) {
		return r.String(413, "too large")
	}
	return answer(r, err, "noted")
}

var oversizeValue = Case{
	ID: "S19", Slug: "input/oversize-value",
	Rule:   "A value that would pass MaxDataBytes is refused to the handler and not stored, and the request's other writes are.",
	Clause: "DESIGN section 3; session.Config.MaxDataBytes",
	Run: func(t *T) {
		t.Config.MaxDataBytes = dataLimit
		s := t.Serve(standard().with("POST", "/big", writeNote).with("POST", "/both", func(r Request) error {
			if err := hits.Add(r.Session(), 1); err != nil {
				return r.Fail(err)
			}
			if err := note.Set(r.Session(), strings.Repeat("x", dataLimit)); !errors.Is(err, session.ErrTooLarge) {
				return r.String(500, fmt.Sprint("not refused: ", err))
			}
			return answer(r, hits.Add(r.Session(), 1), "counted")
		}))
		big := func(n int) string { return fmt.Sprint("/big?n=", n) }
		// Nobody gets a session by what was refused.
		s.Check(s.Do("POST", big(dataLimit)), Want{Status: 413, Body: "too large", Asked: true})
		t.Calls()
		t.Events()
		alice := s.loggedIn("alice")
		t.settle()
		s.Check(alice.Post(big(dataLimit-noteCost)), Want{Status: 200, Body: "noted", Asked: true})
		t.Calls(OpLoad, OpSwap)
		s.Check(alice.Post(big(dataLimit-noteCost+1)), Want{Status: 413, Body: "too large", Asked: true})
		t.Calls(OpLoad)
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=" + strings.Repeat("x", dataLimit-noteCost), Asked: true})
		s.Check(alice.Post("/note?v=small"), Want{Status: 200, Body: "noted", Asked: true})
		t.settle()
		s.Check(alice.Post("/both"), Want{Status: 200, Body: "counted", Asked: true})
		t.Calls(OpLoad, OpSwap)
		s.Check(alice.Get("/hits"), Want{Status: 200, Body: "hits=2", Asked: true})
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=small", Asked: true})
		t.Events()
		for _, v := range t.Store.Written() {
			if strings.Contains(v, strings.Repeat("x", dataLimit-noteCost+1)) {
				t.Failf("a value over the limit was handed to the store")
			}
		}
	},
}

var oversizeTogether = Case{
	ID: "S19", Slug: "input/oversize-together",
	Rule:   "Two parallel requests whose values pass MaxDataBytes only together do not: the later one fails and none is cut.",
	Clause: "DESIGN section 2: a failed data write turns the answer into 503; DESIGN section 3: writes merge",
	Run: func(t *T) {
		t.Config.MaxDataBytes = dataLimit
		other := session.NewKey[string]("other")
		var meanwhile func()
		s := t.Serve(standard().with("POST", "/big", writeNote).with("POST", "/slow", func(r Request) error {
			if err := other.Set(r.Session(), strings.Repeat("y", dataLimit/2)); err != nil {
				return r.Fail(err)
			}
			meanwhile()
			return r.String(200, "stored")
		}).with("GET", "/other", func(r Request) error {
			v, ok, err := other.Get(r.Session())
			return answer(r, err, fmt.Sprint(ok, " ", len(v)))
		}))
		alice := s.loggedIn("alice")
		t.settle()
		var first *Answer
		meanwhile = func() { first = s.Do("POST", fmt.Sprint("/big?n=", dataLimit/2), s.cookies(alice.Value)) }
		a := alice.Post("/slow")
		s.Check(first, Want{Status: 200, Body: "noted", Asked: true})
		s.Check(a, unavailable())
		t.Calls(OpLoad, OpLoad, OpSwap, OpSwap)
		t.Events()
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=" + strings.Repeat("x", dataLimit/2), Asked: true})
		s.Check(alice.Get("/other"), Want{Status: 200, Body: "false 0", Asked: true})
		meanwhile = func() {}
		s.Check(alice.Post("/note?v=small"), Want{Status: 200, Body: "noted", Asked: true})
		s.Check(alice.Post("/slow"), Want{Status: 200, Body: "stored", Asked: true})
		s.Check(alice.Get("/other"), Want{Status: 200, Body: fmt.Sprint("true ", dataLimit/2), Asked: true})
	},
}

var oversizeLogin = Case{
	ID: "S19", Slug: "input/oversize-login",
	Rule:   "A login does not fail for what two requests wrote before it; the session may then shrink and not grow.",
	Clause: "DESIGN section 3: its last data travels; session.Config.MaxDataBytes",
	Run: func(t *T) {
		t.Config.MaxDataBytes = dataLimit
		const most = dataLimit - 4*noteCost
		other := session.NewKey[string]("other")
		var meanwhile func()
		s := t.Serve(standard().with("POST", "/big", writeNote).with("POST", "/slow", func(r Request) error {
			if err := other.Set(r.Session(), strings.Repeat("y", most)); err != nil {
				return r.Fail(err)
			}
			meanwhile()
			return answer(r, r.Session().Login(r.Context(), session.Identity{Subject: "alice"}), "logged in")
		}))
		b := s.Browser()
		s.Check(b.Post("/note?v="), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
		t.settle()
		var first *Answer
		meanwhile = func() { first = s.Do("POST", fmt.Sprint("/big?n=", most), s.cookies(b.Value)) }
		a := b.Post("/slow")
		s.Check(first, Want{Status: 200, Body: "noted", Asked: true})
		s.Check(a, Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
		t.Calls(OpLoad, OpLoad, OpSwap, OpTake, OpCreate)
		t.Events("session_expired:login", "session_created", "authn_login_success")
		s.Check(b.Get("/note"), Want{Status: 200, Body: "note=" + strings.Repeat("x", most), Asked: true})
		s.Check(b.Post(fmt.Sprint("/big?n=", most+1)), Want{Status: 413, Body: "too large", Asked: true})
		s.Check(b.Post(fmt.Sprint("/big?n=", most-1)), Want{Status: 200, Body: "noted", Asked: true})
		s.Check(b.Post(fmt.Sprint("/big?n=", most)), Want{Status: 413, Body: "too large", Asked: true})
		s.Check(b.Post("/note?v=small"), Want{Status: 200, Body: "noted", Asked: true})
		s.Check(b.Get("/note"), Want{Status: 200, Body: "note=small", Asked: true})
	},
}

var hostileData = Case{
	ID: "S11", Slug: "input/hostile-data",
	Rule:   "Names and values of any bytes come back as they were and change nothing around them.",
	Clause: "DESIGN section 3; RFC 8259 section 8.1",
	Run: func(t *T) {
		texts := []string{
			"", "\x00", "a\x00b", `"`, `\`, `\"`, `"}`, `{"subject":"admin"}`, "\r\nSet-Cookie: x=y", "\x1b[2J", "\u2028\u2029", "é", "\U0010ffff", "\ufffd",
			"</script>", "null", "true", "0", strings.Repeat(`\"`, 100), strings.Repeat("\x00", 100),
		}
		bytes := [][]byte{{}, {0}, {0xff, 0xfe}, []byte("\xc3\x28"), []byte("\xed\xa0\x80"), []byte("\xf0\x82\x82\xac")}
		// JSON of the application's own making need not be UTF-8.
		raws := []json.RawMessage{[]byte("\"\xff\""), []byte("{\"\xc3\":1}"), []byte(`"\ud800"`), []byte(`1e400`), []byte(`{"a":1,"a":2}`)}
		names := []string{
			`"`, `\`, "\r\nSet-Cookie: x=y", "\xff\xfe", "é", " ", "..", "subject", "note ", strings.Repeat("n", 200), strings.Repeat("\xff", 200),
		}
		textKey, bytesKey, rawKey := session.NewKey[[]string]("texts"), session.NewKey[[][]byte]("bytes"), session.NewKey[[]json.RawMessage]("raw")
		refused := []string{"", "\x00", "note\x00", "\x00note", strings.Repeat("n", 201)}
		s := t.Serve(standard().with("POST", "/put", func(r Request) error {
			var errs []error
			for _, n := range names {
				errs = append(errs, session.NewKey[string](n).Set(r.Session(), "at "+n))
			}
			for i, v := range texts {
				errs = append(errs, session.NewKey[string](fmt.Sprint("text", i)).Set(r.Session(), v), flash.Add(r.Session(), v))
			}
			errs = append(errs, textKey.Set(r.Session(), texts), bytesKey.Set(r.Session(), bytes), rawKey.Set(r.Session(), raws))
			return answer(r, errors.Join(errs...), "put")
		}).with("POST", "/refused", func(r Request) error {
			for _, n := range refused {
				if session.NewKey[string](n).Set(r.Session(), "x") == nil || session.NewCounter(n).Add(r.Session(), 1) == nil ||
					session.NewFlash[string](n).Add(r.Session(), "x") == nil {
					return r.String(500, fmt.Sprintf("the name %q was taken", n))
				}
			}
			return r.String(200, "all refused")
		}).with("GET", "/look", func(r Request) error {
			for _, n := range names {
				v, ok, err := session.NewKey[string](n).Get(r.Session())
				// JSON has no text that is not Unicode; []byte keeps any.
				if want := string([]rune("at " + n)); err != nil || !ok || v != want {
					return r.String(500, fmt.Sprintf("name %q: got %q %t %v", n, v, ok, err))
				}
			}
			for i, want := range texts {
				if v, _, err := session.NewKey[string](fmt.Sprint("text", i)).Get(r.Session()); err != nil || v != want {
					return r.String(500, fmt.Sprintf("text: got %q %v, want %q", v, err, want))
				}
			}
			gotTexts, _, err1 := textKey.Get(r.Session())
			gotBytes, _, err2 := bytesKey.Get(r.Session())
			gotRaws, _, err3 := rawKey.Get(r.Session())
			if err := errors.Join(err1, err2, err3); err != nil {
				return r.String(500, err.Error())
			}
			if !reflect.DeepEqual(gotTexts, texts) || !reflect.DeepEqual(gotBytes, bytes) || !reflect.DeepEqual(gotRaws, raws) {
				return r.String(500, fmt.Sprintf("lists: got %q %q %q", gotTexts, gotBytes, gotRaws))
			}
			return r.String(200, "as they were")
		}).with("POST", "/flash", func(r Request) error {
			got, err := flash.Take(r.Session())
			if len(got) == 0 {
				return answer(r, err, "0")
			}
			left := map[string]int{}
			for _, v := range texts {
				left[v]++
			}
			for _, v := range got {
				left[v]--
			}
			for v, n := range left {
				if n != 0 {
					return r.String(500, fmt.Sprintf("%q is missing %d times", v, n))
				}
			}
			return answer(r, err, fmt.Sprint(len(got)))
		}))
		alice := s.loggedIn("alice")
		s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
		t.settle()
		s.Check(alice.Post("/refused"), Want{Status: 200, Body: "all refused"})
		t.Calls()
		s.Check(alice.Post("/put"), Want{Status: 200, Body: "put", Asked: true})
		t.Calls(OpLoad, OpSwap)
		s.Check(alice.Get("/look"), Want{Status: 200, Body: "as they were", Asked: true})
		t.Calls(OpLoad)
		s.Check(alice.Post("/renew"), Want{Status: 200, Body: "renewed", Cookies: []string{"set"}, Asked: true})
		t.Calls(OpLoad, OpRename)
		s.Check(alice.Get("/look"), Want{Status: 200, Body: "as they were", Asked: true})
		t.Calls(OpLoad, OpTake, OpSwap) // the snapshot's end
		t.Events("session_renewed:renewal")
		s.Check(alice.Post("/flash"), Want{Status: 200, Body: fmt.Sprint(len(texts)), Asked: true})
		s.Check(alice.Post("/flash"), Want{Status: 200, Body: "0", Asked: true})
		s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=before", Asked: true})
		s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
	},
}
