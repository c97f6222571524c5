package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

var shape = regexp.MustCompile(`^[A-Za-z0-9_-]{48}$`)

func TestIDShape(t *testing.T) {
	e := newEnv(t)
	for range 200 {
		require.Regexp(t, shape, e.login(ann()))
		require.Regexp(t, shape, e.visit())
	}
}

func tag(value string) string { return value[:5] } // 30 of the 32 bits

func TestTag(t *testing.T) {
	another := func(change ...func(*session.Config)) *env { return newEnv(t, change...) }
	noSecret := func(random io.Reader) *env { // which only a store in the process's own memory allows
		e := another()
		var err error
		e.m, err = session.New(e.mem, session.Config{Now: e.clock.now, Rand: random})
		require.NoError(t, err)
		return e
	}
	otherSecret := func(c *session.Config) { c.Secret = []byte(strings.Repeat("t", 40)) }
	e := another()
	want := tag(e.login(ann()))

	t.Run("one subject, one tag", func(t *testing.T) {
		require.Equal(t, want, tag(e.login(ann())))
		id := ann()
		id.Roles, id.Method = []string{"admin"}, "webauthn"
		require.Equal(t, want, tag(e.login(id)))
	})
	t.Run("same secret, another manager", func(t *testing.T) { require.Equal(t, want, tag(another().login(ann()))) })
	t.Run("another subject", func(t *testing.T) { require.NotEqual(t, want, tag(e.login(bob()))) })
	t.Run("another secret", func(t *testing.T) { require.NotEqual(t, want, tag(another(otherSecret).login(ann()))) })
	t.Run("no secret", func(t *testing.T) {
		a, b, c := noSecret(nil), noSecret(nil), noSecret(&switchable{})
		own := tag(a.login(ann()))
		require.Equal(t, own, tag(a.login(ann())))
		require.Equal(t, own, tag(b.login(ann())), "a process has one")
		require.NotEqual(t, want, own)
		require.NotEqual(t, own, tag(c.login(ann())), "a source of its own makes one of its own")
	})
	t.Run("anonymous is random", func(t *testing.T) {
		tags := make(map[string]bool)
		for range 20 {
			tags[tag(e.visit())] = true
		}
		require.Len(t, tags, 20)
	})
	t.Run("kept by renewal and step-up", func(t *testing.T) {
		s := e.begin(e.login(ann()))
		require.NoError(t, s.Renew(t.Context()))
		v := e.value(s)
		require.Equal(t, want, tag(v))
		s = e.begin(v)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, want, tag(e.value(s)))
	})
	t.Run("not the subject itself", func(t *testing.T) {
		raw, err := base64.RawURLEncoding.DecodeString(e.login(session.Identity{Subject: "abcd"}))
		require.NoError(t, err)
		require.NotContains(t, string(raw), "abcd")
	})
}

// S20: whatever the random source does short of its full output, no id comes of
// it, no record and no cookie, and the old session is untouched.
func TestRandomSourceFails(t *testing.T) {
	broken := errors.New("no entropy")
	for _, tc := range []struct {
		desc string
		rand func() io.Reader
		want error
	}{
		{"error at once", func() io.Reader { return iotest.ErrReader(broken) }, broken},
		{"empty", func() io.Reader { return bytes.NewReader(nil) }, io.EOF},
		{"one byte", func() io.Reader { return bytes.NewReader(make([]byte, 1)) }, io.ErrUnexpectedEOF},
		{"short of the secret", func() io.Reader { return bytes.NewReader(make([]byte, 31)) }, io.ErrUnexpectedEOF},
		{"error in the middle", func() io.Reader { return io.MultiReader(bytes.NewReader(make([]byte, 31)), iotest.ErrReader(broken)) }, broken},
	} {
		for _, from := range []string{"nothing", "visitor", "user", "same user"} {
			t.Run(tc.desc+", from "+from, func(t *testing.T) {
				var source switchable
				e := newEnv(t, func(c *session.Config) { c.Rand = &source })
				var values []string
				switch from {
				case "visitor":
					values = append(values, e.visit())
				case "user":
					values = append(values, e.login(bob()))
				case "same user":
					values = append(values, e.login(ann()))
				}
				before := e.mem.Stats()
				source.set(tc.rand())
				s := e.begin(values...)
				e.quiet()
				err := s.Login(t.Context(), ann())
				require.ErrorIs(t, err, tc.want)
				require.NotErrorIs(t, err, core.ErrUnknown)
				e.silent(s)
				calls := e.store.count()
				delete(calls, "load")
				require.Empty(t, calls)
				require.Equal(t, before, e.mem.Stats())
				require.Empty(t, e.audit.drain())
				source.set(nil)
				for _, v := range values {
					_, err := e.begin(v).Info()
					require.NoError(t, err, "the session that was there lives on")
				}
			})
		}
	}
	t.Run("first write of a visitor", func(t *testing.T) {
		var source switchable
		e := newEnv(t, func(c *session.Config) { c.Rand = &source })
		for n := range 4 + 32 + 16 {
			s := e.begin()
			require.NoError(t, cart.Set(s, "apple"))
			source.set(bytes.NewReader(make([]byte, n)))
			out := s.Finish()
			require.Error(t, out.Err, n)
			require.NotErrorIs(t, out.Err, core.ErrUnknown)
			require.Empty(t, out.SetCookie)
		}
		require.Zero(t, e.mem.Stats().Anonymous)
		require.Empty(t, e.store.count())
	})
	t.Run("handle of a login", func(t *testing.T) {
		for n := 32; n < 32+16; n++ {
			var source switchable
			e := newEnv(t, func(c *session.Config) { c.Rand = &source })
			visitor := e.visit()
			source.set(bytes.NewReader(make([]byte, n)))
			s := e.begin(visitor)
			require.Error(t, s.Login(t.Context(), ann()), n)
			e.silent(s)
			source.set(nil)
			e.has(e.begin(visitor), cart, "apple")
			require.Empty(t, e.stored("ann"))
		}
	})
	t.Run("renewal", func(t *testing.T) {
		var source switchable
		e := newEnv(t, func(c *session.Config) { c.Rand = &source })
		v := e.login(ann())
		source.set(iotest.ErrReader(broken))
		s := e.begin(v)
		require.ErrorIs(t, s.Renew(t.Context()), broken)
		e.silent(s)
		require.Equal(t, "ann", e.subject(e.begin(v)))
	})
	t.Run("flash", func(t *testing.T) {
		var source switchable
		e := newEnv(t, func(c *session.Config) { c.Rand = &source })
		source.set(iotest.ErrReader(broken))
		s := e.begin()
		require.ErrorIs(t, notice.Add(s, "saved"), broken)
		e.silent(s)
	})
}

// switchable is a random source that can be exchanged; nil counts up.
type switchable struct {
	mu   sync.Mutex
	r    io.Reader
	next byte
}

func (s *switchable) set(r io.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r = r
}

func (s *switchable) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r != nil {
		return s.r.Read(p)
	}
	for i := range p {
		s.next++
		p[i] = s.next
	}
	return len(p), nil
}

// S18: what a store is given, keys and values, contains no credential in any
// spelling; nor does what an auditor is given.
func TestStoreHoldsNoCredential(t *testing.T) {
	e := newEnv(t)
	values := []string{e.visit()}
	s := e.begin(values[0])
	require.NoError(t, s.Login(t.Context(), ann()))
	require.NoError(t, hits.Add(s, 1))
	values = append(values, e.value(s))
	s = e.begin(values[1])
	require.NoError(t, s.Renew(t.Context()))
	values = append(values, e.value(s))
	s = e.begin(values[2])
	require.NoError(t, s.Login(t.Context(), ann()))
	values = append(values, e.value(s))
	s = e.begin(values[3])
	require.NoError(t, s.RevokeOthers(t.Context()))
	values = append(values, e.value(s))
	s = e.begin(values[4])
	require.NoError(t, s.Login(t.Context(), bob()))
	values = append(values, e.value(s))
	list, err := e.m.Devices(t.Context(), "bob")
	require.NoError(t, err)
	require.Len(t, list, 1)
	e.logout(values[5])

	dump := []string{list[0].Handle, list[0].Name}
	for k := range e.store.keys {
		dump = append(dump, string(k.Hash[:]), string(k.Tag[:]), k.String())
	}
	dump = append(dump, e.store.values...)
	for _, ev := range e.audit.events {
		dump = append(dump, ev.Session, ev.Subject, ev.UserAgent, ev.Method)
	}
	require.Greater(t, len(dump), 30)
	for _, v := range values {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		require.NoError(t, err)
		for _, d := range dump {
			for _, leak := range []string{
				v, v[8:], string(raw), string(raw[4:]), string(raw[4:20]), string(raw[20:]),
				hex.EncodeToString(raw[4:]), base64.StdEncoding.EncodeToString(raw[4:]), base64.RawURLEncoding.EncodeToString(raw[4:]),
			} {
				require.NotContains(t, d, leak)
			}
		}
	}
}

// S1, S11, S12: what is not a value of ours is not looked up, and what is one but
// unknown is not adopted.
func TestForeignValues(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	flip := func(i int, c byte) string { return v[:i] + string(c) + v[i+1:] }
	for _, tc := range []struct {
		desc  string
		value string
		loads int
	}{
		{"empty", "", 0},
		{"one byte", "a", 0},
		{"truncated", v[:47], 0},
		{"extended", v + "A", 0},
		{"padded", v + "=", 0},
		{"quoted", `"` + v + `"`, 0},
		{"10 KB", strings.Repeat("A", 10<<10), 0},
		{"NUL", flip(3, 0), 0},
		{"CR", flip(47, '\r'), 0},
		{"LF", flip(0, '\n'), 0},
		{"dots", strings.Repeat("../", 16), 0},
		{"star", strings.Repeat("*", 48), 0},
		{"colon", flip(20, ':'), 0},
		{"braces", "{" + v[1:47] + "}", 0},
		{"standard alphabet", flip(20, '+'), 0},
		{"percent", strings.Repeat("%00", 16), 0},
		{"not UTF-8", flip(9, 0xff), 0},
		{"umlaut", strings.Repeat("ä", 24), 0},
		{"zeros", strings.Repeat("A", 48), 1},
		{"one bit of the secret", flip(47, otherThan(v[47])), 1},
		{"another tag", flip(0, otherThan(v[0])), 1},
		{"folded case", strings.ToLower(v), 1},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			require.NotEqual(t, v, tc.value)
			require.Equal(t, tc.loads > 0, shape.MatchString(tc.value))
			e.quiet()
			before := e.mem.Stats()
			s := e.begin(tc.value)
			_, err := s.Principal()
			require.ErrorIs(t, err, core.ErrAnonymous)
			require.NotErrorIs(t, err, core.ErrUnknown)
			out := s.Finish()
			require.NoError(t, out.Err)
			require.Empty(t, out.SetCookie)
			require.True(t, out.Asked)
			require.Equal(t, tc.loads, e.store.count()["load"])
			require.Equal(t, before, e.mem.Stats())
			if tc.loads == 0 {
				require.Empty(t, e.audit.drain())
			} else {
				require.Equal(t, []string{"session_use_after_expire unknown-id"}, e.audit.drain())
			}

			// A login or a write on top of it makes an id of our own.
			s = e.begin(tc.value)
			require.NoError(t, cart.Set(s, "apple"))
			require.NotEqual(t, tc.value, e.value(s))
			s = e.begin(tc.value)
			require.NoError(t, s.Login(t.Context(), ann()))
			require.NotEqual(t, tc.value, e.value(s))
			require.Empty(t, e.subject(e.begin(tc.value)))
		})
	}
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

// otherThan is a character of the alphabet, and not c.
func otherThan(c byte) byte {
	if c == 'A' {
		return 'B'
	}
	return 'A'
}

// S22: two applications on one store know nothing of each other.
func TestAppsAreSeparate(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	theirs, err := session.New(e.store, session.Config{App: "other", Now: e.clock.now, Secret: secret})
	require.NoError(t, err)
	var s session.Session
	theirs.Begin(&s, t.Context(), session.Request{Cookies: []string{name + "=" + v}})
	_, err = s.Principal()
	require.ErrorIs(t, err, core.ErrAnonymous)
	require.NoError(t, s.Login(t.Context(), bob()))
	out := s.Finish()
	c, err := http.ParseSetCookie(out.SetCookie[0])
	require.NoError(t, err)
	require.Equal(t, "ann", e.subject(e.begin(v)))
	require.Empty(t, e.subject(e.begin(c.Value)))
}

// A store that answers with somebody else's record is found out.
func TestMisplacedRecord(t *testing.T) {
	e := newEnv(t)
	a, b := e.login(ann()), e.login(bob())
	var keys []session.StoreKey
	for _, v := range []string{a, b} {
		clear(e.store.keys)
		e.live(v)
		for k := range e.store.keys {
			keys = append(keys, k)
		}
	}
	var out [2]session.Entry
	require.NoError(t, e.mem.Load(t.Context(), keys, out[:]))
	misplaced := out[0]
	misplaced.Value = out[1].Value
	_, err := e.mem.Swap(t.Context(), keys[0], out[0].Version, misplaced)
	require.NoError(t, err)
	s := e.begin(a)
	_, err = s.Principal()
	require.ErrorIs(t, err, core.ErrUnknown)
	require.NotErrorIs(t, err, core.ErrAnonymous)
	require.Equal(t, "bob", e.subject(e.begin(b)))
	require.Contains(t, e.audit.drain(), "store_failure error")
}
