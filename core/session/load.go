package session

import (
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
)

// maxCandidates bounds how many cookies of the session's name are looked up, so
// that a stuffed jar costs one small store call.
const maxCandidates = 4

// load finds out what the presented cookie stands for, once per request.
func (s *Session) load() error {
	if s.finished {
		return ErrFinished
	}
	if s.state != unloaded {
		return s.cause
	}
	s.asked = true
	s.found = new(found)
	if err := s.lookUp(); err != nil {
		s.state, s.cause = unknown, s.fail(err)
	}
	return s.cause
}

func (s *Session) lookUp() error {
	s.state = anonymous
	if len(s.variants) > 0 {
		return s.lookUpSeveral()
	}
	if !wellFormed(s.presented) {
		return nil
	}
	s.key[0] = s.m.keyOf(s.presented)
	ctx, cancel := s.m.storeContext(s.ctx, false)
	defer cancel()
	if err := s.m.store.Load(ctx, s.key[:], s.entry[:]); err != nil {
		return err
	}
	alive, err := s.open(s.key[0], &s.entry[0], &s.rec)
	if err != nil {
		return err
	}
	if !alive {
		s.event(audit.SessionUseAfterExpire, audit.CauseUnknownID, nil, nil)
		return nil
	}
	s.value = s.presented
	return s.accept()
}

// lookUpSeveral decides between different cookies of one name. A browser's order
// proves nothing (RFC 6265bis section 4.2.2) and a sibling host may have planted
// any of them, so the store decides: exactly one alive is used.
func (s *Session) lookUpSeveral() error {
	values := make([]string, 0, maxCandidates)
	for _, v := range append([]string{s.presented}, s.variants...) {
		if wellFormed(v) && len(values) < maxCandidates {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil
	}
	keys := make([]StoreKey, len(values))
	for i, v := range values {
		keys[i] = s.m.keyOf(v)
	}
	entries := make([]Entry, len(keys))
	ctx, cancel := s.m.storeContext(s.ctx, false)
	defer cancel()
	if err := s.m.store.Load(ctx, keys, entries); err != nil {
		return err
	}
	records := make([]record, len(keys))
	var sessions, snapshots []int
	for i := range entries {
		alive, err := s.open(keys[i], &entries[i], &records[i])
		switch {
		case err != nil:
			return err
		case alive && records[i].kind == kindLive:
			sessions = append(sessions, i)
		case alive:
			snapshots = append(snapshots, i)
		}
	}
	if len(sessions) == 0 {
		// Beside a session, a snapshot is its own past in the jar's other form
		// and no rival.
		sessions = snapshots
	}
	switch len(sessions) {
	case 0:
		s.event(audit.SessionUseAfterExpire, audit.CauseUnknownID, nil, nil)
		return nil
	case 1:
		i := sessions[0]
		s.key[0], s.entry[0], s.rec, s.value = keys[i], entries[i], records[i], values[i]
		s.repair = repairOthers
		return s.accept()
	default:
		s.repair = repairEverything
		s.event(audit.SessionAmbiguous, "", nil, nil)
		return nil
	}
}

// open decodes what the store returned for key and reports whether it is alive.
// The store has enforced Expires by its clock; ours is asked as well, so that
// neither clock alone can lengthen a life.
func (s *Session) open(key StoreKey, e *Entry, r *record) (alive bool, err error) {
	if e.Version == 0 {
		return false, nil
	}
	if err := r.open(e, s.m.appTag, key); err != nil {
		return false, err
	}
	s.at = micros(s.m.now())
	idle := s.m.idleFor(r)
	if s.at < r.deadline(idle) {
		return true, nil
	}
	// Whoever takes the record out reports its end; a failure leaves it to the
	// store, which will.
	if r.kind == kindLive {
		ctx, cancel := s.m.storeContext(s.ctx, true)
		defer cancel()
		if _, err := s.m.store.Take(ctx, key); err == nil {
			s.event(audit.SessionExpired, r.expiryCause(idle), r, nil)
		}
	}
	return false, nil
}

// expiryCause says which of its two limits a record ran into.
func (r *record) expiryCause(idle time.Duration) audit.Cause {
	if r.deadline(idle) >= r.ends {
		return audit.CauseAbsolute
	}
	return audit.CauseIdle
}

// accept makes the record under s.key the request's session.
func (s *Session) accept() error {
	if s.rec.kind != kindLive {
		return s.acceptSnapshot()
	}
	if s.entry[0].Behind {
		s.restoreEpoch()
	}
	s.state = live
	if !s.examine(&s.rec) {
		return s.endSuspect()
	}
	if s.rec.linked {
		if err := s.dropSnapshot(); err != nil {
			return err
		}
	}
	if s.cause != nil {
		return nil // use that looks like somebody else's keeps nothing alive
	}
	s.touchDue = s.m.dueForTouch(&s.rec, s.at)
	s.showDue = s.m.marks && s.rec.subject != "" && !s.rec.presented
	return nil
}

// restoreEpoch puts back what the store has lost: an authentic session carries an
// epoch that the store does not know, so whatever was revoked before it is alive
// again. The session itself is none of that, and goes on if the store refuses.
func (s *Session) restoreEpoch() {
	ctx, cancel := s.m.storeContext(s.ctx, true)
	defer cancel()
	if err := s.m.store.RestoreEpoch(ctx, s.rec.owner, s.entry[0].Epoch, s.m.until()); err != nil {
		s.event(audit.StoreFailed, audit.CauseError, &s.rec, err)
		return
	}
	s.event(audit.EpochRestored, "", &s.rec, nil)
}

func (m *Manager) dueForTouch(r *record, now int64) bool {
	return now-r.touched >= m.touchFor(r).Microseconds()
}

// dropSnapshot ends the old id: the new one has now been presented, so no lost
// answer needs the old one any more. The record forgets it at commit.
func (s *Session) dropSnapshot() error {
	ctx, cancel := s.m.storeContext(s.ctx, true)
	defer cancel()
	if _, err := s.m.store.Take(ctx, s.rec.link); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	s.unlink = true
	return nil
}

// acceptSnapshot lets an id that was replaced a moment ago keep its old
// authority. It is worth nothing without its successor: a log-out or an expiry
// of the new id ends the old one with it.
func (s *Session) acceptSnapshot() error {
	snapshot := s.rec
	ctx, cancel := s.m.storeContext(s.ctx, false)
	defer cancel()
	var next [1]Entry
	if err := s.m.store.Load(ctx, []StoreKey{snapshot.link}, next[:]); err != nil {
		return err
	}
	var successor record
	alive, err := s.open(snapshot.link, &next[0], &successor)
	if err != nil {
		return err
	}
	s.value, s.repair = "", repairNone // a snapshot never causes a Set-Cookie
	if !alive || successor.kind != kindLive || !successor.linked || successor.link != s.key[0] {
		s.entry[0], s.rec = Entry{}, record{}
		s.event(audit.SessionUseAfterExpire, audit.CauseUnknownID, nil, nil)
		return nil
	}
	s.state, s.authority = frozen, &snapshot
	if !s.examine(&snapshot) || s.cause != nil {
		// It is there for the very browser whose answer was lost.
		s.forget()
		return nil
	}
	s.printDue = false
	if snapshot.kind == kindRenewed {
		s.key[0], s.entry[0], s.rec = snapshot.link, next[0], successor
	}
	return nil
}
