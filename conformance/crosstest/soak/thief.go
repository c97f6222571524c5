package main

import "github.com/sallyport-go/sallyport/conformance/crosstest/rotation"

// method is how a thief goes about it.
type method uint8

const (
	// eager uses the copied token at once, and what he gets for it.
	eager method = iota
	// patient refreshes shortly before the victim is expected to, and uses what he got
	// only after the victim has refreshed too and has used the answer.
	patient
	// polling presents the copied token over and over, at most the grace apart, reads
	// every claim of every answer, and stops when they show that the victim was
	// answered in between, or else after a random while.
	polling
	// racing refreshes within the grace after each refresh of the victim.
	racing
	// late is racing with a poor aim: up to three times the grace.
	late
	// lurking presents the predecessor when the victim has left an answer unused for
	// longer than the grace, and never otherwise.
	lurking

	methods
)

var methodNames = [methods]string{"eager", "patient", "polling n−1", "racing", "racing, poor aim", "lurking"}

// thief has copied the jar once. He is told what the victim does, as far as his method
// needs it. His requests take no time and are not lost.
type thief struct {
	method method
	// follows: he goes on with each refresh token that he is given. Otherwise he keeps
	// the copy, and presents that.
	follows bool

	s         *session
	held      token // what he presents next
	given     token // what he was given
	plans     [2]uint16
	hauls     []haul // every answer that he got
	polls     int64  // how often he still polls
	waiting   bool   // to use what he got
	aiming    bool   // a refresh after the victim's is planned
	accepted  int64  // requests of his
	firstAt   int64  // when the first of them was
	exposed   bool
	exposedAt int64

	answered   uint64 // the generation that the victim was last answered with
	answeredAt int64  // and when
	shown      uint64 // the latest generation that the victim has used or presented
	shownAt    int64  // and when it first did
}

// token is a refresh token and its generation.
type token struct {
	text       string
	generation uint64
}

// haul is one answer to the thief.
type haul struct {
	access string
	claims rotation.Claims
	at     int64
	first  int64 // when the access token was first accepted, 0 for never
	class  class
	passed bool // the victim has refreshed since
	judged bool // and since it was first accepted
}

// class is why the victim's next refresh did not expose a thief who was accepted.
type class uint8

const (
	unjudged class = iota
	// afterAnswer: answered within the coalesce window after an answer to the victim.
	afterAnswer
	// afterUse: answered within the coalesce window after the victim first used or
	// presented what it was answered.
	afterUse
	// beforeRefresh: answered or first accepted within the grace before the victim's
	// next refresh.
	beforeRefresh
	// unused: answered with a generation which the victim had been answered with, and
	// had neither used nor presented.
	unused
	// unexplained: nothing of that.
	unexplained

	classes
)

// The coalesce windows.
const (
	afterAnswerFor = rotation.Coalesce * grace
	afterUseFor    = 2 * grace
)

func (t *thief) begin(s *session, m method, follows bool) {
	*t = thief{method: m, follows: follows, s: s, hauls: t.hauls[:0]}
}

// after plans a refresh or a use, in place of the one that was planned.
func (t *thief) after(d int64, k kind) {
	plan := &t.plans[k-thiefAct]
	*plan++
	t.s.q.push(event{at: t.s.now + d, kind: k, plan: *plan})
}

func (t *thief) happen(e *event) {
	switch {
	case e.kind == theft:
		t.steal()
	case e.plan != t.plans[e.kind-thiefAct]:
	case e.kind == thiefUse:
		t.use()
	case t.method == lurking && !(t.shown < t.answered && t.held.generation+1 == t.answered):
		t.aiming = false
	default:
		t.refresh()
	}
}

func (t *thief) steal() {
	t.held = token{t.s.jar, t.s.newest}
	switch t.method {
	case eager:
		t.after(50_000, thiefAct)
	case patient:
		t.after(max(t.answeredAt+t.patience()-t.s.now, 0), thiefAct)
	case polling:
		t.rest()
		t.after(50_000, thiefAct)
	}
}

// patience is how long after a refresh of the victim he refreshes. One tab refreshes
// again after 95 % of an access token's life at the earliest.
func (t *thief) patience() int64 {
	if n := int64(t.s.prof.tabs); n > 1 {
		return t.s.below(life / n)
	}
	return life * 93 / 100
}

// rest is how long he polls if nothing tells him when to stop: about as long as the
// victim may take to refresh.
func (t *thief) rest() { t.polls = t.s.below(2 * life / grace) }

func (t *thief) refresh() {
	s := t.s
	t.aiming = false
	a, outcome := s.srv.Refresh(t.held.text)
	if outcome != rotation.Answered {
		if s.srv.Dead() {
			t.expose()
		}
		s.over = true
		return
	}
	previous, claims := rotation.Claims{}, read(a.Access)
	if n := len(t.hauls); n > 0 {
		previous = t.hauls[n-1].claims
	}
	t.hauls = append(t.hauls, haul{access: a.Access, claims: claims, at: s.now, class: t.lands(claims.Generation)})
	if a.Refresh != "" {
		t.given = token{a.Refresh, claims.Generation}
	}
	if t.method != polling {
		t.move()
	}
	switch {
	case t.method == patient:
		t.waiting = true
		t.holdBack()
	case t.method == polling && t.pollsOn(previous, claims):
		t.holdBack()
		t.after(second+s.below(grace-second), thiefAct)
	case t.method == polling && t.follows:
		// He goes on before the victim is back.
		t.move()
		t.rest()
		t.after(life/2, thiefAct)
		t.use()
	default:
		t.use()
	}
}

// holdBack ends the use of what he got before.
func (t *thief) holdBack() { t.plans[thiefUse-thiefAct]++ }

// pollsOn reports whether he goes on polling. A stamp that is a count shows whether there
// was an answer between two of his own. A stamp that is a time does not.
func (t *thief) pollsOn(previous, now rotation.Claims) bool {
	const leastTime = 1_000_000_000_000
	if now.Stamp > 0 && now.Stamp < leastTime {
		return previous.Generation != now.Generation || now.Stamp == previous.Stamp+1
	}
	t.polls--
	return t.polls > 0
}

// move makes what he was given what he presents, if that is his way.
func (t *thief) move() {
	if t.follows && t.given.text != "" {
		t.held = t.given
	}
}

// lands is the class of an answer that he gets now, as far as it is known.
func (t *thief) lands(generation uint64) class {
	switch now := t.s.now; {
	case t.answeredAt != 0 && now-t.answeredAt <= afterAnswerFor:
		return afterAnswer
	case t.shownAt != 0 && now-t.shownAt <= afterUseFor:
		return afterUse
	case generation == t.answered && t.shown < generation:
		return unused
	default:
		return unjudged
	}
}

// use shows his latest access token, and again each minute.
func (t *thief) use() {
	s := t.s
	h := &t.hauls[len(t.hauls)-1]
	t.waiting = false
	if s.now < h.at+life && s.srv.Use(h.access) {
		t.accepted++
		if h.first == 0 {
			h.first = s.now
		}
		if t.firstAt == 0 {
			t.firstAt = s.now
		}
		t.after(min(minute, h.at+life-s.now), thiefUse)
		return
	}
	// It has run out, or was voided. The others have planned what they do next.
	switch {
	case t.method == eager:
		t.after(second, thiefAct)
	case t.method == polling && !t.follows:
		t.rest()
		t.after(second, thiefAct)
	}
}

// victimUsed is told of an access token of the victim that was accepted.
func (t *thief) victimUsed(access string, answered int64) {
	t.show(read(access).Generation)
	if t.waiting && answered > t.hauls[len(t.hauls)-1].at {
		t.waiting = false
		t.after(1000, thiefUse)
	}
}

// show notes when the victim first showed that it has a generation.
func (t *thief) show(generation uint64) {
	if generation > t.shown {
		t.shown, t.shownAt = generation, t.s.now
	}
}

// victimRefreshed is told of each refresh of the victim, when the server has decided.
func (t *thief) victimRefreshed(a rotation.Answer, ok bool) {
	s := t.s
	if !ok {
		if s.srv.Dead() {
			t.expose()
		}
		s.over = true
		return
	}
	for i := range t.hauls {
		t.hauls[i].judge(s.now)
	}
	generation := read(a.Access).Generation
	t.answeredAt, t.answered = s.now, generation
	if a.Refresh == "" {
		t.show(generation) // coalesced: the latest token was presented
	}
	if t.held.text == "" || t.aiming {
		return
	}
	switch t.method {
	case patient:
		t.after(t.patience(), thiefAct)
	case racing:
		t.after(1+s.below(grace), thiefAct)
	case late:
		t.after(1+s.below(3*grace), thiefAct)
	case lurking:
		t.after(grace+second, thiefAct)
	default:
		return
	}
	t.aiming = true
}

// judge is told that the victim has refreshed, and the family lives.
func (h *haul) judge(now int64) {
	landed := h.class == afterAnswer || h.class == afterUse || h.class == beforeRefresh
	if !h.passed {
		h.passed = true
		if !landed && now-h.at <= grace {
			h.class, landed = beforeRefresh, true
		}
	}
	if h.first == 0 || h.judged {
		return
	}
	h.judged = true
	switch {
	case landed:
	case now-h.first <= grace:
		h.class = beforeRefresh
	case h.class == unjudged:
		h.class = unexplained
	}
}

func (t *thief) expose() {
	t.exposed, t.exposedAt = true, t.s.now
	if t.good() {
		t.s.sums.revived++
	}
}

// good reports whether an access token of his is.
func (t *thief) good() bool {
	for i := range t.hauls {
		if h := &t.hauls[i]; t.s.now < h.at+life && t.s.srv.Use(h.access) {
			return true
		}
	}
	return false
}

// read returns the claims of an access token, which are for everybody to read.
func read(access string) rotation.Claims {
	c, _ := rotation.ReadClaims(access)
	return c
}
