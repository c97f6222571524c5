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

var _ session.Reporter = (*records)(nil)

// Load implements session.Store: HMGET of the records and of what is revoked, one
// for each tag, pipelined.
func (s *records) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if len(keys) == 1 {
		r := s.client.Do(ctx, s.client.B().Hmget().Key(s.key(keys[0].Tag)).Field(string(keys[0].Hash[:]), registryField).Build())
		return s.read(ctx, r, keys, out, nil)
	}
	var tags [][4]byte
	for _, k := range keys {
		if !slices.Contains(tags, k.Tag) {
			tags = append(tags, k.Tag)
		}
	}
	cmds := make(rueidis.Commands, len(tags))
	places := make([][]int, len(tags))
	for i, tag := range tags {
		var fields []string
		for j, k := range keys {
			if k.Tag == tag {
				fields = append(fields, string(k.Hash[:]))
				places[i] = append(places[i], j)
			}
		}
		cmds[i] = s.client.B().Hmget().Key(s.key(tag)).Field(append(fields, registryField)...).Build()
	}
	for i, r := range s.client.DoMulti(ctx, cmds...) {
		if err := s.read(ctx, r, keys, out, places[i]); err != nil {
			return err
		}
	}
	return nil
}

// read puts the answer to one HMGET into the given places of out; nil means all.
func (s *records) read(ctx context.Context, r rueidis.RedisResult, keys []session.StoreKey, out []session.Entry, places []int) error {
	m, err := r.ToArray()
	if err != nil {
		return err
	}
	n := len(keys)
	if places != nil {
		n = len(places)
	}
	if len(m) != n+1 {
		return errAnswer
	}
	registry, err := optional(&m[n])
	if err != nil {
		return err
	}
	now := s.now()
	for i := range n {
		place := i
		if places != nil {
			place = places[i]
		}
		out[place] = session.Entry{}
		if m[i].IsNil() {
			continue
		}
		v, err := m[i].ToString()
		if err != nil {
			return err
		}
		e, err := s.decode(keys[place], v)
		if err != nil {
			return err
		}
		live, err := judge(&e, registry, now)
		if err != nil {
			return err
		}
		if !live {
			s.reap(ctx, keys[place], now)
			continue
		}
		out[place] = e
	}
	return nil
}

// judge says whether e is live, and notes if the store lost its owner's epoch.
func judge(e *session.Entry, registry string, now int64) (bool, error) {
	if e.Expires.UnixMilli() <= now {
		return false, nil
	}
	if e.Owner == (revocation.Owner{}) {
		return true, nil
	}
	found, err := revoked(registry, e.Owner, revocation.Asked{Session: e.Handle}, now)
	e.Behind = found.Epoch < e.Epoch
	return found.Epoch <= e.Epoch && !found.Denied, err
}

// reap removes a dead record, so that exactly one node reports it. What it answers
// changes nothing about who was asked for: a reader need not know.
func (s *records) reap(ctx context.Context, k session.StoreKey, now int64) {
	_, _ = s.run(ctx, reapScript, k.Tag, []string{strconv.FormatInt(now, 10), string(k.Hash[:])})
}

func optional(m *rueidis.RedisMessage) (string, error) {
	if m.IsNil() {
		return "", nil
	}
	return m.ToString()
}

// Create implements session.Store.
func (s *records) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	value, err := s.encode(key, &e)
	if err != nil {
		return 0, nil, err
	}
	now := s.now()
	owner, most, refuse, until, untilTTL := "", "0", "0", "0", "0"
	if e.Owner != (revocation.Owner{}) {
		owner = string(e.Owner.Hash[:])
		if e.Listed {
			most = strconv.Itoa(max(a.Max, 1))
		}
		if a.Refuse {
			refuse = "1"
		}
		if !a.Until.IsZero() {
			until, untilTTL = end(a.Until, now)
		}
	}
	_, ttl := end(e.Expires, now)
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, createScript, key.Tag, []string{
		strconv.FormatInt(now, 10), string(key.Hash[:]), value, ttl, owner, most, refuse, until, untilTTL,
	})
	if err != nil {
		return 0, nil, err
	}
	switch got.said {
	case saidExists:
		return 0, nil, session.ErrExists
	case saidLimit:
		return 0, nil, session.ErrLimit
	}
	return got.epoch(), s.ended(key.Tag, got.entries), got.want(saidDone, nil)
}

// Swap implements session.Store.
func (s *records) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	value, err := s.encode(key, &next)
	if err != nil {
		return session.Entry{}, err
	}
	now := s.now()
	_, ttl := end(next.Expires, now)
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.runOr(ctx, swapScript, swapFullScript, key.Tag, []string{
		strconv.FormatInt(now, 10), string(key.Hash[:]), u64(version), value, ttl,
	})
	if err != nil {
		return session.Entry{}, err
	}
	return s.changed(key, got)
}

// Rename implements session.Store.
func (s *records) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	value, err := s.encode(to, &next)
	if err != nil {
		return session.Entry{}, err
	}
	last, leftValue := next.Expires, ""
	if left != nil {
		if leftValue, err = s.encode(old, left); err != nil {
			return session.Entry{}, err
		}
		if left.Expires.After(last) {
			last = left.Expires
		}
	}
	if old.Tag != to.Tag {
		return session.Entry{}, errTag
	}
	now := s.now()
	_, ttl := end(last, now)
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.runOr(ctx, renameScript, renameFullScript, old.Tag, []string{
		strconv.FormatInt(now, 10), string(old.Hash[:]), u64(version), value, ttl, string(to.Hash[:]), leftValue,
	})
	if err != nil {
		return session.Entry{}, err
	}
	return s.changed(old, got)
}

// changed reads the answer of swap and rename.
func (s *records) changed(key session.StoreKey, got answer) (session.Entry, error) {
	if got.isRecord {
		current, err := s.decode(key, got.record)
		if err != nil {
			return session.Entry{}, err
		}
		return current, session.ErrConflict
	}
	switch got.said {
	case saidGone:
		return session.Entry{}, session.ErrGone
	case saidExists:
		return session.Entry{}, session.ErrExists
	case saidGrows:
		return session.Entry{}, errGrows
	}
	return session.Entry{}, got.want(saidDone, nil)
}

// Take implements session.Store.
func (s *records) Take(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, takeScript, key.Tag, []string{strconv.FormatInt(s.now(), 10), string(key.Hash[:])})
	if err != nil {
		return session.Entry{}, err
	}
	if !got.isRecord {
		return session.Entry{}, got.want(saidGone, session.ErrGone)
	}
	return s.decode(key, got.record)
}

// now is this node's clock as the scripts read it.
func (s *records) now() int64 { return s.cfg.Now().UnixMilli() }

// end is a moment as the scripts read it, and how long it is until then. That is
// relative, so that a node whose clock is off does not shorten or lengthen what
// Redis keeps. At least 1, which Redis asks for.
func end(t time.Time, now int64) (at, ttl string) {
	ms := int64(clamp(t.UnixMilli(), maxMillis))
	return strconv.FormatInt(ms, 10), strconv.FormatInt(max(ms-now, 1), 10)
}
