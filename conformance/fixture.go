package conformance

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// Clock is a clock that only a case moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Recorder is an audit.Sink that a case reads.
type Recorder struct {
	mu     sync.Mutex
	events []audit.Event
}

// Record implements audit.Sink.
func (r *Recorder) Record(_ context.Context, e audit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Take returns the events since the last Take.
func (r *Recorder) Take() []audit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// Operation names a method of session.Store.
type Operation string

// The operations.
const (
	OpLoad   Operation = "load"
	OpCreate Operation = "create"
	OpSwap   Operation = "swap"
	OpRename Operation = "rename"
	OpTake   Operation = "take"

	OpList      Operation = "list"
	OpEndOne    Operation = "end one"
	OpEndOthers Operation = "end others"
	OpEndAll    Operation = "end all"

	OpRevoked Operation = "revoked"
	OpRaise   Operation = "raise epoch"
	OpRestore Operation = "restore epoch"
	OpDeny    Operation = "deny"

	OpCreateFamily Operation = "create family"
	OpFindFamily   Operation = "find family"
	OpRotate       Operation = "rotate"
	OpEndFamily    Operation = "end family"
	OpFamilies     Operation = "families"
	OpSight        Operation = "sight"
)

// Fault is what a Store does instead of its work.
type Fault int

const (
	// FaultNone is no fault.
	FaultNone Fault = iota
	// FaultError fails before anything is done.
	FaultError
	// FaultAfter does the work and then fails, like a reply that was lost.
	FaultAfter
	// FaultHang returns only when its context ends.
	FaultHang
	// FaultGarbage answers a load or a take with bytes that are no record.
	FaultGarbage
	// FaultMixUp answers a load or a take with the record that was created last.
	FaultMixUp
	// FaultForget answers a rotation or a sighting, and the store keeps nothing of it: a
	// server that knew, until a replica took over which had not heard of it.
	FaultForget
)

// Store is a session.Store and refresh.Store that counts, remembers and fails on demand.
type Store struct {
	session.Store
	now func() time.Time

	mu     sync.Mutex
	calls  map[Operation]int
	keys   map[session.StoreKey]bool
	values []string
	fault  func(Operation) Fault
	last   session.Entry
	given  time.Duration
	around [2]func()
	lost   map[refresh.Key]refresh.Family // what FaultForget knew
}

// errStore is what a failing store says.
var errStore = errors.New("conformance: injected store failure")

func newStore(inner session.Store, now func() time.Time) *Store {
	return &Store{Store: inner, now: now, calls: map[Operation]int{}, keys: map[session.StoreKey]bool{}, lost: map[refresh.Key]refresh.Family{}}
}

// Fail sets what happens to each operation from now on; nil ends all faults.
func (s *Store) Fail(fault func(Operation) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Always is a fault for the operations, or for all if none is named.
func Always(f Fault, on ...Operation) func(Operation) Fault {
	return func(op Operation) Fault {
		if len(on) == 0 || slices.Contains(on, op) {
			return f
		}
		return FaultNone
	}
}

// Calls returns how often each operation was called since the last Calls.
func (s *Store) Calls() map[Operation]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = map[Operation]int{}
	return calls
}

// Keys returns how many different keys were ever used, in any operation.
func (s *Store) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// Written returns every value that was ever handed to the store.
func (s *Store) Written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.values)
}

// Given returns the longest time that any call so far was given to return in; an
// age if one was given no end.
func (s *Store) Given() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

// before counts the call and says what is to happen to it. What the store inside
// gets has no end: that is for the faults, and a server on a busy machine that comes
// late is none.
func (s *Store) before(ctx context.Context, op Operation, written []session.Entry, keys ...session.StoreKey) (context.Context, Fault, error) {
	given := time.Duration(math.MaxInt64)
	if end, ok := ctx.Deadline(); ok {
		given = time.Until(end)
	}
	s.mu.Lock()
	s.given = max(s.given, given)
	s.calls[op]++
	for _, k := range keys {
		s.keys[k] = true
	}
	for _, e := range written {
		s.values = append(s.values, e.Value)
	}
	fault := FaultNone
	if s.fault != nil {
		fault = s.fault(op)
	}
	s.mu.Unlock()
	switch fault {
	case FaultError:
		return ctx, fault, errStore
	case FaultHang:
		<-ctx.Done()
		return ctx, fault, ctx.Err()
	default:
		return context.WithoutCancel(ctx), fault, nil
	}
}

func after(fault Fault, err error) error {
	if fault == FaultAfter && err == nil {
		return errStore
	}
	return err
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	ctx, fault, err := s.before(ctx, OpLoad, nil, keys...)
	if err != nil {
		return err
	}
	if err := s.Store.Load(ctx, keys, out); err != nil {
		return err
	}
	for i := range out {
		s.mangle(fault, &out[i])
	}
	return after(fault, nil)
}

func (s *Store) mangle(fault Fault, e *session.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case fault == FaultGarbage:
		*e = session.Entry{Version: 1, Expires: e.Expires, Value: "\x00garbage\xff"}
	case fault == FaultMixUp && s.last.Version != 0:
		*e = s.last
	}
}

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	ctx, fault, err := s.before(ctx, OpCreate, []session.Entry{e}, key)
	if err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	s.last = e
	s.mu.Unlock()
	epoch, evicted, err := s.Store.Create(ctx, key, e, a)
	return epoch, evicted, after(fault, err)
}

// Swap implements session.Store.
func (s *Store) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	ctx, fault, err := s.before(ctx, OpSwap, []session.Entry{next}, key)
	if err != nil {
		return session.Entry{}, err
	}
	current, err := s.Store.Swap(ctx, key, version, next)
	return current, after(fault, err)
}

// Rename implements session.Store.
func (s *Store) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	written := []session.Entry{next}
	if left != nil {
		written = append(written, *left)
	}
	ctx, fault, err := s.before(ctx, OpRename, written, old, to)
	if err != nil {
		return session.Entry{}, err
	}
	current, err := s.Store.Rename(ctx, old, version, to, next, left)
	return current, after(fault, err)
}

// Take implements session.Store.
func (s *Store) Take(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	ctx, fault, err := s.before(ctx, OpTake, nil, key)
	if err != nil {
		return session.Entry{}, err
	}
	e, err := s.Store.Take(ctx, key)
	if err == nil {
		s.mangle(fault, &e)
	}
	return e, after(fault, err)
}

// List implements session.Store.
func (s *Store) List(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
	ctx, fault, err := s.before(ctx, OpList, nil)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.List(ctx, owner)
	for i := range list {
		s.mangle(fault, &list[i].Entry)
	}
	return list, after(fault, err)
}

// EndOne implements session.Store.
func (s *Store) EndOne(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (session.Keyed, error) {
	ctx, fault, err := s.before(ctx, OpEndOne, nil)
	if err != nil {
		return session.Keyed{}, err
	}
	ended, err := s.Store.EndOne(ctx, owner, handle, until)
	return ended, after(fault, err)
}

// EndOthers implements session.Store.
func (s *Store) EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
	ctx, fault, err := s.before(ctx, OpEndOthers, nil)
	if err != nil {
		return 0, nil, err
	}
	epoch, ended, err := s.Store.EndOthers(ctx, owner, keep, until)
	return epoch, ended, after(fault, err)
}

// EndAll implements session.Store.
func (s *Store) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	ctx, fault, err := s.before(ctx, OpEndAll, nil)
	if err != nil {
		return nil, err
	}
	ended, err := s.Store.EndAll(ctx, owner, until)
	return ended, after(fault, err)
}

// Revoked implements revocation.Store.
func (s *Store) Revoked(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	ctx, fault, err := s.before(ctx, OpRevoked, nil)
	if err != nil {
		return revocation.Found{}, err
	}
	found, err := s.Store.Revoked(ctx, owner, a)
	return found, after(fault, err)
}

// RaiseEpoch implements revocation.Store.
func (s *Store) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	ctx, fault, err := s.before(ctx, OpRaise, nil)
	if err != nil {
		return 0, err
	}
	epoch, err := s.Store.RaiseEpoch(ctx, owner, until)
	return epoch, after(fault, err)
}

// RestoreEpoch implements revocation.Store.
func (s *Store) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	ctx, fault, err := s.before(ctx, OpRestore, nil)
	if err != nil {
		return err
	}
	return after(fault, s.Store.RestoreEpoch(ctx, owner, epoch, until))
}

// Deny implements revocation.Store.
func (s *Store) Deny(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
	ctx, fault, err := s.before(ctx, OpDeny, nil)
	if err != nil {
		return err
	}
	return after(fault, s.Store.Deny(ctx, owner, handle, until))
}

// Report passes the registration on to the store inside.
func (s *Store) Report(f func(session.StoreKey, session.Entry, session.Ending)) {
	if r, ok := s.Store.(session.Reporter); ok {
		r.Report(f)
	}
}

// defaultStore is the store that cases run on unless Options say otherwise.
func defaultStore(now func() time.Time) (session.Store, error) {
	return memstore.New(memstore.Config{Now: now})
}
