package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// What a request costs beside the Session itself, which an adapter allocates
// once with the rest of its state: nothing until somebody asks, then one place for
// what the store said.
func TestAllocs(t *testing.T) {
	m, err := session.New(memstore.Default(), session.Config{Secret: secret})
	require.NoError(t, err)
	ctx := t.Context()
	login := &session.Session{}
	m.Begin(login, ctx, session.Request{})
	require.NoError(t, login.Login(ctx, session.Identity{Subject: "ann"}))
	require.NoError(t, cart.Set(login, "apple"))
	require.NoError(t, hits.Add(login, 1))
	lines := []string{login.Finish().SetCookie[0]}
	lines[0] = lines[0][:len(name)+1+48]
	none := []string{"theme=dark; lang=en"}

	for _, tc := range []struct {
		desc    string
		cookies []string
		do      func(s *session.Session)
		want    float64
	}{
		{"nobody asks", lines, func(*session.Session) {}, 0},
		{"visitor", none, func(s *session.Session) { _, _ = s.Principal() }, 1},
		{"guard", lines, func(s *session.Session) { _ = s.Authorize() }, 1},
		{"principal", lines, func(s *session.Session) { _, _ = s.Principal() }, 3}, // its handle and its copies
		{"string", lines, func(s *session.Session) { _, _, _ = cart.Get(s) }, 1},
		{"absent string", lines, func(s *session.Session) { _, _, _ = other.Get(s) }, 1},
		{"counter", lines, func(s *session.Session) { _, _ = hits.Get(s) }, 1},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var s *session.Session
			got := testing.AllocsPerRun(100, func() {
				s = new(session.Session)
				m.Begin(s, ctx, session.Request{Cookies: tc.cookies})
				tc.do(s)
				s.Finish()
			})
			require.Equal(t, tc.want, got-1, "beside the Session")
		})
	}
}

func BenchmarkReadOneKey(b *testing.B) {
	m, err := session.New(memstore.Default(), session.Config{Secret: secret})
	require.NoError(b, err)
	s := &session.Session{}
	m.Begin(s, b.Context(), session.Request{})
	require.NoError(b, s.Login(b.Context(), session.Identity{Subject: "ann"}))
	require.NoError(b, cart.Set(s, "apple"))
	lines := []string{s.Finish().SetCookie[0][:len(name)+1+48]}
	b.ReportAllocs()
	for b.Loop() {
		s := &session.Session{}
		m.Begin(s, b.Context(), session.Request{Cookies: lines})
		if v, ok, err := cart.Get(s); v != "apple" || !ok || err != nil {
			b.Fatal(v, ok, err)
		}
		s.Finish()
	}
}
