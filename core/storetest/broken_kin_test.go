package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// starts makes a store in which a family begins differently.
func starts(f func(f *refresh.Family, now int64)) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) {
		r.kin.begin = func(family *refresh.Family, now int64) {
			begins(family, now)
			f(family, now)
		}
	})
}

// keyed makes a store that takes keys for others.
func keyed(onKey func(k *refresh.Key)) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		onFamily := func(f refresh.Family) refresh.Family {
			k := f.Key()
			onKey(&k)
			f.Owner.Tag, f.Handle = k.Tag, k.Handle
			return f
		}
		names := make(map[refresh.Key]refresh.Key) // what it would return is not what is tested
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			short := onFamily(f)
			names[short.Key()] = f.Key()
			got, ended, err := r.CreateFamily(ctx, short, limit)
			got.Owner, got.Handle = f.Owner, f.Handle
			return got, ended, err
		}
		b.find = func(ctx context.Context, key refresh.Key) (refresh.Family, error) {
			onKey(&key)
			f, err := r.FindFamily(ctx, key)
			if err == nil {
				f.Owner.Tag, f.Handle = names[key].Tag, names[key].Handle
			}
			return f, err
		}
	})
}

// makesRoom makes a store that decides in its own way who makes room.
func makesRoom(who func(all []refresh.Family, limit int) []refresh.Family) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.kin.who = who })
}

// kept makes a store whose encoding changes families.
func kept(onFamily func(f *refresh.Family)) func(func() time.Time) refresh.Store {
	return starts(func(f *refresh.Family, _ int64) { onFamily(f) })
}

var brokenFamilies = []brokenFamilyStore{
	{"the idle end may come after the absolute one", "family/begins", starts(func(f *refresh.Family, now int64) {
		f.Expires = now + f.Idle.Microseconds()
	})},
	{"a family begins at generation 0", "family/begins", starts(func(f *refresh.Family, _ int64) { f.Generation = 0 })},
	{"a family begins with no stamp", "family/begins", starts(func(f *refresh.Family, _ int64) { f.Stamp = 1 })},
	{"a family begins confirmed", "family/begins", starts(func(f *refresh.Family, now int64) { f.Confirmed = now })},
	{"what is returned is what was given", "family/begins", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			_, ended, err := r.CreateFamily(ctx, f, limit)
			return f, ended, err
		}
	})},
	{"the caller says how a family stands", "family/begins-as-the-store-says", kins(func(_ *brokenKin, r *reference) {
		r.kin.begin = func(f *refresh.Family, now int64) {
			state := f.State
			if begins(f, now); state.Generation != 0 {
				f.State = state
			}
		}
	})},
	{"the caller says when a family ends", "family/begins-as-the-store-says", kins(func(_ *brokenKin, r *reference) {
		r.kin.begin = func(f *refresh.Family, now int64) {
			ends := f.Ends
			if begins(f, now); ends != 0 {
				f.Ends = ends
			}
		}
	})},
	{"the caller says the epoch of a family", "family/begins-as-the-store-says", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			if f.Epoch != 0 {
				got.Epoch = f.Epoch
				r.step("create-family", func(time.Time) { r.fams[f.Key()] = got })
			}
			return got, ended, err
		}
	})},
	{"an absent family is no error", "family/absent-is-gone", kins(func(b *brokenKin, r *reference) {
		b.find = func(ctx context.Context, key refresh.Key) (refresh.Family, error) {
			f, _ := r.FindFamily(ctx, key)
			return f, nil
		}
	})},
	{"an absent family begins when it is presented", "family/absent-is-gone", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if err != nil {
				f := family(revocation.Owner{Tag: key.Tag}, "")
				f.Handle = key.Handle
				_, _, err = r.CreateFamily(ctx, f, many)
			}
			return out, err
		}
	})},
	{"ending nothing denies it", "family/absent-is-gone", kins(func(b *brokenKin, r *reference) {
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			_ = r.Deny(ctx, ann, key.Handle, r.now().Add(rules.Denied))
			return r.EndFamily(ctx, key, rules)
		}
	})},
	{"a family overwrites another", "family/exists", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			r.step("create-family", func(time.Time) { delete(r.fams, f.Key()) })
			return r.CreateFamily(ctx, f, limit)
		}
	})},
	{"room is made for what is refused", "family/exists", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (_ refresh.Family, gone []refresh.Family, err error) {
			r.step("create-family", func(time.Time) {
				gone = firstToExpire(r.families(f.Owner, expires), limit)
				for _, g := range gone {
					if g.Handle != f.Handle {
						delete(r.fams, g.Key())
					}
				}
			})
			f, _, err = r.CreateFamily(ctx, f, many)
			return f, gone, err
		}
	})},
	{"the key is looked at, then written", "family/exactly-one-of-many", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			if _, err := r.FindFamily(ctx, f.Key()); err == nil {
				return f, nil, refresh.ErrExists
			}
			pause()
			r.step("create-family", func(time.Time) { delete(r.fams, f.Key()) })
			return r.CreateFamily(ctx, f, limit)
		}
	})},
	{"the dead stand in the way", "family/over-the-dead", heedless("create-family")},
	{"a key is used once", "family/over-the-dead", kins(func(b *brokenKin, r *reference) {
		used := make(map[refresh.Key]bool)
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			if used[f.Key()] {
				return f, nil, refresh.ErrExists
			}
			used[f.Key()] = true
			return r.CreateFamily(ctx, f, limit)
		}
	})},
	{"who begins again goes on", "family/over-the-dead", kins(func(b *brokenKin, r *reference) {
		last := make(map[refresh.Key]refresh.State)
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			if state, ok := last[f.Key()]; ok && err == nil {
				got.State = state
				r.step("create-family", func(time.Time) { r.fams[f.Key()] = got })
			}
			last[f.Key()] = got.State
			return got, ended, err
		}
	})},
	{"families have no epoch", "family/epoch-is-the-owners", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			got.Epoch = 0
			return got, ended, err
		}
	})},
	{"the epoch is the highest of the tag", "family/epoch-is-the-owners", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			r.step("create-family", func(time.Time) {
				for owner, p := range r.owners {
					if owner.Tag == f.Owner.Tag {
						got.Epoch = max(got.Epoch, p.epoch)
					}
				}
				r.fams[f.Key()] = got
			})
			return got, ended, err
		}
	})},
	{"a family does not lengthen its epoch", "family/epoch-is-remembered-until-the-end", untils(func(_, before time.Time) time.Time { return before })},
	{"a family lengthens its epoch by its idle time", "family/epoch-is-remembered-until-the-end", untils(func(now, before time.Time) time.Time {
		return latest(before, now.Add(life))
	})},
	{"a family shortens its epoch", "family/epoch-is-remembered-until-the-end", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			r.step("create-family", func(time.Time) { r.past(f.Owner).until = time.UnixMicro(got.Ends) })
			return got, ended, err
		}
	})},
	{"the epoch is read when the family has begun", "family/epoch-beside-raises", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			got, ended, err := r.CreateFamily(ctx, f, limit)
			pause()
			found, _ := r.Revoked(ctx, f.Owner, revocation.Asked{})
			got.Epoch = found.Epoch
			return got, ended, err
		}
	})},
	{"family keys are cut", "family/all-bytes-of-the-key-count", keyed(func(k *refresh.Key) { k.Handle[15] = 0 })},
	{"family keys end at NUL", "family/all-bytes-of-the-key-count", keyed(func(k *refresh.Key) {
		if i := bytes.IndexByte(k.Handle[:], 0); i >= 0 {
			clear(k.Handle[i:])
		}
		if k.Handle == (revocation.Handle{}) {
			k.Handle = handle("base")
		}
	})},
	{"family keys are the handle", "family/all-bytes-of-the-key-count", keyed(func(k *refresh.Key) { k.Tag = [4]byte{} })},
	{"families go by the tag", "family/owners-of-one-tag", kins(func(b *brokenKin, r *reference) {
		b.families = func(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
			r.step("families", func(time.Time) {
				for _, f := range r.fams {
					if f.Owner.Tag == owner.Tag {
						all = append(all, f)
					}
				}
			})
			return all, nil
		}
	})},
	{"owners of families are cut", "family/owners-of-one-tag", kins(func(b *brokenKin, r *reference) {
		b.families = func(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
			r.step("families", func(time.Time) {
				for _, f := range r.fams {
					if f.Owner.Tag == owner.Tag && f.Owner.Hash[0] == owner.Hash[0] {
						all = append(all, f)
					}
				}
			})
			return all, nil
		}
	})},
	{"another owner's key is free", "family/owners-of-one-tag", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			r.step("create-family", func(time.Time) {
				if r.fams[f.Key()].Owner != f.Owner {
					delete(r.fams, f.Key())
				}
			})
			return r.CreateFamily(ctx, f, limit)
		}
	})},
	{"values end at NUL", "family/values-of-any-bytes", kept(func(f *refresh.Family) { f.Value, _, _ = strings.Cut(f.Value, "\x00") })},
	{"values are UTF-8", "family/values-of-any-bytes", kept(func(f *refresh.Family) { f.Value = strings.ToValidUTF8(f.Value, "?") })},
	{"values are trimmed", "family/values-of-any-bytes", kept(func(f *refresh.Family) { f.Value = strings.TrimSpace(f.Value) })},
	{"values have 16 bits of length", "family/values-of-any-bytes", kept(func(f *refresh.Family) { f.Value = f.Value[:len(f.Value)&0xFFFF] })},
	{"values are lost when they are empty", "family/values-of-any-bytes", kept(func(f *refresh.Family) { f.Value = cmp.Or(f.Value, "none") })},
	{"bindings end at NUL", "family/every-field", kept(func(f *refresh.Family) {
		if f.Binding[0] == 0 && f.Binding[1] == '\n' {
			f.Binding = refresh.Binding{}
		}
	})},
	{"idle times are seconds", "family/every-field", kept(func(f *refresh.Family) { f.Idle = f.Idle.Truncate(time.Second) })},
	{"lifetimes are lost", "family/every-field", kept(func(f *refresh.Family) { f.Lifetime = 0 })},
	{"lifetimes are 32 bits of milliseconds", "family/every-field", kept(func(f *refresh.Family) {
		f.Lifetime = time.Duration(uint32(f.Lifetime.Milliseconds())) * time.Millisecond
	})},
	{"times are milliseconds of the second", "family/every-field", kept(func(f *refresh.Family) { f.Created = f.Created / 1_000_000 * 1_000_000 })},
	{"secrets are text", "family/every-field", kept(func(f *refresh.Family) {
		if f.Secret[0] == 0xFF {
			f.Secret[0] = '?'
		}
	})},
	{"finding is a use", "family/reading-changes-nothing", kins(func(b *brokenKin, r *reference) {
		b.find = func(_ context.Context, key refresh.Key) (f refresh.Family, err error) {
			r.step("find-family", func(now time.Time) {
				var ok bool
				if f, ok = r.fams[key]; !ok {
					err = refresh.ErrGone
					return
				}
				f.Expires = min(now.UnixMicro()+f.Idle.Microseconds(), f.Ends)
				r.fams[key] = f
			})
			return f, err
		}
	})},
	{"listing is a use", "family/reading-changes-nothing", kins(func(b *brokenKin, r *reference) {
		b.families = func(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
			r.step("families", func(now time.Time) {
				all = r.families(owner, created)
				for _, f := range all {
					f.Expires = min(now.UnixMicro()+f.Idle.Microseconds(), f.Ends)
					r.fams[f.Key()] = f
				}
			})
			return all, nil
		}
	})},
	{"being asked about is a sighting", "family/reading-changes-nothing", kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			_ = r.Sight(ctx, owner, a.Session, revocation.Answer{Generation: a.Generation, Stamp: 1 << 60})
			return r.Revoked(ctx, owner, a)
		}
	})},
	{"families are listed by when they expire", "family/listed-in-order", ordered(expires)},
	{"families are listed last first", "family/listed-in-order", ordered(func(f refresh.Family) int64 { return -f.Created })},
	{"families are listed by their last use", "family/listed-in-order", ordered(func(f refresh.Family) int64 { return int64(f.Stamp) })},
	{"the dead are listed", "family/listed-are-the-living", heedless("families")},
	{"a list of nothing is an error", "family/listed-are-the-living", kins(func(b *brokenKin, r *reference) {
		b.families = func(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
			all, err := r.Families(ctx, owner)
			if len(all) == 0 {
				err = refresh.ErrGone
			}
			return all, err
		}
	})},
	{"expired families are found", "family/idle-end", heedless("find-family")},
	{"expired families are answered", "family/idle-end", heedless("rotate")},
	{"expired families are ended", "family/idle-end", heedless("end-family")},
	{"expired families are sighted", "family/idle-end", heedless("sight")},
	{"a family lives until just after its end", "family/idle-end", kins(func(_ *brokenKin, r *reference) {
		r.kin.alive = func(f *refresh.Family, p *past, now int64) bool { return lives(f, p, now-1) }
	})},
	{"a family ends just before its end", "family/idle-end", kins(func(_ *brokenKin, r *reference) {
		r.kin.alive = func(f *refresh.Family, p *past, now int64) bool { return lives(f, p, now+1000) }
	})},
	{"a use moves the absolute end", "family/absolute-end-never-moves", answers(func(q *question) {
		q.f.Ends = q.now + q.f.Lifetime.Microseconds()
		q.f.Expires = q.now + q.f.Idle.Microseconds()
	})},
	{"a use moves the idle end past the absolute one", "family/absolute-end-never-moves", answers(func(q *question) {
		q.f.Expires = q.now + q.f.Idle.Microseconds()
	})},
	{"a sighting is a use", "family/use-alone-moves-the-idle-end", sees(func(f *refresh.Family, latest bool, now int64) {
		if latest && f.Confirmed == 0 {
			f.Confirmed = now
			f.Expires = min(now+f.Idle.Microseconds(), f.Ends)
		}
	})},
	{"a rotation alone is a use", "family/use-alone-moves-the-idle-end", tables(func(t *table) {
		answer := t.answer
		t.answer = func(q *question) {
			before := q.f.Expires
			if answer(q); q.f.Fixed != q.now {
				q.f.Expires = before
			}
		}
	})},
	{"a refusal for want of room is a use", "family/use-alone-moves-the-idle-end", kins(func(_ *brokenKin, r *reference) {
		r.kin.void = func(r *reference, f *refresh.Family, until time.Time) error {
			err := voids(r, f, until)
			if err != nil {
				old := r.fams[f.Key()]
				old.Expires = f.Expires
				r.fams[f.Key()] = old
			}
			return err
		}
	})},
	{"a newer token brings back the expired", "family/expired-stays-dead", kins(func(b *brokenKin, r *reference) {
		seen := make(map[refresh.Key]refresh.Family)
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if f, ok := seen[key]; ok && err != nil && p.Generation > f.Generation {
				r.step("rotate", func(now time.Time) {
					out.Verdict, err = r.kin.table.present(&f, p, now.UnixMicro()), nil
					f.Expires = now.UnixMicro() + f.Idle.Microseconds()
					out.Family, r.fams[key] = f, f
				})
			}
			if err == nil {
				seen[key] = out.Family
			}
			return out, err
		}
	})},
	{"families are counted as sessions", "family/is-no-session", kins(func(_ *brokenKin, r *reference) {
		r.limit = func(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
			a.Max -= len(r.fams)
			return whoGoes(all, a)
		}
	})},
	{"sessions are counted as families", "family/is-no-session", kins(func(_ *brokenKin, r *reference) {
		r.kin.who = func(all []refresh.Family, limit int) []refresh.Family {
			return firstToExpire(all, max(1, limit-len(r.entries)))
		}
	})},
	{"the ends of families are reported", "family/is-no-session", kins(func(_ *brokenKin, r *reference) {
		r.kin.alive = func(f *refresh.Family, p *past, now int64) bool {
			alive := lives(f, p, now)
			if !alive {
				r.ended = append(r.ended, end{session.Keyed{Key: session.StoreKey{Tag: f.Owner.Tag}}, session.Expired})
			}
			return alive
		}
	})},

	{"the limit counts the new family twice", "limit/nobody-goes-below-it", makesRoom(func(all []refresh.Family, limit int) []refresh.Family {
		return firstToExpire(all, limit-1)
	})},
	{"the limit of families is one too high", "limit/first-to-expire-goes", makesRoom(func(all []refresh.Family, limit int) []refresh.Family {
		return firstToExpire(all, limit+1)
	})},
	{"the oldest family goes", "limit/first-to-expire-goes", makesRoom(func(all []refresh.Family, limit int) []refresh.Family {
		slices.SortFunc(all, func(a, b refresh.Family) int { return cmp.Compare(a.Created, b.Created) })
		return firstToExpire(all, limit)
	})},
	{"the last to expire goes", "limit/first-to-expire-goes", makesRoom(func(all []refresh.Family, limit int) []refresh.Family {
		slices.Reverse(all)
		return firstToExpire(all, limit)
	})},
	{"families that had to go are not returned", "limit/first-to-expire-goes", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			f, _, err := r.CreateFamily(ctx, f, limit)
			return f, nil, err
		}
	})},
	{"families that had to go stay", "limit/first-to-expire-goes", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			f, ended, err := r.CreateFamily(ctx, f, limit)
			r.step("create-family", func(time.Time) {
				for _, e := range ended {
					r.fams[e.Key()] = e
				}
			})
			return f, ended, err
		}
	})},
	{"one family goes at a time", "limit/as-many-go-as-must", makesRoom(func(all []refresh.Family, limit int) []refresh.Family {
		gone := firstToExpire(all, limit)
		return gone[:min(1, len(gone))]
	})},
	{"the new family goes", "limit/never-the-new-one", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (got refresh.Family, ended []refresh.Family, err error) {
			got, _, err = r.CreateFamily(ctx, f, many)
			r.step("create-family", func(time.Time) {
				ended = firstToExpire(r.families(f.Owner, expires), limit+1)
				for _, e := range ended {
					delete(r.fams, e.Key())
				}
			})
			return got, ended, err
		}
	})},
	{"the limit counts the dead", "limit/counts-the-living-of-the-owner", heedless("create-family")},
	{"the limit counts the tag", "limit/counts-the-living-of-the-owner", kins(func(_ *brokenKin, r *reference) {
		r.kin.who = func(_ []refresh.Family, limit int) []refresh.Family {
			all := append(r.families(ann, expires), r.families(bob, expires)...)
			slices.SortFunc(all, func(a, b refresh.Family) int { return cmp.Compare(a.Expires, b.Expires) })
			return firstToExpire(all, limit)
		}
	})},
	{"who makes room is denied", "limit/nothing-is-denied", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			f, ended, err := r.CreateFamily(ctx, f, limit)
			for _, e := range ended {
				_ = r.Deny(ctx, e.Owner, e.Handle, r.now().Add(hold))
			}
			return f, ended, err
		}
	})},
	{"who makes room takes what is void along", "limit/nothing-is-denied", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			f, ended, err := r.CreateFamily(ctx, f, limit)
			if len(ended) > 0 {
				r.step("create-family", func(time.Time) { clear(r.past(f.Owner).voids) })
			}
			return f, ended, err
		}
	})},
	{"families are counted, then one begins", "limit/parallel", kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			all, _ := r.Families(ctx, f.Owner)
			slices.SortFunc(all, func(a, b refresh.Family) int { return cmp.Compare(a.Expires, b.Expires) })
			gone := firstToExpire(all, limit)
			pause()
			for _, e := range gone {
				r.step("create-family", func(time.Time) { delete(r.fams, e.Key()) })
			}
			f, _, err := r.CreateFamily(ctx, f, many)
			return f, gone, err
		}
	})},
}

// ordered makes a store that lists families in another order.
func ordered(order func(refresh.Family) int64) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		b.families = func(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
			r.step("families", func(time.Time) { all = r.families(owner, order) })
			return all, nil
		}
	})
}

// untils makes a store in which CreateFamily has the epoch remembered differently.
func untils(until func(now, before time.Time) time.Time) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			var before time.Time
			r.step("create-family", func(time.Time) { before = r.past(f.Owner).until })
			f, ended, err := r.CreateFamily(ctx, f, limit)
			r.step("create-family", func(now time.Time) { r.past(f.Owner).until = until(now, before) })
			return f, ended, err
		}
	})
}
