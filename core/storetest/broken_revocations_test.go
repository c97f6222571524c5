package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// raises makes a store with a RaiseEpoch of its own.
func raises(f func(r *reference, p *past, now, until time.Time)) func(b *broken, r *reference) {
	return func(b *broken, r *reference) {
		b.raise = func(_ context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
			r.step("raise", func(now time.Time) {
				p := r.past(owner)
				f(r, p, now, until)
				epoch = p.epoch
			})
			return epoch, nil
		}
	}
}

// restores makes a store with a RestoreEpoch of its own.
func restores(f func(p *past, epoch uint64, until time.Time)) func(b *broken, r *reference) {
	return func(b *broken, r *reference) {
		b.restore = func(_ context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
			r.step("restore", func(time.Time) { f(r.past(owner), epoch, until) })
			return nil
		}
	}
}

// denies makes a store with a Deny of its own.
func denies(f func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error) func(b *broken, r *reference) {
	return func(b *broken, r *reference) {
		b.deny = func(_ context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (err error) {
			r.step("deny", func(time.Time) { err = f(r, owner, h, until) })
			return err
		}
	}
}

// cut makes a store that takes owners or handles for others.
func cut(onOwner func(*revocation.Owner), onHandle func(*revocation.Handle)) func(b *broken, r *reference) {
	return func(b *broken, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
			onOwner(&owner)
			return r.RaiseEpoch(ctx, owner, until)
		}
		b.deny = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
			onOwner(&owner)
			onHandle(&h)
			return r.Deny(ctx, owner, h, until)
		}
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			onOwner(&owner)
			onHandle(&a.Session)
			onHandle(&a.Token)
			return r.Revoked(ctx, owner, a)
		}
	}
}

// asks makes a store that is asked something else.
func asks(f func(a *revocation.Asked)) func(b *broken, r *reference) {
	return func(b *broken, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			f(&a)
			return r.Revoked(ctx, owner, a)
		}
	}
}

var brokenRevocations = []brokenStore{
	{"an absent epoch is an error", "epoch/absent-is-zero", breaks(func(b *broken, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			if found.Epoch == 0 {
				err = errors.New("no such key")
			}
			return found, err
		}
	})},
	{"an absent epoch is the present one", "epoch/absent-is-zero", breaks(func(b *broken, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, err := r.Revoked(ctx, owner, a)
			found.Epoch = max(found.Epoch, 1)
			return found, err
		}
	})},
	{"the epoch is the clock", "epoch/rises", breaks(raises(func(_ *reference, p *past, now, until time.Time) {
		p.epoch, p.until = uint64(now.UnixMicro()), latest(p.until, until)
	}))},
	{"the epoch is a flag", "epoch/rises", breaks(raises(func(_ *reference, p *past, _, until time.Time) {
		p.epoch, p.until = 1, latest(p.until, until)
	}))},
	{"raising returns the epoch before", "epoch/rises", breaks(func(b *broken, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
			epoch, err := r.RaiseEpoch(ctx, owner, until)
			return epoch - 1, err
		}
	})},
	{"epochs lose digits", "epoch/rises", breaks(raises(func(_ *reference, p *past, now, until time.Time) {
		p.epoch, p.until = max(p.epoch+1, uint64(now.UnixMicro())), latest(p.until, until)
		p.epoch -= p.epoch % 100 // as a number of 14 digits does
	}))},
	{"owners are their hash", "epoch/all-bytes-of-the-owner-count", breaks(cut(
		func(o *revocation.Owner) { o.Tag = [4]byte{} }, func(*revocation.Handle) {},
	))},
	{"owners are cut", "epoch/all-bytes-of-the-owner-count", breaks(cut(
		func(o *revocation.Owner) { o.Hash[11] = 0 }, func(*revocation.Handle) {},
	))},
	{"the epoch is read, then written", "epoch/parallel-raises", breaks(func(b *broken, r *reference) {
		b.raise = func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
			found, _ := r.Revoked(ctx, owner, revocation.Asked{})
			pause()
			epoch := max(found.Epoch+1, uint64(r.now().UnixMicro()))
			return epoch, r.RestoreEpoch(ctx, owner, epoch, until)
		}
	})},
	{"epochs are kept for ever", "epoch/kept-until", breaks(raises(func(r *reference, p *past, now, until time.Time) {
		p.epoch, p.until = max(p.epoch+1, uint64(now.UnixMicro())), until.AddDate(100, 0, 0)
	}))},
	{"epochs are kept for a minute", "epoch/kept-until", breaks(raises(func(_ *reference, p *past, now, _ time.Time) {
		p.epoch, p.until = max(p.epoch+1, uint64(now.UnixMicro())), now.Add(time.Minute)
	}))},
	{"the first until stands", "epoch/later-until-lengthens", breaks(raises(func(_ *reference, p *past, now, until time.Time) {
		p.epoch = max(p.epoch+1, uint64(now.UnixMicro()))
		if p.until.IsZero() {
			p.until = until
		}
	}))},
	{"the last until stands", "epoch/earlier-until-changes-nothing", breaks(raises(func(_ *reference, p *past, now, until time.Time) {
		p.epoch, p.until = max(p.epoch+1, uint64(now.UnixMicro())), until
	}))},
	{"restoring shortens", "epoch/earlier-until-changes-nothing", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		p.epoch, p.until = max(p.epoch, epoch), until
	}))},
	{"restoring does nothing", "epoch/restore-raises", breaks(restores(func(*past, uint64, time.Time) {}))},
	{"restoring is for what is there", "epoch/restore-raises", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		if p.epoch != 0 {
			p.epoch, p.until = max(p.epoch, epoch), latest(p.until, until)
		}
	}))},
	{"restoring overwrites", "epoch/restore-never-lowers", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		p.epoch, p.until = epoch, latest(p.until, until)
	}))},
	{"restoring raises always", "epoch/restore-never-lowers", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		p.epoch, p.until = max(p.epoch+1, epoch), latest(p.until, until)
	}))},
	{"restoring a lower epoch does nothing", "epoch/restore-lengthens", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		if epoch > p.epoch {
			p.epoch, p.until = epoch, latest(p.until, until)
		}
	}))},
	{"the clock lowers a restored epoch", "epoch/rises-above-a-restored-one", breaks(raises(func(_ *reference, p *past, now, until time.Time) {
		clock := uint64(now.UnixMicro())
		if p.epoch > clock+uint64(time.Minute/time.Microsecond) {
			p.epoch = 0
		}
		p.epoch, p.until = max(p.epoch+1, clock), latest(p.until, until)
	}))},

	{"what RaiseEpoch revokes is cleared away later", "epoch/ends-for-good", breaks(func(_ *broken, r *reference) { r.lazy = true })},
	{"what RestoreEpoch revokes is cleared away later", "epoch/ends-for-good", breaks(func(b *broken, r *reference) {
		b.restore = func(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
			r.lazy = true
			defer func() { r.lazy = false }()
			return r.RestoreEpoch(ctx, owner, epoch, until)
		}
	})},
	{"what Deny revokes is cleared away later", "deny/ends-for-good", breaks(func(_ *broken, r *reference) { r.lazy = true })},

	{"one denial is one for all of the owner's", "deny/only-this-one", breaks(cut(
		func(*revocation.Owner) {}, func(h *revocation.Handle) { *h = revocation.Handle{} },
	))},
	{"denials know no owner", "deny/only-this-one", breaks(cut(
		func(o *revocation.Owner) { o.Hash = [12]byte{} }, func(*revocation.Handle) {},
	))},
	{"the last denial stands", "deny/only-this-one", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		clear(r.past(owner).denied)
		return r.deny(owner, h, until)
	}))},
	{"tokens are not looked at", "deny/session-or-token", breaks(asks(func(a *revocation.Asked) { a.Token = revocation.Handle{} }))},
	{"a token is asked about instead of the session", "deny/session-or-token", breaks(asks(func(a *revocation.Asked) {
		if a.Token != (revocation.Handle{}) {
			a.Session = a.Token
		}
	}))},
	{"both must be denied", "deny/session-or-token", breaks(func(b *broken, r *reference) {
		b.revoked = func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
			found, _ := r.Revoked(ctx, owner, revocation.Asked{Session: a.Session})
			token, err := r.Revoked(ctx, owner, revocation.Asked{Session: a.Token})
			found.Denied = found.Denied && token.Denied
			return found, err
		}
	})},
	{"the zero handle is one as any other", "deny/zero-handle-is-nobodys", breaks(cut(
		func(*revocation.Owner) {}, func(h *revocation.Handle) {
			if *h == (revocation.Handle{}) {
				h[0] = 1
			}
		},
	))},
	{"handles are cut", "deny/all-bytes-count", breaks(cut(
		func(*revocation.Owner) {}, func(h *revocation.Handle) { h[15] = 0 },
	))},
	{"denying raises the epoch", "deny/leaves-the-epoch", breaks(func(b *broken, r *reference) {
		b.deny = func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
			_, _ = r.RaiseEpoch(ctx, owner, until)
			return r.Deny(ctx, owner, h, until)
		}
	})},
	{"denials are kept for ever", "deny/kept-until", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		return r.deny(owner, h, until.AddDate(100, 0, 0))
	}))},
	{"all denials of an owner end together", "deny/kept-until", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		for other := range r.past(owner).denied {
			_ = r.deny(owner, other, until)
		}
		return r.deny(owner, h, until)
	}))},
	{"the first until of a denial stands", "deny/later-until-lengthens", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		if _, ok := r.past(owner).denied[h]; ok {
			return nil
		}
		return r.deny(owner, h, until)
	}))},
	{"the last until of a denial stands", "deny/earlier-until-changes-nothing", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		delete(r.past(owner).denied, h)
		return r.deny(owner, h, until)
	}))},
	{"denials have no end", "deny/full", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		r.past(owner).denied[h] = until
		return nil
	}))},
	{"a denial makes room for another", "deny/full", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		err := r.deny(owner, h, until)
		if err != nil {
			for other := range r.past(owner).denied {
				delete(r.past(owner).denied, other)
				break
			}
		}
		return err
	}))},
	{"a full list refuses those on it", "deny/full", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		if len(r.past(owner).denied) == revocation.MaxDenied {
			return revocation.ErrFull
		}
		return r.deny(owner, h, until)
	}))},
	{"the list is full too early", "deny/full", breaks(denies(func(r *reference, owner revocation.Owner, h revocation.Handle, until time.Time) error {
		if len(r.past(owner).denied) == revocation.MaxDenied-1 {
			return revocation.ErrFull
		}
		return r.deny(owner, h, until)
	}))},
	{"expired denials count", "deny/expired-make-room", breaks(func(b *broken, r *reference) { r.blind = "deny" })},
	{"a raised epoch forgets no denial", "deny/forgotten-when-the-epoch-rises", breaks(keepsDenials)},
	{"restoring forgets denials", "deny/kept-when-an-epoch-is-restored", breaks(restores(func(p *past, epoch uint64, until time.Time) {
		p.epoch, p.until = max(p.epoch, epoch), latest(p.until, until)
		clear(p.denied)
	}))},
	{"the list is read, then written", "deny/parallel", breaks(func(b *broken, r *reference) {
		b.deny = func(_ context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
			read := make(map[revocation.Handle]time.Time)
			r.step("deny", func(time.Time) {
				for h, until := range r.past(owner).denied {
					read[h] = until
				}
			})
			pause()
			read[h] = until
			r.step("deny", func(time.Time) { r.past(owner).denied = read })
			return nil
		}
	})},
}
