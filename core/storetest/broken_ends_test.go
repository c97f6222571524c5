package storetest

import (
	"context"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// ending makes a store that ends a family in its own way.
func ending(f func(r *reference, f *refresh.Family, now, until time.Time)) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.kin.ends = f })
}

// living makes a store in which other families are alive.
func living(alive func(f *refresh.Family, p *past, now int64) bool) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.kin.alive = alive })
}

// sparing ends sessions as it should, and the owner's families live on.
type sparing struct{ *reference }

func (s *sparing) spare(owner revocation.Owner, f func()) {
	var before []refresh.Family
	s.step("families", func(time.Time) { before = s.families(owner, created) })
	f()
	s.step("families", func(time.Time) {
		for _, f := range before {
			f.Epoch = s.past(owner).epoch
			s.fams[f.Key()] = f
		}
	})
}

func (s *sparing) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) (ended []session.Keyed, err error) {
	s.spare(owner, func() { ended, err = s.reference.EndAll(ctx, owner, until) })
	return ended, err
}

// keeping is one whose EndOthers alone spares families.
type keeping struct{ *sparing }

func (s *keeping) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	return s.reference.EndAll(ctx, owner, until)
}

func (s *keeping) EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (epoch uint64, ended []session.Keyed, err error) {
	s.spare(owner, func() { epoch, ended, err = s.reference.EndOthers(ctx, owner, keep, until) })
	return epoch, ended, err
}

// confusing takes the handle of a family for that of a session.
type confusing struct{ *reference }

func (s *confusing) EndOne(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
	_ = s.Deny(ctx, owner, h, until)
	return s.reference.EndOne(ctx, owner, h, until)
}

// raising ends one session by what ends them all.
type raising struct{ *reference }

func (s *raising) EndOne(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
	one, err := s.reference.EndOne(ctx, owner, h, until)
	if err == nil {
		s.step("end-one", func(time.Time) {
			for _, f := range s.families(owner, created) {
				delete(s.fams, f.Key())
			}
		})
	}
	return one, err
}

// late makes a store that answers a call whose time is up.
func late(err error) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		b.find = func(ctx context.Context, key refresh.Key) (refresh.Family, error) {
			if ctx.Err() != nil {
				return refresh.Family{}, err
			}
			return r.FindFamily(ctx, key)
		}
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			if ctx.Err() != nil {
				return refresh.Outcome{}, err
			}
			return r.Rotate(ctx, key, p)
		}
		b.create = func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
			if ctx.Err() != nil {
				return refresh.Family{}, nil, err
			}
			return r.CreateFamily(ctx, f, limit)
		}
	})
}

// ticks makes a store with a clock of its own for one thing.
func ticks(clock func(f *refresh.Family, now int64) int64) func(func() time.Time) refresh.Store {
	return tables(func(t *table) { t.clock = clock })
}

var brokenFamilyEnds = []brokenFamilyStore{
	{"a dead family is returned with ErrGone", "rotate/gone", kins(func(b *brokenKin, r *reference) {
		seen := make(map[refresh.Key]refresh.Family)
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if err == nil {
				seen[key] = out.Family
			} else {
				out.Family = seen[key]
			}
			return out, err
		}
	})},
	{"reuse denies nothing", "rotate/end-denies", ending(func(r *reference, f *refresh.Family, _, _ time.Time) { delete(r.fams, f.Key()) })},
	{"reuse denies for ever", "rotate/end-denies", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		ends(r, f, now, until.AddDate(100, 0, 0))
	})},
	{"reuse denies for ten minutes", "rotate/end-denies", ending(func(r *reference, f *refresh.Family, now, _ time.Time) {
		ends(r, f, now, now.Add(10*time.Minute))
	})},
	{"reuse denies and the record stays", "end/stays-dead-when-all-is-forgotten", ending(func(r *reference, f *refresh.Family, _, until time.Time) {
		r.lazy = true
		_ = r.deny(f.Owner, f.Handle, until)
	})},
	{"reuse raises the epoch", "rotate/end-denies", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		ends(r, f, now, until)
		r.raise(f.Owner, now, until)
	})},
	{"without room reuse is not remembered", "rotate/end-without-room-raises-the-epoch", ending(func(r *reference, f *refresh.Family, _, until time.Time) {
		delete(r.fams, f.Key())
		_ = r.deny(f.Owner, f.Handle, until)
	})},
	{"without room the epoch is raised for ever", "rotate/end-without-room-raises-the-epoch", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		if delete(r.fams, f.Key()); r.deny(f.Owner, f.Handle, until) != nil {
			r.raise(f.Owner, now, until.AddDate(100, 0, 0))
		}
	})},
	{"without room the epoch is kept for less", "rotate/end-without-room-raises-the-epoch", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		if delete(r.fams, f.Key()); r.deny(f.Owner, f.Handle, until) != nil {
			r.raise(f.Owner, now, until)
			r.past(f.Owner).until = until
		}
	})},
	{"without room reuse is an error", "rotate/end-without-room-raises-the-epoch", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			f, _ := r.FindFamily(ctx, key)
			full := false
			r.step("rotate", func(time.Time) { full = r.past(f.Owner).full() })
			if f, now := f, r.now().UnixMicro(); full && !r.kin.table.present(&f, p, now).Answered() {
				return refresh.Outcome{}, revocation.ErrFull
			}
			return r.Rotate(ctx, key, p)
		}
	})},
	{"the list is full for one too few", "rotate/end-without-room-raises-the-epoch", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		if delete(r.fams, f.Key()); len(r.past(f.Owner).denied) >= revocation.MaxDenied-1 {
			r.raise(f.Owner, now, until)
			return
		}
		_ = r.deny(f.Owner, f.Handle, until)
	})},

	{"a log-out denies nothing", "end/ends-and-denies", ending(func(r *reference, f *refresh.Family, _, _ time.Time) { delete(r.fams, f.Key()) })},
	{"a log-out is a denial alone", "end/stays-dead-when-all-is-forgotten", ending(func(r *reference, f *refresh.Family, _, until time.Time) {
		r.lazy = true
		_ = r.deny(f.Owner, f.Handle, until)
	})},
	{"a log-out is one everywhere", "end/ends-and-denies", ending(func(r *reference, f *refresh.Family, now, until time.Time) { r.raise(f.Owner, now, until) })},
	{"a log-out denies the handle to all of the tag", "end/ends-and-denies", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		ends(r, f, now, until)
		_ = r.deny(bob, f.Handle, until)
	})},
	{"a log-out returns nothing", "end/ends-and-denies", kins(func(b *brokenKin, r *reference) {
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			_, err := r.EndFamily(ctx, key, rules)
			return refresh.Family{}, err
		}
	})},
	{"a second log-out denies once more", "end/gone", kins(func(b *brokenKin, r *reference) {
		ended := make(map[refresh.Key]revocation.Owner)
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			if owner, ok := ended[key]; ok {
				_ = r.Deny(ctx, owner, key.Handle, r.now().Add(rules.Denied))
			}
			f, err := r.EndFamily(ctx, key, rules)
			if err == nil {
				ended[key] = f.Owner
			}
			return f, err
		}
	})},
	{"a second log-out is no error", "end/gone", kins(func(b *brokenKin, r *reference) {
		ended := make(map[refresh.Key]bool)
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			f, err := r.EndFamily(ctx, key, rules)
			if ended[key] {
				return f, nil
			}
			ended[key] = err == nil
			return f, err
		}
	})},
	{"a log-out of nothing raises the epoch", "end/gone", kins(func(b *brokenKin, r *reference) {
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			f, err := r.EndFamily(ctx, key, rules)
			if err != nil && r.past(ann).full() {
				_, _ = r.RaiseEpoch(ctx, ann, r.now().Add(rules.Denied))
			}
			return f, err
		}
	})},
	{"a family is read, then ended", "end/exactly-one-of-many", kins(func(b *brokenKin, r *reference) {
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			f, err := r.FindFamily(ctx, key)
			pause()
			if err == nil {
				r.step("end-family", func(now time.Time) { ends(r, &f, now, now.Add(rules.Denied)) })
			}
			return f, err
		}
	})},
	{"without room a log-out is not remembered", "end/without-room-raises-the-epoch", ending(func(r *reference, f *refresh.Family, _, until time.Time) {
		delete(r.fams, f.Key())
		_ = r.deny(f.Owner, f.Handle, until)
	})},
	{"without room a log-out fails", "end/without-room-raises-the-epoch", kins(func(b *brokenKin, r *reference) {
		b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
			if r.past(ann).full() {
				return refresh.Family{}, revocation.ErrFull
			}
			return r.EndFamily(ctx, key, rules)
		}
	})},
	{"families know no epoch", "end/by-raised-epoch", living(func(f *refresh.Family, p *past, now int64) bool {
		_, denied := p.denied[f.Handle]
		return now < f.Expires && !denied
	})},
	{"a family of the present epoch has ended", "end/by-raised-epoch", living(func(f *refresh.Family, p *past, now int64) bool {
		return lives(f, p, now) && (p.epoch == 0 || f.Epoch > p.epoch)
	})},
	{"a raised epoch ends those of the tag", "end/by-raised-epoch", kins(func(b *brokenKin, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
			r.step("raise", func(time.Time) {
				for k, f := range r.fams {
					if f.Owner.Tag == owner.Tag {
						delete(r.fams, k)
					}
				}
			})
			return r.RaiseEpoch(ctx, owner, until)
		}
	})},
	{"a restored epoch ends nothing", "end/by-restored-epoch", kins(func(b *brokenKin, r *reference) {
		b.restore = func(_ context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
			r.step("restore", func(time.Time) {
				p := r.past(owner)
				p.epoch, p.until = max(p.epoch, epoch), latest(p.until, until)
				for _, f := range r.families(owner, created) {
					f.Epoch = p.epoch
					r.fams[f.Key()] = f
				}
			})
			return nil
		}
	})},
	{"a restored epoch ends everything", "end/by-restored-epoch", kins(func(b *brokenKin, r *reference) {
		b.restore = func(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
			r.step("restore", func(time.Time) {
				for _, f := range r.families(owner, created) {
					delete(r.fams, f.Key())
				}
			})
			return r.RestoreEpoch(ctx, owner, epoch, until)
		}
	})},
	{"families know no denials", "end/by-deny", living(func(f *refresh.Family, p *past, now int64) bool {
		return now < f.Expires && f.Epoch >= p.epoch
	})},
	{"a denial ends all of the owner's", "end/by-deny", living(func(f *refresh.Family, p *past, now int64) bool {
		return lives(f, p, now) && len(p.denied) == 0
	})},
	{"a denial is for all of the tag", "end/by-deny", kins(func(_ *brokenKin, r *reference) {
		r.kin.alive = func(f *refresh.Family, p *past, now int64) bool {
			_, denied := r.past(bob).denied[f.Handle]
			return lives(f, p, now) && !denied
		}
	})},
	{"what is revoked is cleared away when somebody looks", "end/stays-dead-when-all-is-forgotten", kins(func(_ *brokenKin, r *reference) { r.lazy = true })},
	{"end-all spares families", "end/with-sessions", func(now func() time.Time) refresh.Store { return &sparing{newReference(now)} }},
	{"end-others spares families", "end/with-sessions", func(now func() time.Time) refresh.Store { return &keeping{&sparing{newReference(now)}} }},
	{"without room families end and sessions stay", "end/with-sessions", ending(func(r *reference, f *refresh.Family, now, until time.Time) {
		delete(r.fams, f.Key())
		if r.deny(f.Owner, f.Handle, until) == nil {
			return
		}
		epoch := r.raise(f.Owner, now, until)
		for k, e := range r.entries {
			if e.Owner == f.Owner {
				r.put(k, e, epoch)
			}
		}
	})},
	{"end-one denies what is no session", "end/one-session-is-no-family", func(now func() time.Time) refresh.Store { return &confusing{newReference(now)} }},
	{"end-one ends the owner's families", "end/one-session-is-no-family", func(now func() time.Time) refresh.Store { return &raising{newReference(now)} }},

	{"too late is called gone", "families/context-cancelled", late(refresh.ErrGone)},
	{"too late is called full", "families/context-cancelled", late(refresh.ErrFull)},
	{"too late is called there", "families/context-cancelled", late(refresh.ErrExists)},
	{"too late is nothing", "families/context-cancelled", late(nil)},

	{"windows open again when the clock goes back", "clock-back/windows-stay-shut", ticks(func(_ *refresh.Family, now int64) int64 { return now })},
	{"the clock is that of the rotation", "clock-back/windows-stay-shut", ticks(func(f *refresh.Family, now int64) int64 { return max(now, f.Fixed) })},
	{"a use goes by the store's clock", "clock-back/rotates-by-the-familys-clock", kins(func(_ *brokenKin, r *reference) {
		answer := r.kin.table.answer
		r.kin.table.answer = func(q *question) {
			answer(q)
			q.f.Expires = min(r.now().UnixMicro()+q.f.Idle.Microseconds(), q.f.Ends)
		}
	})},
	{"stamps go by the store's clock", "clock-back/rotates-by-the-familys-clock", kins(func(_ *brokenKin, r *reference) {
		answer := r.kin.table.answer
		r.kin.table.answer = func(q *question) {
			answer(q)
			q.f.Stamp = max(uint64(r.now().UnixMicro()), uint64(q.f.Created)+1)
		}
	})},
	{"a late repeat is fixed by the store's clock", "clock-back/late-repeat-voids-all-before", kins(func(_ *brokenKin, r *reference) {
		r.kin.table.do[refresh.LateRepeated] = func(q *question) { q.f.Fixed = r.now().UnixMicro() }
	})},
	{"a late repeat voids what is before the store's clock", "clock-back/late-repeat-voids-all-before", kins(func(_ *brokenKin, r *reference) {
		r.kin.void = func(r *reference, f *refresh.Family, until time.Time) error {
			f.Floor = uint64(r.now().UnixMicro())
			return voids(r, f, until)
		}
	})},
	{"a recovery is fixed by the store's clock", "clock-back/recovers-by-the-familys-clock", kins(func(_ *brokenKin, r *reference) {
		recovers := r.kin.table.do[refresh.Recovered]
		r.kin.table.do[refresh.Recovered] = func(q *question) {
			recovers(q)
			q.f.Fixed, q.f.Confirmed = r.now().UnixMicro(), r.now().UnixMicro()
		}
	})},
	{"the clock is that of the last answer", "clock-back/sight", ticks(func(f *refresh.Family, now int64) int64 { return max(now, int64(f.Stamp)) })},
	{"a sighting is by the store's clock", "clock-back/sight", kins(func(_ *brokenKin, r *reference) {
		r.kin.sight = func(f *refresh.Family, a revocation.Answer, now int64) error {
			if a.Generation == f.Generation && f.Confirmed == 0 {
				f.Confirmed = now
			}
			return nil
		}
	})},
}
