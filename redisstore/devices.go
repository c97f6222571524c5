package redisstore

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// List implements session.Store.
func (s *records) List(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, listScript, owner.Tag, []string{strconv.FormatInt(s.now(), 10), string(owner.Hash[:])})
	if err != nil {
		return nil, err
	}
	var all []session.Keyed
	for m := got.entries; len(m) > 0; m = m[2:] {
		k, err := s.entry(owner.Tag, m)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	oldestFirst(all)
	return all, got.want(saidDone, nil)
}

// EndOne implements session.Store.
func (s *records) EndOne(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
	got, err := s.revoke(ctx, endOneScript, owner, until, string(handle[:]))
	if err != nil {
		return session.Keyed{}, err
	}
	switch got.said {
	case saidGone:
		return session.Keyed{}, session.ErrGone
	case saidFull:
		return session.Keyed{}, revocation.ErrFull
	}
	if err := got.want(saidDone, nil); err != nil || len(got.entries) < 2 {
		return session.Keyed{}, err
	}
	k, err := s.entry(owner.Tag, got.entries)
	if err != nil {
		// It has ended, which is what was asked for.
		k.Entry = session.Entry{Owner: owner, Handle: handle, Listed: true}
	}
	return k, nil
}

// EndOthers implements session.Store.
func (s *records) EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
	got, err := s.revoke(ctx, endManyScript, owner, until, string(keep[:]))
	if err != nil {
		return 0, nil, err
	}
	if got.said == saidGone {
		return 0, nil, session.ErrGone
	}
	return got.epoch(), s.ended(owner.Tag, got.entries), got.want(saidDone, nil)
}

// EndAll implements session.Store.
func (s *records) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	got, err := s.revoke(ctx, endManyScript, owner, until, "")
	if err != nil {
		return nil, err
	}
	return s.ended(owner.Tag, got.entries), got.want(saidDone, nil)
}

// ended reads what a script removed, oldest first. What cannot be read has ended
// all the same: an end must not fail over it.
func (s *records) ended(tag [4]byte, m []rueidis.RedisMessage) []session.Keyed {
	var all []session.Keyed
	for ; len(m) > 0; m = m[2:] {
		if k, err := s.entry(tag, m); err == nil {
			all = append(all, k)
		}
	}
	oldestFirst(all)
	return all
}

func oldestFirst(all []session.Keyed) {
	slices.SortStableFunc(all, func(a, b session.Keyed) int { return a.Entry.Created.Compare(b.Entry.Created) })
}
