package conformance

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// commitCases are the commit matrix: every way in which an answer can begin, and
// whether the session was stored and its cookie sent before it did.
func commitCases() []Case {
	var cases []Case
	for _, w := range ways() {
		cases = append(cases, w.stored())
	}
	cases = append(cases, streamCases()...)
	cases = append(cases, hijackCases()...)
	cases = append(cases, endCases()...)
	for _, w := range slices.Concat(ways(), []way{upgrade()}) {
		cases = append(cases, w.failed())
	}
	return append(cases, failureCases()...)
}

// body is what handlers of the matrix answer. A refusal never contains it.
const body = "the handler's own body"

// way is one way in which a handler can answer.
type way struct {
	name, phrase string // the slug's part; "A handler that …"
	method       string // "" for GET
	lines        []string
	answer       func(r Request, dir string) error
	status       int
	body         string // "" for none or any
	location     string
	// resets: a framework may begin such an answer by throwing away the headers
	// that were set before.
	resets bool
	// check is what else holds for the answer.
	check func(*T, *Answer)
}

func (w way) verb() string {
	if w.method == "" {
		return "GET"
	}
	return w.method
}

// large is more than any framework buffers before it sends headers.
var large = strings.Repeat(body, 1+(70<<10)/len(body))

// written is when the files of the matrix were last changed.
var written = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func ways() []way {
	text := func(code int) func(Request, string) error {
		return func(r Request, _ string) error { return r.String(code, body) }
	}
	status := func(code int) func(Request, string) error {
		return func(r Request, _ string) error { return r.Status(code) }
	}
	flush := func(by FlushBy) func(Request, string) error {
		return func(r Request, _ string) error {
			return r.Stream(by, func(s Stream) {
				if s.Flush() == nil {
					_, _ = io.WriteString(s, body)
				}
			})
		}
	}
	file := func(r Request, dir string) error { return r.File(filepath.Join(dir, "page.txt")) }
	return []way{
		{name: "string", phrase: "answers with a string", answer: text(200), status: 200, body: body},
		{name: "not-found", phrase: "answers 404 itself", answer: text(404), status: 404, body: body},
		{name: "json", phrase: "answers with JSON", status: 200, answer: func(r Request, _ string) error {
			return r.JSON(200, map[string]string{"body": body})
		}},
		{name: "status-204", phrase: "sets nothing but the status 204", answer: status(204), status: 204},
		{name: "status-200", phrase: "sets nothing but the status 200", answer: status(200), status: 200},
		{name: "status-304", phrase: "sets nothing but the status 304", answer: status(304), status: 304},
		{name: "nothing", phrase: "writes nothing at all", status: 200, answer: func(Request, string) error { return nil }},
		{name: "redirect", phrase: "redirects", status: 303, location: "/next", answer: func(r Request, _ string) error {
			return r.Redirect(303, "/next")
		}},
		{name: "native-error", phrase: "returns an error of the framework's own kind", status: 418, answer: func(r Request, _ string) error {
			return r.NativeError(418, body)
		}},
		{name: "head", phrase: "answers HEAD", method: "HEAD", answer: text(200), status: 200},
		{name: "flush-first", phrase: "flushes before it writes", answer: flush(FlushNative), status: 200, body: body},
		{name: "flush-controller", phrase: "flushes by http.ResponseController before it writes", answer: flush(FlushController), status: 200, body: body},
		{name: "stream", phrase: "writes a body in pieces", status: 200, body: body + body + body, answer: func(r Request, _ string) error {
			return r.Stream(FlushNative, func(s Stream) {
				for range 3 {
					if _, err := io.WriteString(s, body); err != nil || s.Flush() != nil {
						return
					}
				}
			})
		}},
		{name: "copy", phrase: "copies a large body from a reader", status: 200, body: large, answer: func(r Request, _ string) error {
			return r.Copy(struct{ io.Reader }{strings.NewReader(large)}) // no WriterTo: the writer's ReadFrom
		}},
		{name: "copy-string", phrase: "lets a reader write itself", status: 200, body: large, answer: func(r Request, _ string) error {
			return r.Copy(strings.NewReader(large)) // its WriterTo calls the writer's WriteString
		}},
		{name: "early-hints", phrase: "sends 103 first", status: 200, body: body, answer: func(r Request, _ string) error {
			if err := r.EarlyHints(); err != nil {
				return err
			}
			return r.String(200, body)
		}, check: hinted},
		{name: "file", phrase: "sends a file", answer: file, status: 200, body: body},
		{name: "file-not-modified", phrase: "sends a file that the client has already", answer: file, status: 304, resets: true,
			lines: []string{"If-Modified-Since: " + written.Format(httpDate)}},
		{name: "file-range", phrase: "sends a part of a file", answer: file, status: 206, body: body[4:13],
			lines: []string{"Range: bytes=4-12"}},
		{name: "file-bad-range", phrase: "is asked for a part that a file does not have", answer: file, status: 416, resets: true,
			lines: []string{"Range: bytes=900-"}},
	}
}

// httpDate is the format of RFC 9110 section 5.6.7.
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// hinted checks that 103 came first and had nothing of the session in it.
func hinted(t *T, a *Answer) {
	t.Helper()
	Equal(t, "interim answers", len(a.Interim), 1)
	hint := a.Interim[0]
	Equal(t, "interim status", hint.Status, 103)
	Equal(t, "interim Link", hint.Header.Get("Link"), "</style.css>; rel=preload")
	for _, name := range []string{"Set-Cookie", "Vary", "Cache-Control"} {
		Equal(t, "interim "+name, strings.Join(hint.Header.Values(name), ", "), "")
	}
}

// files makes the directory of the file that ways send.
func (t *T) files() string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "page.txt")
	t.NoError(os.WriteFile(name, []byte(body), 0o600))
	t.NoError(os.Chtimes(name, written, written))
	return dir
}

// stored is the case that a session written before the answer goes out with it.
func (w way) stored() Case {
	return Case{
		ID: "M", Slug: "commit/" + w.name,
		Rule:   "A session that was written to by a handler which then " + w.phrase + " is stored, and its cookie is in that answer.",
		Clause: "DESIGN section 2: the adapter commits at the last moment before headers leave",
		Run: func(t *T) {
			dir := t.files()
			s := t.Serve(standard().with(w.verb(), "/way", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				return w.answer(r, dir)
			}))
			b := s.Browser()
			a := b.Do(w.verb(), "/way", w.lines...)
			s.Check(a, Want{Status: w.status, Body: w.body, Location: w.location, Cookies: []string{"set:7200"}, Asked: true})
			if w.check != nil {
				w.check(t, a)
			}
			t.Events("session_created")
			t.Calls(OpCreate)
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
			t.Calls(OpLoad)
			t.Events()
		},
	}
}

// gate lets a handler and its case wait for each other.
type gate struct {
	reached, opened chan struct{}
	once            sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), opened: make(chan struct{})} }

// pass says that the handler has come this far, and holds it until the case opens.
func (g *gate) pass() {
	close(g.reached)
	<-g.opened
}

// await waits for the handler.
func (g *gate) await(t *T) {
	t.Helper()
	take(t, g.reached)
}

// open lets the handler go on. A case defers it: a server with a handler that
// waits cannot be stopped.
func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

// take receives what a handler has to say.
func take[V any](t *T, from <-chan V) V {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(ioTimeout):
		t.Failf("the handler did not come that far")
		panic("unreachable")
	}
}

// until reads ahead until what has come contains s. Nothing is taken off.
func (c *Conn) until(s string) error {
	for {
		seen, _ := c.r.Peek(c.r.Buffered())
		if strings.Contains(string(seen), s) {
			return nil
		}
		if _, err := c.r.Peek(len(seen) + 1); err != nil {
			return err
		}
	}
}
