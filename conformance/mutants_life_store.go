package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// bent is a store of which single operations are replaced. What a nil function
// stands for goes straight through.
type bent struct {
	session.Store
	// raw is the store behind the counters, for what a fault does on the side: it
	// is to be found out by what comes of it.
	raw    session.Store
	load   func(context.Context, []session.StoreKey, []session.Entry) error
	create func(context.Context, session.StoreKey, session.Entry, session.Admission) (uint64, []session.Keyed, error)
	swap   func(context.Context, session.StoreKey, uint64, session.Entry) (session.Entry, error)
	rename func(context.Context, session.StoreKey, uint64, session.StoreKey, session.Entry, *session.Entry) (session.Entry, error)
	take   func(context.Context, session.StoreKey) (session.Entry, error)
	report func(func(session.StoreKey, session.Entry, session.Ending)) func(session.StoreKey, session.Entry, session.Ending)

	list      func(context.Context, revocation.Owner) ([]session.Keyed, error)
	endOne    func(context.Context, revocation.Owner, revocation.Handle, time.Time) (session.Keyed, error)
	endOthers func(context.Context, revocation.Owner, revocation.Handle, time.Time) (uint64, []session.Keyed, error)
	endAll    func(context.Context, revocation.Owner, time.Time) ([]session.Keyed, error)
	raise     func(context.Context, revocation.Owner, time.Time) (uint64, error)
	restore   func(context.Context, revocation.Owner, uint64, time.Time) error
	deny      func(context.Context, revocation.Owner, revocation.Handle, time.Time) error
}

// bend makes a mutant of what do replaces.
func bend(do func(*bent)) func(session.Store) session.Store {
	return func(s session.Store) session.Store {
		b := &bent{Store: s, raw: s}
		if counting, ok := s.(*Store); ok {
			b.raw = counting.Store
		}
		do(b)
		return b
	}
}

func (b *bent) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if b.load != nil {
		return b.load(ctx, keys, out)
	}
	return b.Store.Load(ctx, keys, out)
}

func (b *bent) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	if b.create != nil {
		return b.create(ctx, key, e, a)
	}
	return b.Store.Create(ctx, key, e, a)
}

func (b *bent) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if b.swap != nil {
		return b.swap(ctx, key, version, next)
	}
	return b.Store.Swap(ctx, key, version, next)
}

func (b *bent) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	if b.rename != nil {
		return b.rename(ctx, old, version, to, next, left)
	}
	return b.Store.Rename(ctx, old, version, to, next, left)
}

func (b *bent) Take(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	if b.take != nil {
		return b.take(ctx, key)
	}
	return b.Store.Take(ctx, key)
}

func (b *bent) List(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
	if b.list != nil {
		return b.list(ctx, owner)
	}
	return b.Store.List(ctx, owner)
}

func (b *bent) EndOne(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
	if b.endOne != nil {
		return b.endOne(ctx, owner, handle, until)
	}
	return b.Store.EndOne(ctx, owner, handle, until)
}

func (b *bent) EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
	if b.endOthers != nil {
		return b.endOthers(ctx, owner, keep, until)
	}
	return b.Store.EndOthers(ctx, owner, keep, until)
}

func (b *bent) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	if b.endAll != nil {
		return b.endAll(ctx, owner, until)
	}
	return b.Store.EndAll(ctx, owner, until)
}

func (b *bent) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	if b.raise != nil {
		return b.raise(ctx, owner, until)
	}
	return b.Store.RaiseEpoch(ctx, owner, until)
}

func (b *bent) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	if b.restore != nil {
		return b.restore(ctx, owner, epoch, until)
	}
	return b.Store.RestoreEpoch(ctx, owner, epoch, until)
}

func (b *bent) Deny(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
	if b.deny != nil {
		return b.deny(ctx, owner, handle, until)
	}
	return b.Store.Deny(ctx, owner, handle, until)
}

func (b *bent) Report(f func(session.StoreKey, session.Entry, session.Ending)) {
	if b.report != nil {
		f = b.report(f)
	}
	if r, ok := b.Store.(session.Reporter); ok {
		r.Report(f)
	}
}

// pretend counts an operation that is not made.
func (b *bent) pretend(op Operation) {
	if counting, ok := b.Store.(*Store); ok {
		counting.mu.Lock()
		defer counting.mu.Unlock()
		counting.calls[op]++
	}
}

// plant puts an entry where no Manager would.
func plant(ctx context.Context, s session.Store, key session.StoreKey, e session.Entry) error {
	_, _, err := s.Create(ctx, key, e, session.Admission{Max: math.MaxInt})
	return err
}

// one reads a single entry.
func (b *bent) one(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	var out [1]session.Entry
	err := b.raw.Load(ctx, []session.StoreKey{key}, out[:])
	return out[0], err
}

// What follows knows how a record is written (core/session, record.go): a store
// that is to lie about a session has to lie in its language.
const (
	flagsAt, checkAt, touchedAt, endsAt, authedAt, printFrom, linkAt = 1, 6, 10, 18, 26, 34, 46
	linkSize                                                         = 36
	linkedFlag                                                       = 0x80
)

// rebind makes e an entry of another key. What it then belongs to is under that
// key's tag, or no store would take it.
func rebind(e session.Entry, key session.StoreKey) session.Entry {
	if !e.Owner.IsZero() {
		e.Owner.Tag = key.Tag
	}
	e.Value = e.Value[:checkAt] + string(key.Hash[:touchedAt-checkAt]) + e.Value[touchedAt:]
	return e
}

func timeAt(e session.Entry, at int) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(e.Value[at : at+8]))))
}

func setTime(e session.Entry, at int, v time.Time) session.Entry {
	n := binary.BigEndian.AppendUint64(nil, uint64(v.UnixMicro()))
	e.Value = e.Value[:at] + string(n) + e.Value[at+8:]
	return e
}

func linked(e session.Entry) bool   { return e.Version != 0 && e.Value[flagsAt]&linkedFlag != 0 }
func snapshot(e session.Entry) bool { return e.Version != 0 && e.Value[flagsAt]&^linkedFlag != 0 }

// noData is how a record without data ends.
const noData = "\x00\x00\x00"

// dataFrom is where an entry's data begins, with its length.
func dataFrom(e session.Entry) int {
	at := linkAt
	if linked(e) {
		at += linkSize
	}
	for range 3 { // subject, method, device
		at += 1 + int(e.Value[at])
	}
	for range 2 { // roles, scopes
		at += 2 + int(e.Value[at])<<8 + int(e.Value[at+1])
	}
	return at
}

// adoptsPresented stores a new session under the id that the client presented, too.
func adoptsPresented(b *bent) {
	var presented []session.StoreKey
	b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
		err := b.Store.Load(ctx, keys, out)
		for i, e := range out {
			if e.Version == 0 {
				presented = append(presented, keys[i])
			}
		}
		return err
	}
	b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		for _, k := range presented {
			_ = plant(ctx, b.raw, k, rebind(e, k))
		}
		return b.Store.Create(ctx, key, e, a)
	}
}

// keepsID lets the id from before a login go on as the id after it.
func keepsID(b *bent) {
	var before []session.StoreKey
	b.take = func(ctx context.Context, key session.StoreKey) (session.Entry, error) {
		before = append(before, key)
		return b.Store.Take(ctx, key)
	}
	b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		for _, k := range before {
			_ = plant(ctx, b.raw, k, rebind(e, k))
		}
		return b.Store.Create(ctx, key, e, a)
	}
}

// takesNothing reads what it should remove.
func takesNothing(b *bent) {
	b.take = func(ctx context.Context, key session.StoreKey) (session.Entry, error) {
		b.pretend(OpTake)
		e, err := b.one(ctx, key)
		if err == nil && e.Version == 0 {
			err = session.ErrGone
		}
		return e, err
	}
}

// takesTwice gives what it removed to whoever asks later, too.
func takesTwice(b *bent) {
	var mu sync.Mutex
	taken := map[session.StoreKey]session.Entry{}
	b.take = func(ctx context.Context, key session.StoreKey) (session.Entry, error) {
		mu.Lock()
		defer mu.Unlock()
		e, err := b.Store.Take(ctx, key)
		if last, ok := taken[key]; ok && errors.Is(err, session.ErrGone) {
			return last, nil
		}
		taken[key] = e
		return e, err
	}
}

// inherits gives a new session the data of the one that was taken last.
func inherits(b *bent) {
	var data string
	b.take = func(ctx context.Context, key session.StoreKey) (session.Entry, error) {
		e, err := b.Store.Take(ctx, key)
		if err == nil {
			data = e.Value[dataFrom(e):]
		}
		return e, err
	}
	b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		if data != "" {
			e.Value = e.Value[:dataFrom(e)] + data
		}
		return b.Store.Create(ctx, key, e, a)
	}
}

// leavesOld renames and leaves the old entry as it was.
func leavesOld(b *bent) {
	b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
		before, err := b.one(ctx, old)
		if err != nil {
			return session.Entry{}, err
		}
		current, err := b.Store.Rename(ctx, old, version, to, next, nil)
		if err == nil {
			err = plant(ctx, b.raw, old, before)
		}
		return current, err
	}
}

// changesLeft renames with another snapshot than it was given.
func changesLeft(change func(left, next session.Entry) *session.Entry) func(*bent) {
	return func(b *bent) {
		b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if left != nil {
				left = change(*left, next)
			}
			return b.Store.Rename(ctx, old, version, to, next, left)
		}
	}
}

// lengthens puts off a snapshot's end by a day.
func lengthens(left, _ session.Entry) *session.Entry {
	left = setTime(left, endsAt, timeAt(left, endsAt).AddDate(0, 0, 1))
	left.Expires = left.Expires.AddDate(0, 0, 1)
	return &left
}

// raises gives the snapshot the authority that came after it.
func raises(left, next session.Entry) *session.Entry {
	left.Value = left.Value[:touchedAt] + next.Value[touchedAt:endsAt] + left.Value[endsAt:authedAt] +
		next.Value[authedAt:linkAt] + left.Value[linkAt:linkAt+linkSize] + next.Value[linkAt+linkSize:]
	return &left
}

func leavesNothing(_, _ session.Entry) *session.Entry { return nil }

// keepsSnapshots does not let the new id end the old one.
func keepsSnapshots(b *bent) {
	b.take = func(ctx context.Context, key session.StoreKey) (session.Entry, error) {
		if e, err := b.one(ctx, key); err != nil || snapshot(e) {
			b.pretend(OpTake)
			return e, err
		}
		return b.Store.Take(ctx, key)
	}
	b.swap = func(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		if e, err := b.one(ctx, key); err != nil || linked(e) && !linked(next) {
			b.pretend(OpSwap)
			return e, err
		}
		return b.Store.Swap(ctx, key, version, next)
	}
}

// lastWriterWins stores whatever comes over whatever is there.
func lastWriterWins(b *bent) {
	b.swap = func(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		for {
			current, err := b.Store.Swap(ctx, key, version, next)
			if !errors.Is(err, session.ErrConflict) {
				return current, err
			}
			version = current.Version
			next.Version = version + 1
		}
	}
	b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
		for {
			current, err := b.Store.Rename(ctx, old, version, to, next, left)
			if !errors.Is(err, session.ErrConflict) {
				return current, err
			}
			version = current.Version
		}
	}
}

// bringsBack stores under a key that holds nothing any more.
func bringsBack(b *bent) {
	b.swap = func(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		current, err := b.Store.Swap(ctx, key, version, next)
		if errors.Is(err, session.ErrGone) {
			next.Expires = next.Expires.AddDate(1, 0, 0)
			return current, plant(ctx, b.raw, key, next)
		}
		return current, err
	}
}

// neverShrinks loses deletions: it stores what is there once more.
func neverShrinks(b *bent) {
	b.swap = func(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		current, err := b.one(ctx, key)
		if err == nil && len(next.Value) < len(current.Value) {
			next.Value = current.Value
		}
		return b.Store.Swap(ctx, key, version, next)
	}
}

// rewrites changes every entry that is created, swapped in or renamed to.
func rewrites(change func(session.Entry) session.Entry) func(*bent) {
	return func(b *bent) {
		b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			return b.Store.Create(ctx, key, change(e), a)
		}
		b.swap = func(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			return b.Store.Swap(ctx, key, version, change(next))
		}
		b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			return b.Store.Rename(ctx, old, version, to, change(next), left)
		}
	}
}

// immortal moves every end out of sight.
func immortal(e session.Entry) session.Entry {
	e.Expires = e.Expires.AddDate(100, 0, 0)
	e = setTime(e, endsAt, timeAt(e, endsAt).AddDate(100, 0, 0))
	return setTime(e, touchedAt, timeAt(e, touchedAt).AddDate(100, 0, 0))
}

// sliding moves the absolute end with every write.
func sliding(e session.Entry) session.Entry {
	return setTime(e, endsAt, timeAt(e, touchedAt).AddDate(0, 0, 7))
}

// proven takes the last use for a proof of identity.
func proven(e session.Entry) session.Entry { return setTime(e, authedAt, timeAt(e, touchedAt)) }

// resaves writes what it reads.
func resaves(b *bent) {
	b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
		err := b.Store.Load(ctx, keys, out)
		for i, e := range out {
			if err == nil && e.Version != 0 {
				_, err = b.Store.Swap(ctx, keys[i], e.Version, e)
			}
		}
		return err
	}
}

// readsTwice asks once to see whether there is anything, and once for what it is.
func readsTwice(b *bent) {
	b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
		if err := b.Store.Load(ctx, keys, out); err != nil {
			return err
		}
		return b.Store.Load(ctx, keys, out)
	}
}

func tellsTwice(b *bent) {
	b.report = func(f func(session.StoreKey, session.Entry, session.Ending)) func(session.StoreKey, session.Entry, session.Ending) {
		return func(k session.StoreKey, e session.Entry, why session.Ending) { f(k, e, why); f(k, e, why) }
	}
}

func tellsNobody(b *bent) {
	b.report = func(func(session.StoreKey, session.Entry, session.Ending)) func(session.StoreKey, session.Entry, session.Ending) {
		return func(session.StoreKey, session.Entry, session.Ending) {}
	}
}
