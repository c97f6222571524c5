package session_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// content is a session's data: strings by name, counters by name, flash values.
type content struct {
	text  map[string]string
	count map[string]int64
	flash map[string]bool
}

func newContent() content {
	return content{map[string]string{}, map[string]int64{}, map[string]bool{}}
}

func (c content) clone() content {
	return content{maps.Clone(c.text), maps.Clone(c.count), maps.Clone(c.flash)}
}

// edit is one operation, as a function on content.
type edit func(content)

func (c content) with(edits []edit) content {
	c = c.clone()
	for _, e := range edits {
		e(c)
	}
	return c
}

// world is the session that all requests of a schedule share, as it ought to be.
type world struct {
	alive    bool
	user     bool
	current  string // the value under which it lives
	snapshot string // the value that was replaced and still counts; empty for none
	stepped  bool   // the snapshot is of a step-up, else of a renewal
	linked   bool   // there ever was one
	data     content
	frozen   content // what the snapshot of a step-up reads
	// orphans are snapshots that outlived their session, true after a step-up.
	// They identify nobody, but a request that was live under such an id still
	// finds out that the id was replaced. owned are those of a user's session.
	orphans map[string]bool
	owned   map[string]bool
}

// end is the end of the session, or of its old id with all that hangs on it.
func (w *world) end() {
	w.alive = false
	if w.snapshot != "" {
		w.orphans[w.snapshot] = w.stepped
		if w.user {
			w.owned[w.snapshot] = true
		}
		w.snapshot = ""
	}
}

// revoke ends what a user has of ids that were replaced.
func (w *world) revoke() {
	if w.user {
		w.snapshot = ""
	}
	for id := range w.owned {
		delete(w.orphans, id)
	}
	clear(w.owned)
}

// isReplaced reports whether a snapshot stands under the value.
func (w *world) isReplaced(value string) bool {
	_, orphan := w.orphans[value]
	return orphan || w.alive && value == w.snapshot
}

// The states of a request, as the documentation tells them.
type reqState int

const (
	isAnonymous reqState = iota
	isLive
	isForwarding // presented an id that was renewed
	isReading    // presented an id that was stepped up
	isElsewhere  // has a session of its own now
)

type request struct {
	s        *session.Session
	at       string // the value whose record it acts upon
	state    reqState
	user     bool
	base     content // what it read last
	known    bool    // base is what it reads
	pending  []edit
	poisoned bool
	minted   bool
	cleared  bool // a log-out of its own succeeded
}

type schedule struct {
	*rapid.T
	clock  *clock
	mem    *memstore.Store
	audit  *sink
	m      *session.Manager
	w      world
	values []string // everything that was ever handed out
	open   []*request
	serial int
}

var (
	texts  = []session.Key[string]{session.NewKey[string]("a"), session.NewKey[string]("b")}
	counts = []session.Counter{session.NewCounter("m"), session.NewCounter("n")}
)

func textName(i int) string  { return string(rune('a' + i)) }
func countName(i int) string { return string(rune('m' + i)) }

func (x *schedule) begin(value string) *request {
	r := &request{s: &session.Session{}}
	x.m.Begin(r.s, context.Background(), session.Request{Cookies: []string{name + "=" + value}})
	_, err := r.s.Info()
	switch {
	case x.w.alive && value == x.w.current:
		r.state, r.at, r.base, r.known = isLive, value, x.w.data, true
		x.w.snapshot = "" // the new id is in use
	case x.w.alive && value == x.w.snapshot && x.w.stepped:
		r.state, r.base, r.known = isReading, x.w.frozen, true
	case x.w.alive && value == x.w.snapshot:
		r.state, r.at, r.base, r.known = isForwarding, x.w.current, x.w.data, true
	default:
		r.base, r.known = newContent(), true
	}
	r.user = x.w.user
	x.expect("Info", err, map[bool]error{true: core.ErrAnonymous}[r.state == isAnonymous])
	p, err := r.s.Principal()
	if r.user && r.state != isAnonymous {
		x.expect("Principal", err, nil)
		if p.Subject != "ann" {
			x.Fatalf("Principal: got %q, want ann", p.Subject)
		}
	} else {
		x.expect("Principal", err, core.ErrAnonymous)
	}
	return r
}

// unnamed stands for a value that is in no cookie yet.
func (x *schedule) unnamed() string {
	x.serial++
	return fmt.Sprint("unnamed ", x.serial)
}

func (x *schedule) expect(what string, got, want error) {
	x.Helper()
	if want == nil {
		require.NoError(x, got, what)
	} else {
		require.ErrorIs(x, got, want, what)
	}
}

// settle says how a change of r ends that the store decides about now, and moves
// r to where its data goes.
func (x *schedule) settle(r *request) error {
	switch {
	case x.w.alive && r.at == x.w.current:
		return nil
	case x.w.alive && r.at == x.w.snapshot && !x.w.stepped:
		r.state, r.at = isForwarding, x.w.current
		return nil
	case x.w.alive && r.at == x.w.snapshot, x.w.orphans[r.at]:
		return session.ErrSuperseded
	default:
		r.forget()
		return core.ErrAnonymous
	}
}

func (r *request) forget() {
	r.state, r.base, r.known, r.pending, r.poisoned = isAnonymous, newContent(), true, nil, false
	r.minted, r.cleared, r.at = false, false, ""
}

// commit is what Commit ought to answer, with its effects.
func (x *schedule) commit(r *request) error {
	pending, poisoned := r.pending, r.poisoned
	r.pending, r.poisoned = nil, false
	switch {
	case poisoned:
		return session.ErrSuperseded
	case len(pending) == 0:
		// If the record still has to forget a snapshot, even this is a write,
		// and it reads the record anew where another request came first.
		if r.state == isLive && r.at == x.w.current && x.w.linked {
			r.known = r.known && reflect.DeepEqual(r.base, x.w.data)
		}
		return nil
	case r.state == isAnonymous:
		got := newContent().with(pending)
		if len(got.text)+len(got.count)+len(got.flash) > 0 {
			r.state = isElsewhere
		}
		return nil
	}
	if err := x.settle(r); err != nil {
		return err
	}
	x.w.data = x.w.data.with(pending)
	r.base, r.known = x.w.data, true
	return nil
}

func (x *schedule) view(r *request) content { return r.base.with(r.pending) }

// write is a data operation that waits for the commit.
func (x *schedule) write(r *request, what string, err error, e edit) {
	if r.state == isReading {
		x.expect(what, err, session.ErrSuperseded)
		r.poisoned = true
		return
	}
	x.expect(what, err, nil)
	r.pending = append(r.pending, e)
}

func (x *schedule) step(r *request) (finished bool) {
	ctx := context.Background()
	i := rapid.IntRange(0, 1).Draw(x.T, "name")
	switch op := rapid.SampledFrom([]string{
		"get", "get", "set", "set", "delete", "add", "add", "flash", "take", "cas", "cas", "absent",
		"commit", "renew", "login", "logout", "others", "all", "finish", "finish", "finish", "abandon",
	}).Draw(x.T, "op"); op {
	case "get":
		got, ok, err := texts[i].Get(r.s)
		x.expect(op, err, nil)
		n, err := counts[i].Get(r.s)
		x.expect(op, err, nil)
		if r.known {
			want, has := x.view(r).text[textName(i)]
			require.Equal(x, has, ok)
			require.Equal(x, want, got)
			require.Equal(x, x.view(r).count[countName(i)], n)
		}
	case "set":
		x.serial++
		v := fmt.Sprint(x.serial)
		x.write(r, op, texts[i].Set(r.s, v), func(c content) { c.text[textName(i)] = v })
	case "delete":
		x.write(r, op, texts[i].Delete(r.s), func(c content) { delete(c.text, textName(i)) })
	case "add":
		d := rapid.Int64Range(-3, 3).Draw(x.T, "delta")
		x.write(r, op, counts[i].Add(r.s, d), func(c content) { c.count[countName(i)] += d })
	case "flash":
		x.serial++
		v := fmt.Sprint("flash ", x.serial)
		x.write(r, op, notice.Add(r.s, v), func(c content) { c.flash[v] = true })
	case "take":
		x.take(r)
	case "cas":
		x.compareAndSet(r, i)
	case "absent":
		x.setIfAbsent(r, i)
	case "commit":
		x.expect(op, r.s.Commit(ctx), x.commit(r))
	case "renew":
		x.renew(r)
	case "login":
		x.login(r)
	case "logout":
		x.logout(r)
	case "others":
		x.revokeOthers(r)
	case "all":
		x.revokeAll(r)
	case "finish":
		x.finish(r)
		return true
	case "abandon":
		r.pending, r.poisoned = nil, false
		x.handOut(r, r.s.Abandon())
		return true
	}
	return false
}

func (x *schedule) take(r *request) {
	if !r.known {
		return // the model could not say what is taken
	}
	got, err := notice.Take(r.s)
	want := slices.Sorted(maps.Keys(x.view(r).flash))
	if len(want) == 0 {
		x.expect("take", err, nil)
		require.Empty(x, got)
		return
	}
	x.write(r, "take", err, func(c content) {
		for _, v := range want {
			delete(c.flash, v)
		}
	})
	if err == nil {
		slices.Sort(got)
		require.Equal(x, want, got)
	}
}

// exchange is what CompareAndSet and SetIfAbsent have in common. agrees says
// whether the condition holds for a content.
func (x *schedule) exchange(r *request, call func() error, agrees func(content) bool, e edit) {
	if !r.known {
		return
	}
	err := call()
	switch {
	case r.state == isReading:
		x.expect("exchange", err, session.ErrSuperseded)
		r.poisoned = true
		return
	case !agrees(x.view(r)):
		x.expect("exchange", err, session.ErrConflict)
		return
	case r.state == isAnonymous:
		r.pending = append(r.pending, e)
		x.expect("exchange", err, x.commit(r))
		return
	}
	if want := x.settle(r); want != nil {
		r.pending = nil
		x.expect("exchange", err, want)
		return
	}
	r.base = x.w.data
	if !agrees(x.view(r)) {
		x.expect("exchange", err, session.ErrConflict)
		return
	}
	x.expect("exchange", err, nil)
	x.w.data = x.w.data.with(append(r.pending, e))
	r.base, r.pending = x.w.data, nil
}

func (x *schedule) compareAndSet(r *request, i int) {
	x.serial++
	next := fmt.Sprint(x.serial)
	old, ok := x.view(r).text[textName(i)]
	if !ok || rapid.IntRange(0, 4).Draw(x.T, "stale") == 0 {
		old = "nobody wrote this"
	}
	x.exchange(r, func() error { return texts[i].CompareAndSet(r.s, old, next) },
		func(c content) bool {
			v, ok := c.text[textName(i)]
			return ok && v == old
		},
		func(c content) { c.text[textName(i)] = next })
}

func (x *schedule) setIfAbsent(r *request, i int) {
	x.serial++
	next := fmt.Sprint(x.serial)
	x.exchange(r, func() error { return texts[i].SetIfAbsent(r.s, next) },
		func(c content) bool {
			_, ok := c.text[textName(i)]
			return !ok
		},
		func(c content) { c.text[textName(i)] = next })
}

// replaced is what a renewal or step-up of r ought to answer. minted says that r
// goes on under an id of its own making.
func (x *schedule) replaced(r *request, stepped bool) error {
	switch {
	case x.w.alive && r.at == x.w.current && r.minted:
		if stepped && !x.w.stepped {
			x.w.snapshot = "" // it would forward into the stepped-up session
		}
	case x.w.alive && r.at == x.w.current:
		x.w.snapshot, x.w.stepped, x.w.frozen, x.w.linked = r.at, stepped, x.w.data, true
		r.minted, r.at = true, x.unnamed()
		x.w.current = r.at
	case x.w.isReplaced(r.at):
		r.poisoned = r.poisoned || len(r.pending) > 0
		r.pending = nil
		return session.ErrSuperseded
	default:
		return core.ErrAnonymous
	}
	x.w.data = x.w.data.with(r.pending)
	r.base, r.known, r.pending = x.w.data, true, nil
	return nil
}

func (x *schedule) renew(r *request) {
	err := r.s.Renew(context.Background())
	switch r.state {
	case isAnonymous:
		x.expect("renew", err, core.ErrAnonymous)
	case isForwarding, isReading:
		x.expect("renew", err, session.ErrSuperseded)
	default:
		want := x.replaced(r, false)
		x.expect("renew", err, want)
		if want == core.ErrAnonymous {
			r.forget()
		}
	}
}

func (x *schedule) login(r *request) {
	err := r.s.Login(context.Background(), session.Identity{Subject: "ann"})
	switch {
	case r.state == isForwarding || r.state == isReading:
		x.expect("login", err, session.ErrSuperseded)
		return
	case r.state == isAnonymous:
		x.expect("login", err, nil)
		r.state = isElsewhere
		return
	case r.user:
		want := x.replaced(r, true)
		if want == core.ErrAnonymous { // it ended meanwhile; the proof stands
			r.state, want = isElsewhere, nil
		}
		x.expect("login", err, want)
		return
	}
	// A visitor becomes a user: the old id dies, the data travels.
	switch {
	case x.w.alive && r.at == x.w.current:
		x.expect("login", err, nil)
		x.w.data = x.w.data.with(r.pending)
		x.w.end()
		x.w.alive, x.w.user, x.w.current = true, true, x.unnamed()
		r.at, r.user, r.minted, r.pending, r.base, r.known = x.w.current, true, true, nil, x.w.data, true
		r.poisoned = false
	case x.w.isReplaced(r.at):
		x.superseded(r)
		x.expect("login", err, session.ErrSuperseded)
	default:
		x.expect("login", err, nil)
		r.state = isElsewhere
	}
}

// superseded is what remains of a request whose transition met the snapshot, and
// of the snapshot.
func (x *schedule) superseded(r *request) {
	delete(x.w.orphans, r.at)
	if x.w.snapshot == r.at {
		x.w.snapshot = ""
	}
	r.poisoned = r.poisoned || len(r.pending) > 0
	r.pending, r.known = nil, false
}

func (x *schedule) logout(r *request) {
	err := r.s.Logout(context.Background())
	switch {
	case r.state == isAnonymous:
		x.expect("logout", err, nil)
	case r.state == isForwarding || r.state == isReading:
		x.expect("logout", err, session.ErrSuperseded)
	case x.w.alive && r.at == x.w.current:
		x.expect("logout", err, nil)
		x.w.end()
		r.forget()
		r.cleared = true
	case x.w.isReplaced(r.at):
		x.superseded(r)
		x.expect("logout", err, session.ErrSuperseded)
	default:
		x.expect("logout", err, nil)
		r.forget()
	}
}

// mayRevoke reports whether r has sessions to end, and checks the answer if not.
func (x *schedule) mayRevoke(what string, r *request, err error) bool {
	switch {
	case r.state == isForwarding || r.state == isReading:
		x.expect(what, err, session.ErrSuperseded)
	case r.state == isAnonymous || !r.user:
		x.expect(what, err, core.ErrAnonymous)
	default:
		return true
	}
	return false
}

func (x *schedule) revokeOthers(r *request) {
	err := r.s.RevokeOthers(context.Background())
	if !x.mayRevoke("revoke others", r, err) {
		return
	}
	if x.w.alive {
		x.w.revoke()
	}
	if !x.w.alive || r.at != x.w.current {
		// Where another request changed the id, the session ends.
		x.w.alive = false
		x.expect("revoke others", err, core.ErrAnonymous)
		r.forget()
		return
	}
	x.expect("revoke others", err, nil)
	if !r.minted {
		r.minted, r.at = true, x.unnamed()
		x.w.current = r.at
	}
	x.w.data = x.w.data.with(r.pending)
	r.base, r.known, r.pending = x.w.data, true, nil
}

func (x *schedule) revokeAll(r *request) {
	err := r.s.RevokeAll(context.Background())
	if !x.mayRevoke("revoke all", r, err) {
		return
	}
	x.expect("revoke all", err, nil)
	own := x.w.alive
	x.w.alive = false
	x.w.revoke()
	r.forget()
	r.cleared = own
}

func (x *schedule) finish(r *request) {
	if rapid.Bool().Draw(x.T, "commit first") {
		x.expect("commit", r.s.Commit(context.Background()), x.commit(r))
	}
	want := x.commit(r)
	out := r.s.Finish()
	if want == core.ErrAnonymous {
		want = nil // no guard relied on it
	}
	x.expect("finish", out.Err, want)
	x.handOut(r, out)
}

// handOut checks the Set-Cookie lines of an answer and keeps what they carry.
func (x *schedule) handOut(r *request, out session.Outcome) {
	switch {
	case r.state == isElsewhere:
		require.LessOrEqual(x, len(out.SetCookie), 1)
	case r.minted && r.state == isLive:
		require.Len(x, out.SetCookie, 1)
		c, err := http.ParseSetCookie(out.SetCookie[0])
		require.NoError(x, err)
		require.NotContains(x, x.values, c.Value)
		x.values = append(x.values, c.Value)
		if x.w.current == r.at {
			x.w.current = c.Value
		}
		// Requests that forward to it know it by its value from now on.
		for _, q := range x.open {
			if q != r && q.at == r.at {
				q.at = c.Value
			}
		}
	case r.cleared:
		require.Equal(x, []string{deletion()}, out.SetCookie)
	default:
		require.Empty(x, out.SetCookie)
	}
}

// check compares the store with the model at the end of a schedule.
func (x *schedule) check() {
	for _, v := range x.values {
		if v == x.w.current && x.w.alive {
			continue
		}
		if !(x.w.alive && v == x.w.snapshot) {
			var s session.Session
			x.m.Begin(&s, context.Background(), session.Request{Cookies: []string{name + "=" + v}})
			_, err := s.Info()
			require.ErrorIs(x, err, core.ErrAnonymous, "a dead id")
		}
	}
	if x.w.alive && slices.Contains(x.values, x.w.current) {
		var s session.Session
		x.m.Begin(&s, context.Background(), session.Request{Cookies: []string{name + "=" + x.w.current}})
		got := newContent()
		for i := range texts {
			v, ok, err := texts[i].Get(&s)
			require.NoError(x, err)
			if ok {
				got.text[textName(i)] = v
			}
			n, err := counts[i].Get(&s)
			require.NoError(x, err)
			if n != 0 {
				got.count[countName(i)] = n
			}
		}
		shown, err := notice.Take(&s)
		require.NoError(x, err)
		for _, v := range shown {
			got.flash[v] = true
		}
		want := x.w.data.clone()
		maps.DeleteFunc(want.count, func(_ string, n int64) bool { return n == 0 })
		require.Equal(x, want, got)
	}
	// Every session that began and is not there any more was reported as over,
	// once; snapshots, which end now, are no sessions.
	x.clock.advance(61 * time.Second)
	x.mem.Sweep()
	created, ended := map[string]int{}, map[string]int{}
	for _, e := range x.audit.events {
		switch e.Name {
		case audit.SessionCreated:
			created[e.Session]++
		case audit.SessionExpired:
			ended[e.Session]++
		case audit.StoreFailed:
			x.Fatalf("store failure: %v", e.Err)
		}
	}
	for handle, n := range ended {
		require.Equal(x, 1, n, "terminal events of one session")
		require.Equal(x, 1, created[handle])
	}
	st := x.mem.Stats()
	require.Equal(x, len(created)-len(ended), st.Anonymous+st.Authenticated)
}

// Requests on one session, interleaved step by step in any order, do to it what
// the documentation says: no write is lost, none comes from nowhere, nothing that
// ended comes back, every end is told once, and every call answers as told.
func TestSchedules(t *testing.T) {
	checks(t, 10_000)
	clock := newClock()
	rapid.Check(t, func(rt *rapid.T) {
		x := &schedule{T: rt, clock: clock, audit: &sink{}}
		var err error
		x.mem, err = memstore.New(memstore.Config{Now: clock.now})
		require.NoError(rt, err)
		x.m, err = session.New(x.mem, session.Config{Now: clock.now, Audit: x.audit, Secret: secret})
		require.NoError(rt, err)
		x.w = world{alive: true, user: rapid.Bool().Draw(rt, "user"), data: newContent(), orphans: map[string]bool{}, owned: map[string]bool{}}
		var s session.Session
		x.m.Begin(&s, context.Background(), session.Request{})
		if x.w.user {
			require.NoError(rt, s.Login(context.Background(), session.Identity{Subject: "ann"}))
		} else {
			require.NoError(rt, texts[0].Set(&s, "first"))
			x.w.data.text["a"] = "first"
		}
		x.w.current = strings.TrimPrefix(s.Finish().SetCookie[0], name+"=")[:48]
		x.values = []string{x.w.current}

		left := rapid.IntRange(2, 6).Draw(rt, "requests")
		for left > 0 || len(x.open) > 0 {
			i := rapid.IntRange(0, len(x.open)).Draw(rt, "who")
			if i == len(x.open) {
				if left > 0 {
					left--
					last := max(0, len(x.values)-3)
					x.open = append(x.open, x.begin(rapid.SampledFrom(x.values[last:]).Draw(rt, "cookie")))
				}
				continue
			}
			r := x.open[i]
			done := false
			if r.state == isElsewhere {
				out := r.s.Finish()
				require.NoError(rt, out.Err)
				x.handOut(r, out)
				done = true
			} else {
				done = x.step(r)
			}
			if done {
				x.open = slices.Delete(x.open, i, i+1)
			}
		}
		x.check()
	})
}

// checks sets how many schedules are tried, unless the command line says.
func checks(t *testing.T, n int) {
	t.Helper()
	if testing.Short() {
		n /= 20
	}
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	require.NoError(t, f.Value.Set(fmt.Sprint(n)))
	t.Cleanup(func() { require.NoError(t, f.Value.Set(before)) })
}
