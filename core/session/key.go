package session

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-go/sallyport/core"
)

// maxNameLen leaves room in the data's one-byte length for the suffix of flash
// values.
const maxNameLen = 200

// flashSep stands between the name of a flash key and the id of one value. Names
// cannot contain it.
const flashSep = "\x00"

func checkName(name string) error {
	if name == "" || len(name) > maxNameLen || strings.Contains(name, flashSep) {
		return fmt.Errorf("session: %w", &core.ConfigError{Field: "name", Value: name,
			Reason: "must be 1 to 200 bytes without NUL"})
	}
	return nil
}

// Key reads and writes one value of a session's data. T is stored as JSON, so it
// may gain fields from one release to the next. Make one per name with NewKey,
// as a package variable:
//
//	var Cart = session.NewKey[CartT]("cart")
//
// A Key is immutable and safe for concurrent use.
type Key[T any] struct {
	name string
	err  error
}

// NewKey names a value: 1 to 200 bytes without NUL. A bad name is reported by
// every use of the key.
func NewKey[T any](name string) Key[T] { return Key[T]{name: name, err: checkName(name)} }

// Get returns the value, with this request's own writes applied. ok is false if
// there is none. Errors: of decoding T; core.ErrUnknown if the store did not
// answer; ErrFinished.
func (k Key[T]) Get(s *Session) (value T, ok bool, err error) {
	raw, ok, err := s.get(k.name, k.err)
	if !ok || err != nil {
		return value, false, err
	}
	if value, err = decodeValue[T](raw); err != nil {
		return value, false, fmt.Errorf("session: value %q: %w", k.name, err)
	}
	return value, true, nil
}

// Set stores the value when the answer is committed; an anonymous visitor gets a
// session by it. Errors: of encoding T; ErrTooLarge; ErrSuperseded;
// core.ErrUnknown; ErrFinished.
func (k Key[T]) Set(s *Session, value T) error {
	raw, err := encodeValue(k.name, value)
	if err != nil {
		return err
	}
	return s.put(op{kind: opSet, name: k.name, value: raw}, k.err)
}

// Delete removes the value when the answer is committed. Errors as for Set.
func (k Key[T]) Delete(s *Session) error {
	return s.put(op{kind: opDelete, name: k.name}, k.err)
}

// CompareAndSet stores next at once, and only if the value is still old, as this
// request reads it. ErrConflict if it is not, also if there is none. For a value
// that must not be decided about twice. Other errors as for Set.
func (k Key[T]) CompareAndSet(s *Session, old, next T) error {
	oldRaw, err := encodeValue(k.name, old)
	if err != nil {
		return err
	}
	raw, err := encodeValue(k.name, next)
	if err != nil {
		return err
	}
	// Compared is what T makes of the stored value, so that a value written by
	// an earlier release of T can still be exchanged.
	same := func(stored string, ok bool) bool {
		if !ok {
			return false
		}
		v, err := decodeValue[T](stored)
		if err != nil {
			return false
		}
		again, err := encodeValue(k.name, v)
		return err == nil && again == oldRaw
	}
	return s.exchange(op{kind: opSet, name: k.name, value: raw}, k.err, same)
}

// SetIfAbsent stores the value at once, and only if there is none. ErrConflict if
// there is. Other errors as for Set.
func (k Key[T]) SetIfAbsent(s *Session, value T) error {
	raw, err := encodeValue(k.name, value)
	if err != nil {
		return err
	}
	return s.exchange(op{kind: opSet, name: k.name, value: raw}, k.err, func(_ string, ok bool) bool { return !ok })
}

// Counter counts in a session's data. Parallel additions all count. Make one
// with NewCounter.
type Counter struct {
	name string
	err  error
}

// NewCounter names a counter, with the rules of NewKey.
func NewCounter(name string) Counter { return Counter{name: name, err: checkName(name)} }

// Get returns the count, zero if nothing was counted. ErrNotNumber if another
// kind of value has the name; other errors as for Key.Get.
func (c Counter) Get(s *Session) (int64, error) {
	raw, ok, err := s.get(c.name, c.err)
	if !ok || err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", ErrNotNumber, c.name)
	}
	return n, nil
}

// Add counts delta when the answer is committed: exactly, unless the answer is
// 503. ErrNotNumber, ErrOverflow; other errors as for Key.Set.
func (c Counter) Add(s *Session, delta int64) error {
	return s.put(op{kind: opIncrement, name: c.name, delta: delta}, c.err)
}

// Flash holds values that are shown once, on the next page. Values that parallel
// requests add all survive. Make one with NewFlash.
type Flash[T any] struct {
	name string
	err  error
}

// NewFlash names a flash key, with the rules of NewKey.
func NewFlash[T any](name string) Flash[T] { return Flash[T]{name: name, err: checkName(name)} }

// Add appends a value. Errors as for Key.Set.
func (f Flash[T]) Add(s *Session, value T) error {
	raw, err := encodeValue(f.name, value)
	if err != nil {
		return err
	}
	if s == nil {
		return core.ErrNoMiddleware
	}
	id, err := s.m.newFlashID()
	if err != nil {
		return err
	}
	// Each value has a name of its own, so adding is a plain set that merges
	// with whatever other requests add or take.
	return s.put(op{kind: opSet, name: f.name + flashSep + id, value: raw}, f.err)
}

// Take returns the values in the order in which they were added and removes
// exactly those when the answer is committed: if the answer fails they are shown
// again rather than lost. Errors as for Key.Get and Key.Set.
func (f Flash[T]) Take(s *Session) ([]T, error) {
	taken, err := s.takePrefix(f.name+flashSep, f.err)
	if err != nil {
		return nil, err
	}
	var values []T
	for _, raw := range taken {
		v, err := decodeValue[T](raw)
		if err != nil {
			return nil, fmt.Errorf("session: value %q: %w", f.name, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// newFlashID is unique and sorts by time: two values that one request adds differ
// in time or, on a coarse clock, in the random tail and then in no stated order.
func (m *Manager) newFlashID() (string, error) {
	var id [8 + 6]byte
	binary.BigEndian.PutUint64(id[:], uint64(m.now().UnixNano()))
	if _, err := io.ReadFull(m.rand, id[8:]); err != nil {
		return "", fmt.Errorf("session: no random name: %w", err)
	}
	return string(id[:]), nil
}

func encodeValue[T any](name string, v T) (string, error) {
	if s, ok := any(v).(string); ok && plain(s) {
		return `"` + s + `"`, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("session: value %q: %w", name, err)
	}
	return string(raw), nil
}

// decodeValue is json.Unmarshal with a short way for plain strings, which most
// values are and which then need no copy.
func decodeValue[T any](raw string) (v T, err error) {
	if p, ok := any(&v).(*string); ok && len(raw) >= 2 && raw[0] == '"' && plain(raw[1:len(raw)-1]) {
		*p = raw[1 : len(raw)-1]
		return v, nil
	}
	return unmarshal[T](raw)
}

// unmarshal is apart so that only its result escapes to the heap.
func unmarshal[T any](raw string) (v T, err error) {
	err = json.Unmarshal([]byte(raw), &v)
	return v, err
}

// plain reports whether a string stands for itself inside the quotes of a JSON
// string. When it is read, its closing quote is known to be the last byte because
// encodeValue wrote it.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '\\' || c == '"' || c >= 0x80 {
			return false
		}
	}
	return true
}

func (s *Session) get(name string, nameErr error) (string, bool, error) {
	if s == nil {
		return "", false, core.ErrNoMiddleware
	}
	if nameErr != nil {
		return "", false, nameErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return "", false, err
	}
	return s.pending.get(s.rec.data, name)
}

// put collects an operation. It fails early where the commit would fail anyway.
func (s *Session) put(o op, nameErr error) error {
	if s == nil {
		return core.ErrNoMiddleware
	}
	if nameErr != nil {
		return nameErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	return s.collect(o)
}

// writable loads the session and remembers a refusal, so that an answer which
// claims to have stored something cannot go out although it was not.
func (s *Session) writable() error {
	if err := s.load(); err != nil {
		s.poisoned = !s.finished
		return err
	}
	if s.state == frozen && s.authority.kind == kindSteppedUp {
		s.poisoned = true
		return ErrSuperseded
	}
	return nil
}

func (s *Session) collect(o op) error {
	next, err := s.pending.add(o)
	if err != nil {
		return err
	}
	size, err := next.size(s.rec.data)
	if err != nil {
		return err
	}
	if size > max(s.m.limit, len(s.rec.data)) {
		return fmt.Errorf("%w: %d bytes with %q, the limit is %d", ErrTooLarge, size, o.name, s.m.limit)
	}
	s.pending = next
	return nil
}

func (s *Session) takePrefix(prefix string, nameErr error) ([]string, error) {
	if s == nil {
		return nil, core.ErrNoMiddleware
	}
	if nameErr != nil {
		return nil, nameErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	type pair struct{ name, value string }
	var found []pair
	err := s.pending.names(s.rec.data, func(name, value string) error {
		if strings.HasPrefix(name, prefix) {
			found = append(found, pair{name, value})
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if err := s.writable(); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	values := make([]string, len(found))
	for i, p := range found {
		values[i] = p.value
		if err := s.collect(op{kind: opDelete, name: p.name}); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// exchange stores o at once if same holds for the value that is there. What else
// the request has pending is stored with it.
func (s *Session) exchange(o op, nameErr error, same func(string, bool) bool) error {
	if s == nil {
		return core.ErrNoMiddleware
	}
	if nameErr != nil {
		return nameErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	present, ok, err := s.pending.get(s.rec.data, o.name)
	if err != nil {
		return err
	}
	if !same(present, ok) {
		return ErrConflict
	}
	if s.state == anonymous {
		if err := s.collect(o); err != nil {
			return err
		}
		return s.commit(s.ctx)
	}
	waiting := s.pending
	if err := s.collect(o); err != nil {
		return err
	}
	// Another request may come first: the condition must hold for the record
	// that the value is put into.
	before := s.rec.data
	lost := false
	done, err := s.change(s.ctx, forwards, func() error {
		if s.rec.data == before {
			return nil
		}
		v, ok, err := waiting.get(s.rec.data, o.name)
		if err == nil && !same(v, ok) {
			lost, err = true, ErrConflict
		}
		return err
	}, s.swap)
	switch {
	case lost:
		s.pending = waiting
		return err
	case err != nil:
		return err
	case !done:
		s.forget()
		return core.ErrAnonymous
	}
	return nil
}
