package conformance

import (
	"context"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

var _ refresh.Store = (*Store)(nil)

// families is the store inside as one of refresh families.
func (s *Store) families() refresh.Store { return s.Store.(refresh.Store) }

// CreateFamily implements refresh.Store.
func (s *Store) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	ctx, fault, err := s.before(ctx, OpCreateFamily, nil)
	if err != nil {
		return refresh.Family{}, nil, err
	}
	s.mu.Lock()
	s.values = append(s.values, f.Value)
	s.mu.Unlock()
	created, ended, err := s.families().CreateFamily(ctx, f, limit)
	return created, ended, after(fault, err)
}

// FindFamily implements refresh.Store.
func (s *Store) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	ctx, fault, err := s.before(ctx, OpFindFamily, nil)
	if err != nil {
		return refresh.Family{}, err
	}
	f, err := s.families().FindFamily(ctx, key)
	if fault == FaultGarbage {
		f.Value = "garbage"
	}
	return f, after(fault, err)
}

// Rotate implements refresh.Store.
func (s *Store) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	ctx, fault, err := s.before(ctx, OpRotate, nil)
	if err != nil {
		return refresh.Outcome{}, err
	}
	if fault == FaultForget {
		f, err := s.families().FindFamily(ctx, key)
		if err != nil {
			return refresh.Outcome{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if known, ok := s.lost[key]; ok {
			f = known
		}
		verdict := f.Present(p, s.now().UnixMicro())
		s.lost[key] = f
		return refresh.Outcome{Verdict: verdict, Family: f}, nil
	}
	s.mu.Lock()
	delete(s.lost, key)
	around := s.around
	s.around = [2]func(){}
	s.mu.Unlock()
	if around[0] != nil {
		around[0]()
	}
	out, err := s.families().Rotate(ctx, key, p)
	if around[1] != nil {
		around[1]()
	}
	if fault == FaultGarbage {
		out.Family.Value = "garbage"
	}
	return out, after(fault, err)
}

// Around runs before in front of the next rotation, and then behind it: the store has
// decided, and nobody has been told. Either may be nil.
func (s *Store) Around(before, then func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.around = [2]func(){before, then}
}

// EndFamily implements refresh.Store.
func (s *Store) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	ctx, fault, err := s.before(ctx, OpEndFamily, nil)
	if err != nil {
		return refresh.Family{}, err
	}
	f, err := s.families().EndFamily(ctx, key, rules)
	return f, after(fault, err)
}

// Families implements refresh.Store.
func (s *Store) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	ctx, fault, err := s.before(ctx, OpFamilies, nil)
	if err != nil {
		return nil, err
	}
	all, err := s.families().Families(ctx, owner)
	return all, after(fault, err)
}

// Sight implements revocation.Witness.
func (s *Store) Sight(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	ctx, fault, err := s.before(ctx, OpSight, nil)
	if err != nil || fault == FaultForget {
		return err
	}
	return after(fault, s.families().Sight(ctx, owner, family, a))
}

// count counts a call that a mutant answers in the store's place.
func (s *Store) count(op Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
}
