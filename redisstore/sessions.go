package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/session"
)

// sessions implements session.Store.
type sessions struct{ *Store }

// Load implements session.Store: GET, pipelined if there are several.
func (s *sessions) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	now := s.cfg.Now()
	if len(keys) == 1 {
		var err error
		out[0], err = s.read(s.client.Do(ctx, s.client.B().Get().Key(s.key(keys[0])).Build()), now)
		return err
	}
	cmds := make(rueidis.Commands, len(keys))
	for i, k := range keys {
		cmds[i] = s.client.B().Get().Key(s.key(k)).Build()
	}
	for i, r := range s.client.DoMulti(ctx, cmds...) {
		var err error
		if out[i], err = s.read(r, now); err != nil {
			return err
		}
	}
	return nil
}

// read turns the answer to a GET into an entry, the zero Entry if there is none.
func (s *sessions) read(r rueidis.RedisResult, now time.Time) (session.Entry, error) {
	v, err := r.ToString()
	if rueidis.IsRedisNil(err) {
		return session.Entry{}, nil
	}
	if err != nil {
		return session.Entry{}, err
	}
	e, err := decode(v)
	if err != nil || !now.Before(e.Expires) {
		return session.Entry{}, err
	}
	return e, nil
}

// Create implements session.Store.
func (s *sessions) Create(ctx context.Context, key session.StoreKey, e session.Entry) error {
	value, ttl, err := s.written(e)
	if err != nil {
		return err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	created, err := createScript.Exec(ctx, s.client, []string{s.key(key)}, []string{s.now(), value, ttl}).AsInt64()
	if err == nil && created == 0 {
		err = session.ErrExists
	}
	return err
}

// Swap implements session.Store.
func (s *sessions) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	value, ttl, err := s.written(next)
	if err != nil {
		return session.Entry{}, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	keys, args := []string{s.key(key)}, []string{s.now(), u64(version), value, ttl}
	r := swapScript.Exec(ctx, s.client, keys, args)
	if !full(r.Error()) {
		return decided(r, nil)
	}
	return decided(shrinkScript.Exec(ctx, s.client, keys, args), errFull)
}

// errFull says that the server has no memory for the entry. What is there stays.
var errFull = errors.New("redisstore: the server is out of memory and the entry would grow")

func full(err error) bool {
	redisErr, ok := rueidis.IsRedisErr(err)
	return ok && len(redisErr.Error()) >= 3 && redisErr.Error()[:3] == "OOM"
}

// Rename implements session.Store.
func (s *sessions) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	value, ttl, err := s.written(next)
	if err != nil {
		return session.Entry{}, err
	}
	var leftValue, leftTTL string
	if left != nil {
		if leftValue, leftTTL, err = s.written(*left); err != nil {
			return session.Entry{}, err
		}
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return decided(renameScript.Exec(ctx, s.client, []string{s.key(old), s.key(to)},
		[]string{s.now(), u64(version), value, ttl, leftValue, leftTTL}), session.ErrExists)
}

// Take implements session.Store: GETDEL, which works when memory is full.
func (s *sessions) Take(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	e, err := s.read(s.client.Do(ctx, s.client.B().Getdel().Key(s.key(key)).Build()), s.cfg.Now())
	if err == nil && e.Version == 0 {
		err = session.ErrGone
	}
	return e, err
}

// written is an entry as the scripts take it: its value and the milliseconds that
// are left of its life. An entry without any is not worth sending.
func (s *sessions) written(e session.Entry) (value, ttl string, err error) {
	if value, err = s.encode(e); err != nil {
		return "", "", err
	}
	// Relative, so that a node whose clock is off does not shorten or lengthen
	// what Redis keeps. At least 1, which Redis asks for.
	left := max(e.Expires.Sub(s.cfg.Now()).Milliseconds(), 1)
	return value, strconv.FormatInt(left, 10), nil
}

func (s *sessions) now() string { return millis(s.cfg.Now()) }

// decided reads the answer of swap and rename. zero is what 0 means.
func decided(r rueidis.RedisResult, zero error) (session.Entry, error) {
	m, err := r.ToMessage()
	if rueidis.IsRedisNil(err) {
		return session.Entry{}, session.ErrGone
	}
	if err != nil {
		return session.Entry{}, err
	}
	if m.IsInt64() {
		if n, _ := m.AsInt64(); n == 0 {
			return session.Entry{}, zero
		}
		return session.Entry{}, nil
	}
	v, err := m.ToString()
	if err != nil {
		return session.Entry{}, fmt.Errorf("redisstore: unexpected answer: %w", err)
	}
	current, err := decode(v)
	if err != nil {
		return session.Entry{}, err
	}
	return current, session.ErrConflict
}
