package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// kin is what a broken store changes of how families are kept.
type kin struct {
	table table
	alive func(f *refresh.Family, p *past, now int64) bool
	begin func(f *refresh.Family, now int64)
	sight func(f *refresh.Family, a revocation.Answer, now int64) error
	// who says which of all, those that expire first at first, make room for one more.
	who func(all []refresh.Family, limit int) []refresh.Family
	// void remembers one, ends ends a family that was presented wrongly or is to end.
	void func(r *reference, f *refresh.Family, until time.Time) error
	ends func(r *reference, f *refresh.Family, now, until time.Time)
}

func newKin() kin {
	return kin{table: newTable(), alive: lives, begin: begins, sight: sighted, who: firstToExpire, void: voids, ends: ends}
}

func lives(f *refresh.Family, p *past, now int64) bool {
	_, denied := p.denied[f.Handle]
	return now < f.Expires && f.Epoch >= p.epoch && !denied
}

func begins(f *refresh.Family, now int64) {
	f.Created, f.Ends = now, now+f.Lifetime.Microseconds()
	f.Expires = min(now+f.Idle.Microseconds(), f.Ends)
	f.State = refresh.State{Generation: 1, Secret: f.Secret, Stamp: uint64(now)}
}

func sighted(f *refresh.Family, a revocation.Answer, now int64) error {
	if a.Generation == f.Generation {
		if a.Stamp < f.Floor {
			return revocation.ErrVoid
		}
		if f.Confirmed == 0 {
			f.Confirmed = clockOf(f, now)
		}
	}
	return nil
}

func firstToExpire(all []refresh.Family, limit int) []refresh.Family {
	return all[:max(0, len(all)+1-limit)]
}

func voids(r *reference, f *refresh.Family, until time.Time) error {
	p, g := r.past(f.Owner), generation{f.Handle, f.Generation}
	old, ok := p.voids[g]
	if !ok && p.full() {
		return revocation.ErrFull
	}
	p.voids[g] = void{f.Floor, latest(old.until, until)}
	return nil
}

func ends(r *reference, f *refresh.Family, now, until time.Time) {
	delete(r.fams, f.Key())
	if r.deny(f.Owner, f.Handle, until) != nil {
		r.raise(f.Owner, now, until)
	}
}

// clockOf is the store's clock as far as f has seen it.
func clockOf(f *refresh.Family, now int64) int64 {
	return max(now, f.Fixed, f.Confirmed, int64(f.Stamp))
}

func (r *reference) clearFamilies(now time.Time) {
	maps.DeleteFunc(r.fams, func(_ refresh.Key, f refresh.Family) bool {
		return !r.kin.alive(&f, r.past(f.Owner), now.UnixMicro())
	})
}

// families returns those of the owner by order.
func (r *reference) families(owner revocation.Owner, order func(refresh.Family) int64) (all []refresh.Family) {
	for _, f := range r.fams {
		if f.Owner == owner {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b refresh.Family) int { return cmp.Compare(order(a), order(b)) })
	return all
}

func expires(f refresh.Family) int64 { return f.Expires }
func created(f refresh.Family) int64 { return f.Created }

func (r *reference) CreateFamily(_ context.Context, f refresh.Family, limit int) (_ refresh.Family, ended []refresh.Family, err error) {
	r.step("create-family", func(now time.Time) {
		if _, ok := r.fams[f.Key()]; ok {
			err = refresh.ErrExists
			return
		}
		ended = r.kin.who(r.families(f.Owner, expires), limit)
		for _, e := range ended {
			delete(r.fams, e.Key())
		}
		r.kin.begin(&f, now.UnixMicro())
		p := r.past(f.Owner)
		if f.Epoch = p.epoch; f.Epoch > 0 {
			p.until = latest(p.until, time.UnixMicro(f.Ends))
		}
		r.fams[f.Key()] = f
	})
	return f, ended, err
}

func (r *reference) FindFamily(_ context.Context, key refresh.Key) (f refresh.Family, err error) {
	r.step("find-family", func(time.Time) {
		var ok bool
		if f, ok = r.fams[key]; !ok {
			err = refresh.ErrGone
		}
	})
	return f, err
}

func (r *reference) Rotate(_ context.Context, key refresh.Key, p *refresh.Presented) (out refresh.Outcome, err error) {
	r.step("rotate", func(now time.Time) {
		f, ok := r.fams[key]
		if !ok {
			err = refresh.ErrGone
			return
		}
		until := now.Add(p.Rules.Denied)
		verdict := r.kin.table.present(&f, p, now.UnixMicro())
		switch {
		case !verdict.Answered():
			r.kin.ends(r, &f, now, until)
		case verdict == refresh.LateRepeated:
			if err = r.kin.void(r, &f, until); err != nil {
				return
			}
			fallthrough
		default:
			r.fams[key] = f
		}
		out = refresh.Outcome{Verdict: verdict, Family: f}
	})
	return out, err
}

func (r *reference) EndFamily(_ context.Context, key refresh.Key, rules refresh.Rules) (f refresh.Family, err error) {
	r.step("end-family", func(now time.Time) {
		var ok bool
		if f, ok = r.fams[key]; !ok {
			err = refresh.ErrGone
			return
		}
		r.kin.ends(r, &f, now, now.Add(rules.Denied))
	})
	return f, err
}

func (r *reference) Families(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
	r.step("families", func(time.Time) { all = r.families(owner, created) })
	return all, nil
}

func (r *reference) Sight(_ context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) (err error) {
	key := refresh.Key{Tag: owner.Tag, Handle: family}
	r.step("sight", func(now time.Time) {
		f, ok := r.fams[key]
		if !ok || f.Owner != owner {
			err = revocation.ErrEnded
			return
		}
		err = r.kin.sight(&f, a, now.UnixMicro())
		r.fams[key] = f
	})
	return err
}
