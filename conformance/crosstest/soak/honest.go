package main

import (
	"math/rand/v2"
	"time"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// Times are in microseconds, as the store's are.
const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute

	grace = int64(rotation.Grace / time.Microsecond)
	life  = 10 * minute // of an access token
	leg   = 300_000     // the longest way of a request, and of an answer that is not slow
)

const maxTabs = 8

// profile is what a client and its network are like.
type profile struct {
	tabs  int
	lives int64 // how long the session lasts, in lives of an access token
	// lost is the share of exchanges that are lost, half of them with the request.
	// late is the share of these after which the client comes back an hour later.
	lost, late float64
	// slow is the share of answers that take up to what the grace leaves.
	slow float64
	// dawdles: requests take up to the grace too, and there and back together.
	dawdles bool
	// closes is how often, in each life of an access token, the browser is closed and
	// restored with all of its tabs.
	closes float64
	// once is for one scene: one restore, or one exchange lost and an hour of silence,
	// and nothing else that goes wrong.
	once scene
}

type scene uint8

const (
	none scene = iota
	oneRestore
	oneLost
)

// tab is one of those that share a jar. Each has an access token of its own in memory.
type tab struct {
	life, plan uint16
	access     string
	gotAt      int64 // when the server gave it
}

// message is a request or an answer under way.
type message struct {
	token  string // of a refresh, or the access token
	back   int64  // how long the answer will take; negative if it is lost
	answer rotation.Answer
	at     int64 // when the server answered
}

// session is one login with all that happens to it.
type session struct {
	clock *rotation.Clock
	base  int64 // what the clock says at the login
	now   int64 // since the login
	end   int64
	srv   rotation.Server
	rng   *rand.Rand
	prof  *profile
	thief *thief // nil: nobody
	sums  *sums

	q    queue
	msgs []message
	jar  string
	tabs [maxTabs]tab
	// exact: tabs that refreshed together go on doing so. Otherwise a life is up to
	// 5 % shorter, as the issuer makes it.
	exact    bool
	sceneHad bool
	over     bool
	newest   uint64 // the latest generation that a tab has heard of
}

// below is a random duration of less than d, at least 0.
func (s *session) below(d int64) int64 { return s.rng.Int64N(max(d, 1)) }

func (s *session) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// run plays the session to its end. The caller has set srv, rng, prof, thief and sums.
func (s *session) run() {
	s.q.reset()
	s.msgs = s.msgs[:0]
	s.base, s.now, s.end = s.clock.Micros(), 0, s.prof.lives*life
	s.tabs, s.sceneHad, s.over, s.newest = [maxTabs]tab{}, false, false, 0
	s.exact = s.chance(0.5)
	first := s.srv.Login()
	s.jar = first.Refresh
	s.receive(0, first, 0)
	// The other tabs are opened one by one, or all at once by a window that remembers.
	within := life
	if s.prof.once == none && s.chance(0.5) {
		within = 2 * second
	}
	for i := 1; i < s.prof.tabs; i++ {
		s.plan(i, s.below(within))
	}
	for at := int64(0); at < s.end; at += life {
		if s.chance(s.prof.closes) {
			s.q.push(event{at: at + s.below(life), kind: closed})
		}
	}
	if s.prof.once == oneRestore {
		s.q.push(event{at: life + s.below(life), kind: closed})
	}
	if s.thief != nil {
		s.q.push(event{at: life + s.below(2*life), kind: theft})
	}
	for !s.over {
		e, ok := s.q.pop()
		if !ok || e.at > s.end {
			break
		}
		s.turn(e.at)
		s.happen(&e)
	}
	s.turn(s.now + 1)
	s.sums.sessions++
	s.sums.simulated += s.now / second
	s.sums.generations += int64(s.newest)
	if !s.over {
		s.logout()
	}
	s.turn(s.now + minute)
}

// turn moves the clock.
func (s *session) turn(to int64) {
	s.now = to
	s.clock.Advance(time.Duration(s.base+to-s.clock.Micros()) * time.Microsecond)
}

func (s *session) happen(e *event) {
	t := &s.tabs[e.tab]
	switch e.kind {
	case due:
		if e.life == t.life && e.plan == t.plan {
			s.ask(int(e.tab))
		}
	case arrives:
		s.serve(e)
	case answered:
		if e.life == t.life {
			m := &s.msgs[e.msg]
			s.receive(int(e.tab), m.answer, m.at)
		}
	case gaveUp:
		if e.life == t.life && e.plan == t.plan {
			s.again(int(e.tab), s.msgs[e.msg].back < 0)
		}
	case used:
		s.use(e)
	case closed:
		s.sums.closes++
		s.restart(second + s.below(30*second))
	case theft, thiefAct, thiefUse:
		s.thief.happen(e)
	}
}

// plan lets the tab refresh at a time, and at no other.
func (s *session) plan(i int, at int64) {
	t := &s.tabs[i]
	t.plan++
	s.q.push(event{at: at, kind: due, tab: int8(i), life: t.life, plan: t.plan})
}

// ask sends a refresh with what the jar says now.
func (s *session) ask(i int) {
	t := &s.tabs[i]
	t.plan++
	s.sums.requests++
	there := 10_000 + s.below(leg-10_000)
	m := message{token: s.jar, back: 10_000 + s.below(leg-10_000)}
	if s.chance(s.prof.slow) {
		m.back = s.below(grace - there)
		s.sums.slow++
	}
	if s.prof.dawdles {
		there = s.below(grace + 1)
		m.back = s.below(grace + 1 - there)
	}
	lost := s.chance(s.prof.lost)
	if s.prof.once == oneLost && !s.sceneHad && s.now > life {
		lost, s.sceneHad = true, true
	}
	total, arrived := there+m.back, true
	if lost {
		s.sums.lost++
		m.back = -1
		// In the one scene it is the answer: a request that is lost harms nobody.
		arrived = s.prof.once == oneLost || s.chance(0.5)
	}
	n := int32(len(s.msgs))
	s.msgs = append(s.msgs, m)
	if arrived {
		s.q.push(event{at: s.now + there, kind: arrives, tab: int8(i), life: t.life, msg: n})
	}
	if patience := second + s.below(grace+second); lost || patience < total {
		s.q.push(event{at: s.now + patience, kind: gaveUp, tab: int8(i), life: t.life, plan: t.plan, msg: n})
	}
}

// serve is the server's part of a refresh.
func (s *session) serve(e *event) {
	m := &s.msgs[e.msg]
	a, outcome := s.srv.Refresh(m.token)
	if outcome == rotation.Failed {
		s.sums.failed++
		m.back = -1
		s.q.push(event{at: s.now + second, kind: gaveUp, tab: e.tab, life: e.life, plan: s.tabs[e.tab].plan, msg: e.msg})
		return
	}
	if s.thief != nil {
		s.thief.victimRefreshed(a, outcome == rotation.Answered)
	}
	if outcome == rotation.Refused {
		s.over = true
		if s.thief == nil {
			s.sums.logouts++
		}
		return
	}
	if m.back >= 0 {
		m.answer, m.at = a, s.now
		s.q.push(event{at: s.now + m.back, kind: answered, tab: e.tab, life: e.life, msg: e.msg})
	}
}

// receive is the tab's part of an answer: it keeps the refresh token before it uses the
// access token.
func (s *session) receive(i int, a rotation.Answer, at int64) {
	if a.Refresh != "" {
		s.jar = a.Refresh
		s.newest = max(s.newest, read(a.Access).Generation)
	}
	t := &s.tabs[i]
	t.access, t.gotAt = a.Access, at
	cut := int64(0)
	if !s.exact {
		cut = s.below(life / 20)
	}
	s.plan(i, max(at+life-cut, s.now))
	// The page needs something at once, or not before somebody clicks.
	if s.chance(0.8) {
		s.request(i, 0)
	}
	s.request(i, s.below(life-grace))
}

// request sends a request with the tab's access token after a while.
func (s *session) request(i int, after int64) {
	if s.chance(s.prof.lost / 2) {
		return
	}
	s.msgs = append(s.msgs, message{token: s.tabs[i].access})
	s.q.push(event{at: s.now + after + s.below(leg), kind: used, tab: int8(i), life: s.tabs[i].life, msg: int32(len(s.msgs) - 1)})
}

func (s *session) use(e *event) {
	t := &s.tabs[e.tab]
	token := s.msgs[e.msg].token
	// A page that is gone sends nothing, and one with a new token does not use the old.
	if e.life != t.life || t.access != token {
		return
	}
	s.sums.uses++
	if s.srv.Use(token) {
		if s.thief != nil {
			s.thief.victimUsed(token, t.gotAt)
		}
		return
	}
	// The token was voided by a repeat that another tab asked for. A client that is told
	// 401 refreshes.
	s.sums.voided++
	t.access = ""
	s.plan(int(e.tab), s.now+s.below(leg))
}

// again is what a tab does that has waited long enough.
func (s *session) again(i int, lost bool) {
	switch {
	case lost && (s.prof.once == oneLost || s.chance(s.prof.late)):
		s.sums.hours++
		later := 50*minute + s.below(20*minute)
		s.end += later
		if s.prof.once == oneLost || s.chance(0.5) {
			s.restart(later) // the lid was closed
		} else {
			s.plan(i, s.now+later) // the tab slept in the background
		}
	default:
		s.ask(i)
	}
}

// restart is all tabs from the start after a while, together.
func (s *session) restart(after int64) {
	for i := range s.tabs[:s.prof.tabs] {
		t := &s.tabs[i]
		t.life++
		t.access = ""
		s.plan(i, s.now+after+s.below(second))
	}
}

// logout must be the end: no token of the tabs, the jar or the thief is good afterwards.
func (s *session) logout() {
	s.srv.Logout(s.jar)
	good := false
	for i := range s.tabs[:s.prof.tabs] {
		good = good || s.tabs[i].access != "" && s.srv.Use(s.tabs[i].access)
	}
	good = good || s.thief != nil && s.thief.good()
	if _, outcome := s.srv.Refresh(s.jar); good || outcome != rotation.Refused || !s.srv.Dead() {
		s.sums.revived++
	}
}
