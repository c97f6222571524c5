package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// Revoked implements revocation.Store.
func (s *records) Revoked(ctx context.Context, owner revocation.Owner, a revocation.Asked) (f revocation.Found, err error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	r, err := s.client.Do(ctx, s.client.B().Hget().Key(s.key(owner.Tag)).Field(registryField).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	return revoked(r, owner, a, s.now())
}

// RaiseEpoch implements revocation.Store.
func (s *records) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	got, err := s.revoke(ctx, raiseScript, owner, until)
	if err != nil {
		return 0, err
	}
	if len(got.record) != 8 {
		return 0, errAnswer
	}
	return got.epoch(), got.want(saidDone, nil)
}

// RestoreEpoch implements revocation.Store.
func (s *records) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	got, err := s.revoke(ctx, restoreScript, owner, until, u64(epoch))
	if err != nil {
		return err
	}
	return got.want(saidDone, nil)
}

// Deny implements revocation.Store.
func (s *records) Deny(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
	got, err := s.revoke(ctx, denyScript, owner, until, string(handle[:]))
	if err != nil {
		return err
	}
	if got.said == saidFull {
		return revocation.ErrFull
	}
	return got.want(saidDone, nil)
}

// revoke runs a script that remembers something until a time.
func (s *records) revoke(ctx context.Context, script *rueidis.Lua, owner revocation.Owner, until time.Time, what ...string) (answer, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	now := s.now()
	at, ttl := end(until, now)
	args := append([]string{strconv.FormatInt(now, 10), string(owner.Hash[:])}, what...)
	return s.run(ctx, script, owner.Tag, append(args, at, ttl))
}
