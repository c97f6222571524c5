package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// flight is a request that was sent and whose answer is yet to be read.
type flight struct {
	server *Server
	conn   *Conn
	raw    string
}

// send sends what Do would and does not wait.
func (b *Browser) send(method, target string) *flight {
	b.t.Helper()
	f := &flight{server: b.Server, conn: b.Dial(), raw: b.Request(method, target, b.lines()...)}
	b.t.NoError(f.conn.Send(f.raw))
	return f
}

// land reads the answer. No jar takes it in.
func (f *flight) land() *Answer {
	f.server.t.Helper()
	a, err := f.conn.Receive(f.raw)
	if err != nil {
		f.server.t.note(f.raw, f.conn.tee.String())
		f.server.t.Failf("%v", err)
	}
	f.server.t.note(f.raw, a.Raw)
	return a
}

// barrier holds handlers until a case lets them go on, so that what overlaps is
// decided by the case and not by a scheduler.
type barrier struct {
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newBarrier() *barrier {
	return &barrier{reached: make(chan struct{}, 100), open: make(chan struct{})}
}

// hold is called by a handler.
func (g *barrier) hold() {
	g.reached <- struct{}{}
	select {
	case <-g.open:
	case <-time.After(ioTimeout): // the case has failed and will not come back
	}
}

// await returns once n handlers stand at the barrier.
func (g *barrier) await(t *T, n int) {
	t.Helper()
	t.Cleanup(g.release)
	timeout := time.After(ioTimeout)
	for range n {
		select {
		case <-g.reached:
		case <-timeout:
			t.Failf("a handler did not get as far as its barrier")
		}
	}
}

func (g *barrier) release() { g.once.Do(func() { close(g.open) }) }

// row is what the store holds under a cookie's value, read past the counters.
func (s *Server) row(value string) session.Entry {
	s.t.Helper()
	id, err := base64.RawURLEncoding.DecodeString(value)
	s.t.NoError(err)
	key := [1]session.StoreKey{{Hash: sha256.Sum256([]byte(s.manager.App() + "\x00" + value))}}
	copy(key[0].Tag[:], id)
	var e [1]session.Entry
	s.t.NoError(s.t.Store.Store.Load(s.t.Context(), key[:], e[:]))
	return e[0]
}

// noRow ends the case if the store holds anything under a cookie's value.
func (s *Server) noRow(value string) {
	s.t.Helper()
	if s.row(value).Version != 0 {
		s.t.Failf("the store holds a record under %s", value)
	}
}

// holder returns a browser whose jar holds value.
func (s *Server) holder(value string) *Browser { return &Browser{Server: s, Value: value} }

// eventsAnyOrder is Events for requests that ran at the same time.
func (t *T) eventsAnyOrder(want ...string) {
	t.Helper()
	var got []string
	for _, e := range t.Audit.Take() {
		s := string(e.Name)
		if e.Cause != "" {
			s += ":" + string(e.Cause)
		}
		got = append(got, s)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Failf("audit events: got %q, want %q in any order", got, want)
	}
}

// nothing checks that neither the store nor the audit trail heard of anything
// since the last look.
func (t *T) nothing() {
	t.Helper()
	t.Calls()
	t.Events()
}

// forget makes the next look begin here.
func (t *T) forget() {
	t.Store.Calls()
	t.Audit.Take()
}

// unknownID is the event of an id that the store does not know.
const unknownID = "session_use_after_expire:unknown-id"

// superseded is what an id that was replaced a moment ago is answered when it
// wants more than its old authority allows: not now, and nothing changes.
func superseded() Want { return Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true} }

// failure is what our own fault is answered.
func failure() Want { return Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE", Asked: true} }

// says is an answer of the application's that depended on the session, cookies
// being what it sets.
func says(body string, cookies ...string) Want {
	return Want{Status: 200, Body: body, Asked: true, Cookies: cookies}
}
