package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// breaks makes a store of which f breaks something.
func breaks(f func(b *broken, r *reference)) func(func() time.Time) session.Store {
	return func(now func() time.Time) session.Store {
		r := newReference(now)
		b := &broken{Store: r}
		f(b, r)
		return b
	}
}

// fields makes a store whose encoding changes entries.
func fields(onEntry func(*session.Entry)) func(func() time.Time) session.Store {
	return func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, func(e session.Entry) session.Entry {
			onEntry(&e)
			return e
		})
	}
}

// scan returns what stands there and matches, oldest first, whatever it is.
func (r *reference) scan(match func(session.Entry) bool) (all []session.Keyed) {
	for k, e := range r.entries {
		if match(e) {
			all = append(all, session.Keyed{Key: k, Entry: e})
		}
	}
	return oldestFirst(all)
}

// lister makes a store whose List is a search of its own.
func lister(match func(e session.Entry, owner revocation.Owner) bool) func(func() time.Time) session.Store {
	return breaks(func(b *broken, r *reference) {
		b.list = func(_ context.Context, owner revocation.Owner) (all []session.Keyed, err error) {
			r.step("list", func(time.Time) {
				all = r.scan(func(e session.Entry) bool { return match(e, owner) })
			})
			return all, nil
		}
	})
}

// indexed makes a store whose List goes by an index that Create alone writes.
func indexed(look func(r *reference, k session.Keyed) (session.Keyed, bool)) func(func() time.Time) session.Store {
	return breaks(func(b *broken, r *reference) {
		index := make(map[session.StoreKey]session.Entry)
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			index[k] = e
			return r.Create(ctx, k, e, a)
		}
		b.list = func(_ context.Context, owner revocation.Owner) (all []session.Keyed, err error) {
			r.step("list", func(time.Time) {
				for k, e := range index {
					if found, ok := look(r, session.Keyed{Key: k, Entry: e}); ok && e.Owner == owner {
						all = append(all, found)
					}
				}
			})
			return oldestFirst(all), nil
		}
	})
}

// limits makes a store that decides in its own way who makes room.
func limits(limit func([]session.Keyed, session.Admission) ([]session.Keyed, error)) func(func() time.Time) session.Store {
	return breaks(func(_ *broken, r *reference) { r.limit = limit })
}

// counts makes a store that counts what matches beside the sessions of ann's.
func counts(match func(session.Entry) bool) func(func() time.Time) session.Store {
	return breaks(func(_ *broken, r *reference) {
		r.limit = func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
			return whoGoes(oldestFirst(append(all, r.scan(match)...)), a)
		}
	})
}

// limitsInSteps looks who has to go, ends them, and creates.
func limitsInSteps(b *broken, r *reference) {
	b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
		all, _ := r.List(ctx, e.Owner)
		gone, err := whoGoes(all, a)
		if err != nil {
			return 0, nil, err
		}
		pause()
		for _, k := range gone {
			_, _ = r.Take(ctx, k.Key)
		}
		epoch, _, err := r.Create(ctx, k, e, unlimited)
		return epoch, gone, err
	}
}

// revives makes a Swap that creates what is gone.
func revives(b *broken, r *reference) {
	b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		current, err := r.Swap(ctx, k, version, next)
		if errors.Is(err, session.ErrGone) {
			err = recreate(r, k, next)
		}
		return current, err
	}
}

// writesLate makes a Swap that looks and then writes, whatever happened meanwhile.
func writesLate(b *broken, r *reference) {
	b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
		if e := one(r, k); e.Version == version {
			pause()
			if one(r, k).Version == 0 {
				return session.Entry{}, recreate(r, k, next)
			}
		}
		return r.Swap(ctx, k, version, next)
	}
}

// takes makes ends that remove sessions one by one and revoke nothing.
func takes(b *broken, r *reference) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, _ time.Time) (session.Keyed, error) {
		all, _ := r.List(ctx, owner)
		for _, k := range all {
			if k.Entry.Handle == h {
				_, err := r.Take(ctx, k.Key)
				return k, err
			}
		}
		return session.Keyed{}, session.ErrGone
	}
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, _ time.Time) (uint64, []session.Keyed, error) {
		all, _ := r.List(ctx, owner)
		kept, others := split(all, func(k session.Keyed) bool { return k.Entry.Handle == keep })
		if len(kept) == 0 {
			return 0, nil, session.ErrGone
		}
		for _, k := range others {
			_, _ = r.Take(ctx, k.Key)
		}
		return 0, others, nil
	}
	b.endAll = func(ctx context.Context, owner revocation.Owner, _ time.Time) ([]session.Keyed, error) {
		all, _ := r.List(ctx, owner)
		for _, k := range all {
			_, _ = r.Take(ctx, k.Key)
		}
		return all, nil
	}
}

// endsInSteps makes ends that look, revoke, and remove.
func endsInSteps(b *broken, r *reference) {
	takes(b, r)
	one, all := b.endOne, b.endAll
	b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
		k, err := one(ctx, owner, h, until)
		pause()
		if err == nil {
			err = r.Deny(ctx, owner, h, until)
		}
		return k, err
	}
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
		all, _ := r.List(ctx, owner)
		kept, others := split(all, func(k session.Keyed) bool { return k.Entry.Handle == keep })
		if len(kept) == 0 {
			return 0, nil, session.ErrGone
		}
		pause()
		epoch, _ := r.RaiseEpoch(ctx, owner, until)
		pause()
		return epoch, others, recreate(r, kept[0].Key, kept[0].Entry)
	}
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		ended, err := all(ctx, owner, until)
		pause()
		_, _ = r.RaiseEpoch(ctx, owner, until)
		return ended, err
	}
}

// endsTag makes ends that revoke for every owner of the tag.
func endsTag(b *broken, r *reference) {
	b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
		_ = r.Deny(ctx, bob, h, until)
		return r.EndOne(ctx, owner, h, until)
	}
	b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
		_, _ = r.RaiseEpoch(ctx, bob, until)
		return r.EndOthers(ctx, owner, keep, until)
	}
	b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
		_, _ = r.RaiseEpoch(ctx, bob, until)
		return r.EndAll(ctx, owner, until)
	}
}

var brokenOwners = []brokenStore{
	{"presented is lost", "values/every-field", fields(func(e *session.Entry) { e.Presented = true })},
	{"listed is lost", "values/every-field", fields(func(e *session.Entry) { e.Listed = e.Owner != revocation.Owner{} })},
	{"created is cut to seconds", "values/every-field", fields(func(e *session.Entry) { e.Created = e.Created.Truncate(time.Second) })},
	{"expires is cut to seconds", "values/every-field", fields(func(e *session.Entry) { e.Expires = e.Expires.Truncate(time.Second) })},
	{"handles end at NUL", "values/every-field", fields(func(e *session.Entry) {
		if i := slices.Index(e.Handle[:], 0); i >= 0 {
			clear(e.Handle[i:])
		}
	})},
	{"owners end at NUL", "values/every-field", fields(func(e *session.Entry) {
		if i := slices.Index(e.Owner.Hash[:], 0); i >= 0 && e.Owner != ann {
			clear(e.Owner.Hash[i:])
		}
	})},
	{"swap loses the handle", "values/every-field", breaks(func(b *broken, r *reference) {
		b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			next.Handle = revocation.Handle{}
			return r.Swap(ctx, k, version, next)
		}
	})},
	{"the caller says the epoch", "values/epoch-is-the-stores-own", breaks(func(_ *broken, r *reference) {
		r.stamp = func(given, _ uint64) uint64 { return given }
	})},
	{"the caller may raise an entry's epoch", "values/epoch-is-the-stores-own", breaks(func(_ *broken, r *reference) {
		r.stamp = func(given, own uint64) uint64 { return max(given, own) }
	})},
	{"the caller says that a revocation was lost", "values/epoch-is-the-stores-own", breaks(func(b *broken, r *reference) {
		b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := r.Swap(ctx, k, version, next)
			if next.Behind {
				b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
					err := r.Load(ctx, keys, out)
					for i := range out {
						out[i].Behind = out[i].Version != 0
					}
					return err
				}
			}
			return current, err
		}
	})},
	{"anonymous entries are stamped", "epoch/stamps", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			epoch, gone, err := r.Create(ctx, k, e, a)
			return max(epoch, 1), gone, err
		}
	})},

	{"list is youngest first", "list/oldest-first", breaks(func(b *broken, r *reference) {
		b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
			all, err := r.List(ctx, owner)
			slices.Reverse(all)
			return all, err
		}
	})},
	{"list orders by the second", "list/oldest-first", breaks(func(b *broken, r *reference) {
		b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
			all, err := r.List(ctx, owner)
			slices.SortFunc(all, func(a, b session.Keyed) int {
				if d := a.Entry.Created.Truncate(time.Second).Compare(b.Entry.Created.Truncate(time.Second)); d != 0 {
					return d
				}
				return slices.Compare(a.Key.Hash[:], b.Key.Hash[:])
			})
			return all, err
		}
	})},
	{"list of nobody is an error", "list/nobody", breaks(func(b *broken, r *reference) {
		b.list = func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
			all, err := r.List(ctx, owner)
			if len(all) == 0 {
				err = session.ErrGone
			}
			return all, err
		}
	})},
	{"list shows snapshots", "list/only-the-listed", lister(func(e session.Entry, owner revocation.Owner) bool { return e.Owner == owner })},
	{"list goes by the tag", "list/only-the-owners", lister(func(e session.Entry, owner revocation.Owner) bool { return e.Listed && e.Owner.Tag == owner.Tag })},
	{"list shows the expired", "list/not-the-expired", blind("list")},
	{"list shows what was created", "list/follows-swap", indexed(func(r *reference, k session.Keyed) (session.Keyed, bool) {
		_, ok := r.entries[k.Key]
		return k, ok
	})},
	{"list knows the first key only", "list/follows-rename", indexed(func(r *reference, k session.Keyed) (session.Keyed, bool) {
		e, ok := r.entries[k.Key]
		return session.Keyed{Key: k.Key, Entry: e}, ok && e.Listed
	})},
	{"list shows what was taken", "list/follows-take", indexed(func(r *reference, k session.Keyed) (session.Keyed, bool) {
		if e, ok := r.entries[k.Key]; ok {
			k.Entry = e
		}
		return k, true
	})},

	{"the limit counts the new one twice", "admission/below-the-limit", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		a.Max--
		return whoGoes(all, a)
	})},
	{"the limit is one too high", "admission/oldest-goes", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		a.Max++
		return whoGoes(all, a)
	})},
	{"the youngest goes", "admission/oldest-goes", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		slices.Reverse(all)
		return whoGoes(all, a)
	})},
	{"who had to go is not returned", "admission/oldest-goes", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			epoch, _, err := r.Create(ctx, k, e, a)
			return epoch, nil, err
		}
	})},
	{"only one goes", "admission/as-many-go-as-must", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		gone, err := whoGoes(all, a)
		return gone[:min(1, len(gone))], err
	})},
	{"the unpresented are like all others", "admission/unpresented-go-first", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		return all[:max(0, len(all)+1-a.Max)], nil
	})},
	{"the youngest of the unpresented goes", "admission/unpresented-go-first", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		unpresented, presented := split(all, func(k session.Keyed) bool { return !k.Entry.Presented })
		slices.Reverse(unpresented)
		return append(unpresented, presented...)[:max(0, len(all)+1-a.Max)], nil
	})},
	{"nobody is refused", "admission/refuses", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		a.Refuse = false
		return whoGoes(all, a)
	})},
	{"the unpresented go before the refusal", "admission/refuses", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			all, _ := r.List(ctx, e.Owner)
			for _, k := range all {
				if !k.Entry.Presented && len(all) >= a.Max {
					_, _ = r.Take(ctx, k.Key)
				}
			}
			return r.Create(ctx, k, e, a)
		}
	})},
	{"the refused is created all the same", "admission/refuses", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			epoch, gone, err := r.Create(ctx, k, e, a)
			if errors.Is(err, session.ErrLimit) {
				_ = recreate(r, k, e)
			}
			return epoch, gone, err
		}
	})},
	{"the unpresented count for a refusal", "admission/refusal-counts-the-presented", limits(func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
		if a.Refuse && len(all) >= a.Max {
			return nil, session.ErrLimit
		}
		return whoGoes(all, a)
	})},
	{"snapshots count", "admission/counts-sessions-of-the-owner", counts(func(e session.Entry) bool { return e.Owner == ann && !e.Listed })},
	{"other owners count", "admission/counts-sessions-of-the-owner", counts(func(e session.Entry) bool { return e.Owner == bob })},
	{"anonymous sessions count", "admission/counts-sessions-of-the-owner", counts(func(e session.Entry) bool { return e.Owner == revocation.Owner{} })},
	{"the dead count", "admission/counts-the-living", blind("create")},
	{"room is made before the key is looked at", "admission/exists-ends-nothing", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			all, _ := r.List(ctx, e.Owner)
			gone, _ := whoGoes(all, a)
			for _, k := range gone {
				_, _ = r.Take(ctx, k.Key)
			}
			return r.Create(ctx, k, e, a)
		}
	})},
	{"the unlisted need room", "admission/unlisted-is-let-in", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			listed := e
			listed.Listed = true
			epoch, gone, err := r.Create(ctx, k, listed, a)
			if err == nil {
				_, err = r.Swap(ctx, k, e.Version, e)
			}
			return epoch, gone, err
		}
	})},
	{"swap brings back who had to go", "admission/evicted-stay-dead", breaks(revives)},
	{"the limit looks, then creates", "admission/parallel-evictions", breaks(limitsInSteps)},
	{"the refusal looks, then creates", "admission/parallel-refusals", breaks(limitsInSteps)},

	{"end-one denies nothing", "end-one/removes-and-returns", breaks(takes)},
	{"end-one returns nothing", "end-one/removes-and-returns", breaks(func(b *broken, r *reference) {
		b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
			_, err := r.EndOne(ctx, owner, h, until)
			return session.Keyed{}, err
		}
	})},
	{"end-one raises the epoch", "end-one/removes-and-returns", breaks(func(b *broken, r *reference) {
		b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
			k, err := r.EndOne(ctx, owner, h, until)
			_, _ = r.RaiseEpoch(ctx, owner, until)
			return k, err
		}
	})},
	{"end-one denies what is not there", "end-one/gone", breaks(func(b *broken, r *reference) {
		b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
			k, err := r.EndOne(ctx, owner, h, until)
			_ = r.Deny(ctx, owner, h, until)
			return k, err
		}
	})},
	{"end-one takes the expired for living", "end-one/gone", blind("end-one")},
	{"end-one spares snapshots", "end-one/ends-snapshots", breaks(takes)},
	{"end-one ends the handle of every owner", "end-one/only-the-owners", breaks(endsTag)},
	{"end-one removes where it cannot deny", "end-one/full", breaks(func(b *broken, r *reference) {
		takes(b, r)
		one := b.endOne
		b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
			k, err := one(ctx, owner, h, until)
			if err == nil {
				err = r.Deny(ctx, owner, h, until)
			}
			return k, err
		}
	})},
	{"swap brings back what end-one ended", "end-one/stays-dead", breaks(revives)},
	{"end-one looks, then removes", "end-one/exactly-one-of-many", breaks(func(b *broken, r *reference) {
		b.endOne = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
			all, _ := r.List(ctx, owner)
			match, _ := split(all, func(k session.Keyed) bool { return k.Entry.Handle == h })
			if len(match) == 0 {
				return session.Keyed{}, session.ErrGone
			}
			pause()
			_, _ = r.Take(ctx, match[0].Key)
			return match[0], r.Deny(ctx, owner, h, until)
		}
	})},
	{"end-one misses what moves", "end-one/late-swap-brings-nothing-back", breaks(endsInSteps)},

	{"end-others does not raise", "end-others/keeps-one", breaks(takes)},
	{"end-others ends the kept one", "end-others/keeps-one", breaks(func(b *broken, r *reference) {
		b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
			epoch, ended, err := r.EndOthers(ctx, owner, keep, until)
			epoch++
			_ = r.RestoreEpoch(ctx, owner, epoch, until)
			return epoch, ended, err
		}
	})},
	{"end-others raises before it looks", "end-others/gone", breaks(func(b *broken, r *reference) {
		b.endOthers = func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
			epoch, ended, err := r.EndOthers(ctx, owner, keep, until)
			if err != nil {
				_, _ = r.RaiseEpoch(ctx, owner, until)
			}
			return epoch, ended, err
		}
	})},
	{"end-others keeps the expired", "end-others/gone", blind("end-others")},
	{"end-others spares snapshots", "end-others/ends-snapshots", breaks(takes)},
	{"end-others raises every owner's epoch", "end-others/only-the-owners", breaks(endsTag)},
	{"swap brings back what end-others ended", "end-others/stay-dead", breaks(revives)},
	{"swap writes the epoch that was read", "end-others/kept-survives-a-late-writer", breaks(func(b *broken, r *reference) {
		b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := r.Swap(ctx, k, version, next)
			if err == nil {
				r.step("restamp", func(time.Time) { r.entries[k] = next })
			}
			return current, err
		}
	})},
	{"end-others raises, then stamps the kept one", "end-others/kept-survives-parallel-writers", breaks(endsInSteps)},
	{"end-others looks, then ends", "end-others/exactly-one-of-many", breaks(endsInSteps)},

	{"end-all does not raise", "end-all/removes-and-returns", breaks(takes)},
	{"end-all returns the youngest first", "end-all/removes-and-returns", breaks(func(b *broken, r *reference) {
		b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
			all, err := r.EndAll(ctx, owner, until)
			slices.Reverse(all)
			return all, err
		}
	})},
	{"end-all keeps the epoch as long as before", "end-all/removes-and-returns", breaks(func(b *broken, r *reference) {
		b.endAll = func(ctx context.Context, owner revocation.Owner, _ time.Time) ([]session.Keyed, error) {
			return r.EndAll(ctx, owner, time.Time{})
		}
	})},
	{"end-all of nothing does nothing", "end-all/of-nothing-raises", breaks(func(b *broken, r *reference) {
		b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
			if all, err := r.List(ctx, owner); err != nil || len(all) == 0 {
				return nil, err
			}
			return r.EndAll(ctx, owner, until)
		}
	})},
	{"end-all spares snapshots", "end-all/ends-snapshots", breaks(takes)},
	{"end-all raises every owner's epoch", "end-all/only-the-owners", breaks(endsTag)},
	{"swap brings back what end-all ended", "end-all/stay-dead", breaks(revives)},
	{"end-all denies what it ended", "end-all/later-ones-live", breaks(func(b *broken, r *reference) {
		b.endAll = func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
			all, err := r.EndAll(ctx, owner, until)
			for _, k := range all {
				_ = r.Deny(ctx, owner, k.Entry.Handle, until)
			}
			return all, err
		}
	})},
	{"end-all looks, removes, and raises", "end-all/beside-everything", breaks(endsInSteps)},
	{"swap checks life before end-all, then writes", "end-all/late-swap-brings-nothing-back", breaks(writesLate)},

	{"create says no epoch", "epoch/stamps", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			_, gone, err := r.Create(ctx, k, e, a)
			return 0, gone, err
		}
	})},
	{"snapshots outlive the epoch", "epoch/ends-what-was-there", breaks(func(_ *broken, r *reference) {
		alive := r.alive
		r.alive = func(e session.Entry, p past) bool { return !e.Listed || alive(e, p) }
	})},
	{"list shows what the epoch ended", "epoch/ends-what-was-there", blind("list")},
	{"only raising ends", "epoch/ends-what-was-there", breaks(func(b *broken, r *reference) {
		b.restore = func(context.Context, revocation.Owner, uint64, time.Time) error { return nil }
	})},
	{"the present epoch is revoked, too", "epoch/spares-others", breaks(func(_ *broken, r *reference) {
		alive := r.alive
		r.alive = func(e session.Entry, p past) bool { return alive(e, p) && (p.epoch == 0 || e.Epoch > p.epoch) }
	})},
	{"one epoch for the tag", "epoch/spares-others", breaks(func(_ *broken, r *reference) {
		alive := r.alive
		r.alive = func(e session.Entry, p past) bool {
			for owner, other := range r.owners {
				if owner.Tag == e.Owner.Tag {
					p.epoch = max(p.epoch, other.epoch)
				}
			}
			return alive(e, p)
		}
	})},
	{"swap and rename take the caller's epoch", "epoch/kept-by-swap-and-rename", breaks(func(b *broken, r *reference) {
		b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := r.Rename(ctx, old, version, to, next, left)
			if err == nil {
				r.step("restamp", func(time.Time) { r.entries[to] = next })
			}
			return current, err
		}
	})},
	{"a revoked entry stands in the way", "epoch/makes-way", blind("create")},
	{"admission does not lengthen", "epoch/admission-lengthens", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			a.Until = time.Time{}
			return r.Create(ctx, k, e, a)
		}
	})},
	{"admission shortens", "epoch/admission-lengthens", breaks(func(b *broken, r *reference) {
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			epoch, gone, err := r.Create(ctx, k, e, a)
			if epoch != 0 && !a.Until.IsZero() {
				r.step("shorten", func(time.Time) { r.past(e.Owner).until = a.Until })
			}
			return epoch, gone, err
		}
	})},
	{"load says nothing of a loss", "epoch/behind-after-a-loss", breaks(func(b *broken, r *reference) {
		b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			err := r.Load(ctx, keys, out)
			for i := range out {
				out[i].Behind = false
			}
			return err
		}
	})},
	{"swap stamps the epoch that was lost", "epoch/behind-after-a-loss", breaks(func(b *broken, r *reference) {
		b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := r.Swap(ctx, k, version, next)
			if err == nil {
				r.step("restamp", func(time.Time) {
					next.Epoch, next.Behind = r.past(next.Owner).epoch, false
					r.entries[k] = next
				})
			}
			return current, err
		}
	})},
	{"an epoch ahead of the store's is refused", "epoch/behind-after-a-loss", breaks(func(_ *broken, r *reference) {
		alive := r.alive
		r.alive = func(e session.Entry, p past) bool { return alive(e, p) && e.Epoch <= p.epoch }
	})},
	{"denials are for EndOne alone", "deny/ends-what-was-there", breaks(func(_ *broken, r *reference) {
		r.alive = func(e session.Entry, p past) bool { return e.Epoch >= p.epoch }
	})},
	{"list shows the denied", "deny/ends-what-was-there", blind("list")},
	{"one list of denials for the tag", "deny/spares-others", breaks(func(_ *broken, r *reference) {
		r.alive = func(e session.Entry, p past) bool {
			for owner, other := range r.owners {
				if _, denied := other.denied[e.Handle]; denied && owner.Tag == e.Owner.Tag {
					return false
				}
			}
			return e.Epoch >= p.epoch
		}
	})},
	{"a denied entry stands in the way", "deny/makes-way", blind("create")},
	{"a denied entry stands in rename's way", "deny/makes-way", blind("rename")},
	{"a raised epoch leaves denials", "deny/raised-epoch-lets-later-ones-in", breaks(keepsDenials)},
}

// keepsDenials makes a RaiseEpoch that forgets no denial.
func keepsDenials(b *broken, r *reference) {
	b.raise = func(_ context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
		r.step("raise", func(now time.Time) {
			denied := r.past(owner).denied
			r.past(owner).denied = nil
			epoch = r.raise(owner, now, until)
			r.past(owner).denied = denied
		})
		return epoch, nil
	}
}
