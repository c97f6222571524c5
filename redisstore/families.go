package redisstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

var _ refresh.Store = (*records)(nil)

var errGeneration = errors.New("redisstore: no refresh token has such a generation")

// CreateFamily implements refresh.Store. A server whose memory is full refuses it, with
// an error of its own and not with refresh.ErrFull: when that was, nobody knows here.
func (s *records) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	value, err := s.encodeFamily(&f)
	if err != nil {
		return refresh.Family{}, nil, err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	key := f.Key()
	got, err := s.run(ctx, createFamilyScript, key.Tag, []string{s.clock(), familyPlace(key), value, strconv.Itoa(max(limit, 1))})
	if err != nil {
		return refresh.Family{}, nil, err
	}
	if got.said == saidExists {
		return refresh.Family{}, nil, refresh.ErrExists
	}
	if err := got.want(saidDone, nil); err != nil {
		return refresh.Family{}, nil, err
	}
	if f, err = s.decodeFamily(key, got.record); err != nil {
		return refresh.Family{}, nil, err
	}
	var ended []refresh.Family
	for m := got.entries; len(m) > 0; m = m[2:] {
		// What cannot be read has ended all the same.
		if f, err := s.family(key.Tag, m); err == nil {
			ended = append(ended, f)
		}
	}
	return f, ended, nil
}

// FindFamily implements refresh.Store.
func (s *records) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, findFamilyScript, key.Tag, []string{s.clock(), familyPlace(key)})
	if err != nil {
		return refresh.Family{}, err
	}
	if !got.isRecord {
		return refresh.Family{}, got.want(saidGone, refresh.ErrGone)
	}
	return s.decodeFamily(key, got.record)
}

// Sight implements revocation.Witness.
func (s *records) Sight(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, sightScript, owner.Tag, []string{
		s.clock(), familyPlace(refresh.Key{Tag: owner.Tag, Handle: family}), string(owner.Hash[:]),
		// What Lua's numbers do not hold exactly is larger than whatever is compared
		// with it.
		strconv.FormatUint(a.Generation, 10), strconv.FormatUint(a.Stamp, 10),
	})
	if err != nil {
		return err
	}
	switch got.said {
	case saidGone:
		return revocation.ErrEnded
	case saidVoid:
		return revocation.ErrVoid
	}
	return got.want(saidDone, nil)
}

// Rotate implements refresh.Store.
func (s *records) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	if p.Generation > maxMicros {
		return refresh.Outcome{}, errGeneration
	}
	wired := "0"
	if p.Rules.Wired {
		wired = "1"
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, rotateScript, key.Tag, []string{
		s.clock(), familyPlace(key), strconv.FormatUint(p.Generation, 10), string(p.Secret[:]), string(p.Signing[:]),
		string(p.Binding[:]), span(p.Rules.Grace), wired, span(p.Rules.Denied),
	})
	switch {
	case err != nil:
		return refresh.Outcome{}, err
	case got.record != "":
		// The decision stands, whatever is wrong with the record that it was about.
		f, err := s.decodeFamily(key, got.record)
		if err != nil {
			return refresh.Outcome{}, err
		}
		return refresh.Outcome{Verdict: refresh.Verdict(got.said), Family: f}, nil
	case got.said == saidFull:
		return refresh.Outcome{}, revocation.ErrFull
	}
	return refresh.Outcome{}, got.want(saidGone, refresh.ErrGone)
}

// EndFamily implements refresh.Store.
func (s *records) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, endFamilyScript, key.Tag, []string{s.clock(), familyPlace(key), span(rules.Denied)})
	if err != nil {
		return refresh.Family{}, err
	}
	if got.record == "" {
		return refresh.Family{}, got.want(saidGone, refresh.ErrGone)
	}
	return s.decodeFamily(key, got.record)
}

// Families implements refresh.Store.
func (s *records) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	got, err := s.run(ctx, familiesScript, owner.Tag, []string{s.clock(), string(owner.Tag[:]), string(owner.Hash[:])})
	if err != nil {
		return nil, err
	}
	var all []refresh.Family
	for m := got.entries; len(m) > 0; m = m[2:] {
		f, err := s.family(owner.Tag, m)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b refresh.Family) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), bytes.Compare(a.Handle[:], b.Handle[:]))
	})
	return all, got.want(saidDone, nil)
}

// family reads a field and its record at the begin of m.
func (s *records) family(tag [4]byte, m []rueidis.RedisMessage) (refresh.Family, error) {
	field, err := m[0].ToString()
	if err != nil {
		return refresh.Family{}, err
	}
	v, err := m[1].ToString()
	if err != nil {
		return refresh.Family{}, err
	}
	k := refresh.Key{Tag: tag}
	if len(field) != len(familyPrefix)+len(k.Handle) {
		return refresh.Family{}, errFamily
	}
	copy(k.Handle[:], field[len(familyPrefix):])
	return s.decodeFamily(k, v)
}

// clock is the time by which the scripts judge families, empty for the server's own.
func (s *records) clock() string {
	if !s.mocked {
		return ""
	}
	return strconv.FormatUint(clamp(s.cfg.Now().UnixMicro(), maxSpan), 10)
}

// span is a duration as the scripts read it, in microseconds.
func span(d time.Duration) string {
	return strconv.FormatUint(clamp(d.Microseconds(), maxSpan), 10)
}
