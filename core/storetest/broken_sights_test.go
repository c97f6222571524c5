package storetest

import (
	"context"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// sees makes a store in which a sighting that is not void does something else. latest
// says whether it is one of the latest generation, now is the family's clock.
func sees(f func(f *refresh.Family, latest bool, now int64)) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) {
		r.kin.sight = func(family *refresh.Family, a revocation.Answer, now int64) error {
			latest := a.Generation == family.Generation
			if latest && a.Stamp < family.Floor {
				return revocation.ErrVoid
			}
			f(family, latest, clockOf(family, now))
			return nil
		}
	})
}

// sights makes a store with a Sight of its own.
func sights(sight func(f *refresh.Family, a revocation.Answer, now int64) error) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.kin.sight = sight })
}

// remembers makes a store with voids of its own.
func remembers(void func(r *reference, f *refresh.Family, until time.Time) error) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.kin.void = void })
}

// misasks makes a store that is asked about something else.
func misasks(f func(a *revocation.Asked)) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			f(&a)
			return r.Revoked(ctx, owner, a)
		}
	})
}

// confirm is what a sighting of the latest does.
func confirm(f *refresh.Family, latest bool, now int64) {
	if latest && f.Confirmed == 0 {
		f.Confirmed = now
	}
}

var brokenSights = []brokenFamilyStore{
	{"sightings are not told", "sight/confirms-the-latest", sees(func(*refresh.Family, bool, int64) {})},
	{"a login is not to be confirmed", "sight/confirms-the-latest", sees(func(f *refresh.Family, latest bool, now int64) {
		confirm(f, latest && f.Fixed != 0, now)
	})},
	{"only the last answer confirms", "sight/confirms-the-latest", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		confirm(f, a.Generation == f.Generation && a.Stamp == f.Stamp, clockOf(f, now))
		return nil
	})},
	{"a sighting is an answer", "sight/confirms-the-latest", sees(func(f *refresh.Family, latest bool, now int64) {
		confirm(f, latest, now)
		f.Stamp++
	})},
	{"a stamp that is not known is void", "sight/confirms-the-latest", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if a.Stamp > f.Stamp {
			return revocation.ErrVoid
		}
		return sighted(f, a, now)
	})},
	{"the confirmation is when the answer was made", "sight/confirms-the-latest", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		return sighted(f, a, int64(a.Stamp))
	})},
	{"the last sighting counts", "sight/first-counts", sees(func(f *refresh.Family, latest bool, now int64) {
		if latest {
			f.Confirmed = now
		}
	})},
	{"an older answer confirms", "sight/other-generations-change-nothing", sees(func(f *refresh.Family, _ bool, now int64) { confirm(f, true, now) })},
	{"an older answer is void", "sight/other-generations-change-nothing", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if a.Generation < f.Generation {
			return revocation.ErrVoid
		}
		return sighted(f, a, now)
	})},
	{"a newer answer has ended", "sight/other-generations-change-nothing", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if a.Generation > f.Generation {
			return revocation.ErrEnded
		}
		return sighted(f, a, now)
	})},
	{"a newer answer recovers", "sight/other-generations-change-nothing", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		f.Generation = max(f.Generation, a.Generation)
		return sighted(f, a, now)
	})},
	{"sighted generations are 32 bits", "sight/other-generations-change-nothing", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		a.Generation &= 1<<32 - 1
		return sighted(f, a, now)
	})},
	{"a void answer is seen like any other", "sight/void", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		a.Stamp = f.Stamp
		return sighted(f, a, now)
	})},
	{"a void answer confirms all the same", "sight/void", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		err := sighted(f, a, now)
		confirm(f, a.Generation == f.Generation, clockOf(f, now))
		return err
	})},
	{"the answer that voided is void", "sight/void", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if a.Generation == f.Generation && a.Stamp <= f.Floor {
			return revocation.ErrVoid
		}
		return sighted(f, a, now)
	})},
	{"what is confirmed is not void", "sight/void", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if f.Confirmed != 0 {
			return nil
		}
		return sighted(f, a, now)
	})},
	{"every generation is void below the floor", "sight/void", sights(func(f *refresh.Family, a revocation.Answer, now int64) error {
		if a.Stamp < f.Floor {
			return revocation.ErrVoid
		}
		return sighted(f, a, now)
	})},
	{"no family is as good as seen", "sight/ended", kins(func(b *brokenKin, r *reference) {
		b.sight = func(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
			if err := r.Sight(ctx, owner, family, a); err == revocation.ErrVoid {
				return err
			}
			return nil
		}
	})},
	{"a dead family is seen", "sight/ended", heedless("sight")},
	{"owners that share a tag see each other's", "sight/of-the-owners", kins(func(b *brokenKin, r *reference) {
		b.sight = func(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
			r.step("sight", func(time.Time) { owner = r.fams[refresh.Key{Tag: owner.Tag, Handle: family}].Owner })
			return r.Sight(ctx, owner, family, a)
		}
	})},
	{"the owner's last byte is not looked at", "sight/of-the-owners", kins(func(b *brokenKin, r *reference) {
		b.sight = func(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
			r.step("sight", func(time.Time) {
				owner.Hash[11] = r.fams[refresh.Key{Tag: owner.Tag, Handle: family}].Owner.Hash[11]
			})
			return r.Sight(ctx, owner, family, a)
		}
	})},
	{"a sighting is read, then written", "sight/beside-late-repeat", kins(func(b *brokenKin, r *reference) {
		b.sight = func(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
			f, err := r.FindFamily(ctx, refresh.Key{Tag: owner.Tag, Handle: family})
			if err != nil {
				return err
			}
			err = r.kin.sight(&f, a, r.now().UnixMicro())
			pause()
			if err == nil {
				r.step("sight", func(time.Time) {
					now := r.fams[f.Key()]
					now.Confirmed = f.Confirmed
					r.fams[f.Key()] = now
				})
			}
			return err
		}
	})},
	{"a late repeat is read, then written", "sight/beside-late-repeat", insteps(func(r *reference, f refresh.Family) {
		if f.Floor == f.Stamp {
			_ = voids(r, &f, r.now().Add(hold))
		}
		overwritten(r, f)
	})},

	{"what is void is the family's to know", "void/floor", remembers(func(*reference, *refresh.Family, time.Time) error { return nil })},
	{"the floor is that of the answer before", "void/floor", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		before := *f
		before.Floor--
		return voids(r, &before, until)
	})},
	{"every generation is void", "void/floor", misasks(func(a *revocation.Asked) { a.Generation = 2 })},
	{"void generations are 16 bits", "void/floor", misasks(func(a *revocation.Asked) { a.Generation &= 1<<16 - 1 })},
	{"void generations are 32 bits", "void/floor", misasks(func(a *revocation.Asked) { a.Generation &= 1<<32 - 1 })},
	{"a token may be void", "void/floor", kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			token, _ := r.Revoked(ctx, owner, revocation.Asked{Session: a.Token, Generation: a.Generation})
			found.Floor = max(found.Floor, token.Floor)
			return found, err
		}
	})},
	{"a void family is denied", "void/floor", kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			found.Denied = found.Denied || found.Floor > 0
			return found, err
		}
	})},
	{"owners that share a tag share what is void", "void/floor", kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			hers, _ := r.Revoked(ctx, ann, a)
			found.Floor = max(found.Floor, hers.Floor)
			return found, err
		}
	})},
	{"void families are cut", "void/floor", misasks(func(a *revocation.Asked) {
		if a.Session[15] >= 0x80 {
			a.Session[15] ^= 0x80
		}
	})},
	{"a repeat forgets what is void", "void/floor", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if out.Verdict == refresh.Repeated {
				r.step("rotate", func(time.Time) { clear(r.past(out.Family.Owner).voids) })
			}
			return out, err
		}
	})},
	{"the first floor stands", "void/rises", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		if v, ok := r.past(f.Owner).voids[generation{f.Handle, f.Generation}]; ok {
			first := *f
			first.Floor = v.floor
			return voids(r, &first, until)
		}
		return voids(r, f, until)
	})},
	{"the first until of a void stands", "void/rises", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		if v, ok := r.past(f.Owner).voids[generation{f.Handle, f.Generation}]; ok {
			until = v.until
		}
		return voids(r, f, until)
	})},
	{"a family has one void", "void/of-several-generations", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		for g := range r.past(f.Owner).voids {
			if g.family == f.Handle && g.number != f.Generation {
				delete(r.past(f.Owner).voids, g)
			}
		}
		return voids(r, f, until)
	})},
	{"a rotation forgets what is void", "void/of-several-generations", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if out.Verdict == refresh.Rotated {
				r.step("rotate", func(time.Time) { clear(r.past(out.Family.Owner).voids) })
			}
			return out, err
		}
	})},
	{"an owner has one void", "void/of-several-families", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		clear(r.past(f.Owner).voids)
		return voids(r, f, until)
	})},
	{"a denial overwrites what is void", "void/of-several-families", kins(func(b *brokenKin, r *reference) {
		b.deny = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
			r.step("deny", func(time.Time) { clear(r.past(owner).voids) })
			return r.Deny(ctx, owner, h, until)
		}
	})},
	{"voids are kept for a quarter of an hour", "void/kept-for-denied", remembers(func(r *reference, f *refresh.Family, _ time.Time) error {
		return voids(r, f, r.now().Add(hold))
	})},
	{"voids are kept for ever", "void/kept-for-denied", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		return voids(r, f, until.AddDate(100, 0, 0))
	})},
	{"what is void is asked of the family", "void/kept-for-denied", kins(func(b *brokenKin, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			if _, gone := r.FindFamily(ctx, refresh.Key{Tag: owner.Tag, Handle: a.Session}); gone != nil {
				found.Floor = 0
			}
			return found, err
		}
	})},
	{"the last until of a void stands", "void/earlier-until-changes-nothing", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		delete(r.past(f.Owner).voids, generation{f.Handle, f.Generation})
		return voids(r, f, until)
	})},
	{"a late repeat without room voids nothing", "void/full", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		_ = voids(r, f, until)
		return nil
	})},
	{"voids have no end", "void/full", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		r.past(f.Owner).voids[generation{f.Handle, f.Generation}] = void{f.Floor, until}
		return nil
	})},
	{"a void makes room for itself", "void/full", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		for h := range r.past(f.Owner).denied {
			if r.past(f.Owner).full() {
				delete(r.past(f.Owner).denied, h)
			}
		}
		return voids(r, f, until)
	})},
	{"a late repeat without room raises the epoch", "void/full", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		err := voids(r, f, until)
		if err != nil {
			r.raise(f.Owner, r.now(), until)
		}
		return err
	})},
	{"a late repeat without room changes the family", "void/full", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		err := voids(r, f, until)
		if err != nil {
			r.fams[f.Key()] = *f
		}
		return err
	})},
	{"every answer needs room", "void/full", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (out refresh.Outcome, err error) {
			f, _ := r.FindFamily(ctx, key)
			r.step("rotate", func(time.Time) {
				if r.past(f.Owner).full() {
					err = revocation.ErrFull
				}
			})
			if err != nil {
				return out, err
			}
			return r.Rotate(ctx, key, p)
		}
	})},
	{"the same void needs room again", "void/again-needs-no-room", remembers(func(r *reference, f *refresh.Family, until time.Time) error {
		if r.past(f.Owner).full() {
			return revocation.ErrFull
		}
		return voids(r, f, until)
	})},
	{"expired denials take room from voids", "void/expired-make-room", heedless("rotate")},
	{"expired voids take room from denials", "void/expired-make-room", kins(func(b *brokenKin, r *reference) {
		taken := 0
		r.kin.void = func(r *reference, f *refresh.Family, until time.Time) error {
			taken++
			return voids(r, f, until)
		}
		b.deny = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (err error) {
			r.step("deny", func(time.Time) {
				p := r.past(owner)
				if _, ok := p.denied[h]; !ok && len(p.denied)+taken >= revocation.MaxDenied {
					err = revocation.ErrFull
				} else {
					err = r.deny(owner, h, until)
				}
			})
			return err
		}
	})},
	{"voids have room of their own", "void/counts-as-a-denial", kins(func(b *brokenKin, r *reference) {
		b.deny = func(_ context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (err error) {
			r.step("deny", func(time.Time) {
				p := r.past(owner)
				if _, ok := p.denied[h]; !ok && len(p.denied) == revocation.MaxDenied {
					err = revocation.ErrFull
					return
				}
				p.denied[h] = latest(p.denied[h], until)
			})
			return err
		}
	})},
	{"a denial makes room by forgetting what is void", "void/counts-as-a-denial", kins(func(b *brokenKin, r *reference) {
		b.deny = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
			err := r.Deny(ctx, owner, h, until)
			if err != nil {
				r.step("deny", func(time.Time) { clear(r.past(owner).voids) })
			}
			return err
		}
	})},
	{"a raised epoch keeps what is void", "void/forgotten-when-the-epoch-rises", kins(func(b *brokenKin, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
			r.step("raise", func(now time.Time) {
				p := r.past(owner)
				kept := p.voids
				p.voids = make(map[generation]void)
				epoch = r.raise(owner, now, until)
				p.voids = kept
			})
			return epoch, nil
		}
	})},
	{"a raised epoch forgets what is void of the tag", "void/forgotten-when-the-epoch-rises", kins(func(b *brokenKin, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
			r.step("raise", func(time.Time) { clear(r.past(bob).voids) })
			return r.RaiseEpoch(ctx, owner, until)
		}
	})},
	{"a restored epoch forgets what is void", "void/kept-when-an-epoch-is-restored", kins(func(b *brokenKin, r *reference) {
		b.restore = func(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
			r.step("restore", func(time.Time) { clear(r.past(owner).voids) })
			return r.RestoreEpoch(ctx, owner, epoch, until)
		}
	})},
}
