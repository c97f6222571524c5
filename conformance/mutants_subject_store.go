package conformance

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// register is what a store was given to list.
type register struct {
	mu   sync.Mutex
	made []session.Keyed
}

// registers remembers what is created.
func registers(b *bent) *register {
	r := &register{}
	b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		epoch, evicted, err := b.Store.Create(ctx, key, e, a)
		if err == nil && e.Listed {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.made = append(r.made, session.Keyed{Key: key, Entry: e})
		}
		return epoch, evicted, err
	}
	return r
}

// all returns what was created, but what is in except.
func (r *register) all(except []session.Keyed) []session.Keyed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.made), func(k session.Keyed) bool {
		return slices.ContainsFunc(except, func(e session.Keyed) bool { return e.Entry.Handle == k.Entry.Handle })
	})
}

func listsEverybody(b *bent) {
	made := registers(b)
	b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
		list, err := b.Store.List(ctx, owner)
		for _, k := range made.all(nil) {
			if k.Entry.Owner != owner {
				list = append(list, k)
			}
		}
		return list, err
	}
}

func listsTheDead(b *bent) {
	made := registers(b)
	b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
		list, err := b.Store.List(ctx, owner)
		for _, k := range made.all(list) {
			if k.Entry.Owner == owner {
				list = append(list, k)
			}
		}
		return list, err
	}
}

func listsBackwards(b *bent) {
	b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
		list, err := b.Store.List(ctx, owner)
		slices.Reverse(list)
		return list, err
	}
}

func listsNothing(b *bent) {
	b.list = func(context.Context, revocation.Owner) ([]session.Keyed, error) {
		b.pretend(OpList)
		return nil, nil
	}
}

func listsNothingOnError(b *bent) {
	b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
		list, _ := b.Store.List(ctx, owner)
		return list, nil
	}
}

// listsTheReadable leaves out what is no record.
func listsTheReadable(b *bent) {
	b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
		list, err := b.Store.List(ctx, owner)
		return slices.DeleteFunc(list, func(k session.Keyed) bool { return len(k.Entry.Value) < linkAt }), err
	}
}

// handleAsValue finds a session by its handle, too, as often as it takes to fill a
// cookie's value.
func handleAsValue(b *bent) {
	made := registers(b)
	b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
		if err := b.Store.Load(ctx, keys, out); err != nil {
			return err
		}
		for i, key := range keys {
			for _, k := range made.all(nil) {
				value := strings.Repeat(k.Entry.Handle.String(), 3)[:48]
				if sha256.Sum256([]byte("conformance\x00"+value)) != key.Hash {
					continue
				}
				e, err := b.one(ctx, k.Key)
				if err != nil {
					return err
				}
				out[i] = rebind(e, key)
			}
		}
		return nil
	}
}

// find returns the owner's session of that handle and the others.
func (b *bent) find(ctx context.Context, owner revocation.Owner, handle revocation.Handle) (one session.Keyed, others []session.Keyed, err error) {
	list, err := b.raw.List(ctx, owner)
	for _, k := range list {
		if k.Entry.Handle == handle {
			one = k
		} else {
			others = append(others, k)
		}
	}
	if err == nil && one.Entry.Version == 0 {
		err = session.ErrGone
	}
	return one, others, err
}

// endsNothing reads what it should end.
func endsNothing(b *bent) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, _ time.Time) (session.Keyed, error) {
		b.pretend(OpEndOne)
		one, _, err := b.find(ctx, owner, handle)
		return one, err
	}
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, _ time.Time) (uint64, []session.Keyed, error) {
		b.pretend(OpEndOthers)
		one, others, err := b.find(ctx, owner, keep)
		return one.Entry.Epoch, others, err
	}
	b.endAll = func(ctx context.Context, owner revocation.Owner, _ time.Time) ([]session.Keyed, error) {
		b.pretend(OpEndAll)
		return b.raw.List(ctx, owner)
	}
}

// caches answers what it has read once out of its memory.
func caches(b *bent) {
	var mu sync.Mutex
	read := map[session.StoreKey]session.Entry{}
	b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
		err := b.Store.Load(ctx, keys, out)
		mu.Lock()
		defer mu.Unlock()
		for i, k := range keys {
			if e, ok := read[k]; ok {
				out[i] = e
			} else if out[i].Version != 0 {
				read[k] = out[i]
			}
		}
		return err
	}
}

func endsAllForOne(b *bent) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
		one, err := b.Store.EndOne(ctx, owner, handle, until)
		if err == nil {
			_, err = b.raw.EndAll(ctx, owner, until)
		}
		return one, err
	}
}

// endsAnybodys asks for the handle alone.
func endsAnybodys(b *bent) {
	made := registers(b)
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
		for _, k := range made.all(nil) {
			if k.Entry.Handle == handle {
				owner = k.Entry.Owner
			}
		}
		return b.Store.EndOne(ctx, owner, handle, until)
	}
}

func deniesBlindly(b *bent) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
		one, err := b.Store.EndOne(ctx, owner, handle, until)
		if errors.Is(err, session.ErrGone) {
			if full := b.raw.Deny(ctx, owner, handle, until); full != nil {
				return one, full
			}
		}
		return one, err
	}
}

// endsTwice gives what it ended to whoever asks later, too.
func endsTwice(b *bent) {
	var mu sync.Mutex
	ended := map[revocation.Handle]session.Keyed{}
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
		mu.Lock()
		defer mu.Unlock()
		one, err := b.Store.EndOne(ctx, owner, handle, until)
		if last, ok := ended[handle]; ok && errors.Is(err, session.ErrGone) {
			return last, nil
		}
		ended[handle] = one
		return one, err
	}
}

func sparesNobody(b *bent) {
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
		b.pretend(OpEndOthers)
		one, others, err := b.find(ctx, owner, keep)
		if err == nil {
			_, err = b.raw.EndAll(ctx, owner, until)
		}
		return one.Entry.Epoch, others, err
	}
}

// endsOneByOne raises no epoch.
func endsOneByOne(b *bent) {
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
		one, others, err := b.find(ctx, owner, keep)
		if err != nil {
			return 0, nil, err
		}
		for _, k := range others {
			if _, err := b.Store.EndOne(ctx, owner, k.Entry.Handle, until); err != nil {
				return 0, nil, err
			}
		}
		return one.Entry.Epoch, others, nil
	}
}

// bringsBackRenamed stores what is renamed although it is gone.
func bringsBackRenamed(b *bent) {
	b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
		current, err := b.Store.Rename(ctx, old, version, to, next, left)
		if errors.Is(err, session.ErrGone) {
			err = plant(ctx, b.raw, to, next)
		}
		return current, err
	}
}

// keepsSnapshotsAlive lets neither the new id nor an epoch end the old one.
func keepsSnapshotsAlive(b *bent) {
	keepsSnapshots(b)
	endsOneByOne(b)
}

// forgetsTheOldest ends all sessions but the first of the list.
func forgetsTheOldest(b *bent) {
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		b.pretend(OpEndAll)
		list, err := b.raw.List(ctx, owner)
		for i, k := range list {
			if i > 0 && err == nil {
				_, err = b.raw.EndOne(ctx, owner, k.Entry.Handle, until)
			}
		}
		return list, err
	}
}

// endsAllTwice gives what it ended to whoever asks later, too.
func endsAllTwice(b *bent) {
	var mu sync.Mutex
	ended := map[revocation.Owner][]session.Keyed{}
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		mu.Lock()
		defer mu.Unlock()
		now, err := b.Store.EndAll(ctx, owner, until)
		if err == nil && len(now) == 0 {
			return ended[owner], nil
		}
		ended[owner] = now
		return now, err
	}
}

// claimsEnds answers an end that failed as if it had not.
func claimsEnds(b *bent) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
		one, _ := b.Store.EndOne(ctx, owner, handle, until)
		return one, nil
	}
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
		epoch, others, _ := b.Store.EndOthers(ctx, owner, keep, until)
		return epoch, others, nil
	}
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		ended, _ := b.Store.EndAll(ctx, owner, until)
		return ended, nil
	}
}

func claimsRenames(b *bent) {
	b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
		current, _ := b.Store.Rename(ctx, old, version, to, next, left)
		return current, nil
	}
}

func raisesNothing(b *bent) {
	b.raise = func(context.Context, revocation.Owner, time.Time) (uint64, error) {
		b.pretend(OpRaise)
		return 1, nil
	}
}

// endsWhatIsListed raises no epoch when it ends all.
func endsWhatIsListed(b *bent) {
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		list, err := b.Store.List(ctx, owner)
		for _, k := range list {
			if err == nil {
				_, err = b.Store.EndOne(ctx, owner, k.Entry.Handle, until)
			}
		}
		return list, err
	}
}

func deniesNothing(b *bent) {
	b.deny = func(context.Context, revocation.Owner, revocation.Handle, time.Time) error {
		b.pretend(OpDeny)
		return nil
	}
}

func deniesWithoutEnd(b *bent) {
	b.deny = func(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
		_ = b.Store.Deny(ctx, owner, handle, until)
		return nil
	}
}

func restoresNothing(b *bent) {
	b.restore = func(context.Context, revocation.Owner, uint64, time.Time) error {
		b.pretend(OpRestore)
		return nil
	}
}

// admitsBy creates on other terms.
func admitsBy(change func(*session.Admission)) func(*bent) {
	return func(b *bent) {
		b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			change(&a)
			return b.Store.Create(ctx, key, e, a)
		}
	}
}

// countsOnce admits by how many were there when it first looked.
func countsOnce(b *bent) {
	var mu sync.Mutex
	known := map[revocation.Owner]int{}
	b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := known[e.Owner]; !ok {
			list, err := b.raw.List(ctx, e.Owner)
			if err != nil {
				return 0, nil, err
			}
			known[e.Owner] = len(list)
		}
		if known[e.Owner] < a.Max {
			a.Max = 1 << 20
		}
		return b.Store.Create(ctx, key, e, a)
	}
}

// tellsEvicted changes what is said of those that made room.
func tellsEvicted(change func([]session.Keyed) []session.Keyed) func(*bent) {
	return func(b *bent) {
		b.create = func(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			epoch, evicted, err := b.Store.Create(ctx, key, e, a)
			return epoch, change(evicted), err
		}
	}
}

// changesNothing says that it has stored what it has not.
func changesNothing(b *bent) {
	b.swap = func(ctx context.Context, key session.StoreKey, _ uint64, _ session.Entry) (session.Entry, error) {
		b.pretend(OpSwap)
		return b.one(ctx, key)
	}
}

// findsNoHandle ends no session by its handle.
func findsNoHandle(b *bent) {
	b.endOne = func(context.Context, revocation.Owner, revocation.Handle, time.Time) (session.Keyed, error) {
		b.pretend(OpEndOne)
		return session.Keyed{}, session.ErrGone
	}
}
