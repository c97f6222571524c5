package adapter_test

import (
	"bufio"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/adapter"
)

func pick(h adapter.RawHeader, names *[adapter.PickedMax]string, lend int) (p adapter.Picked) {
	h.Pick(&p, names, lend)
	return p
}

func TestRawHeader(t *testing.T) {
	for _, tt := range []struct {
		desc, raw string
		want      []string
	}{
		{"none", "Host: x\r\n\r\n", nil},
		{"nothing at all", "", nil},
		{"one", "Host: x\r\nCookie: a=1\r\n\r\n", []string{"a=1"}},
		{"names have no case", "cOOKIE:a=1\r\n\r\n", []string{"a=1"}},
		{"blanks around", "Cookie: \t a=1 \t\r\n\r\n", []string{"a=1"}},
		{"empty", "Cookie:\r\n\r\n", []string{""}},
		{"two, in order", "Cookie: b=2\r\nHost: x\r\nCookie: a=1\r\n\r\n", []string{"b=2", "a=1"}},
		{"bare line ends", "Cookie: a=1\nCookie: b=2\n\n", []string{"a=1", "b=2"}},
		{"folded", "Cookie: a=1;\r\n b=2\r\n\tc=3\r\nHost: x\r\n\r\n", []string{"a=1; b=2 c=3"}},
		{"a fold of another field", "Host: x\r\n Cookie: a=1\r\n\r\n", nil},
		{"longer and shorter names", "Cookies: a=1\r\nCooki: b=2\r\nCookie2: c\r\n\r\n", nil},
		{"a blank before the colon is another name", "Cookie : a=1\r\n\r\n", nil},
		{"cut off", "Cookie: a=1", []string{"a=1"}},
		{"0x20 is no case of a letter", "Coo\x0bie: a=1\r\n\r\n", nil},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			h := adapter.RawHeader(tt.raw)
			require.Equal(t, tt.want, h.Lines("Cookie"))
			picked := pick(h, &[adapter.PickedMax]string{"User-Agent", "Cookie"}, 0)
			lines, ok := picked.Lines("Cookie")
			require.True(t, ok)
			require.Equal(t, tt.want, lines)
		})
	}
	picked := pick(adapter.RawHeader("A: 1\r\n\r\n"), &[adapter.PickedMax]string{"A"}, 0)
	_, ok := picked.Lines("B")
	require.False(t, ok, "what was not picked is not said to be absent")
	_, ok = picked.Lines("")
	require.False(t, ok)
	_, ok = new(adapter.Picked).Lines("A")
	require.False(t, ok)
}

// What is read of a framework's buffer is a copy: the buffer belongs to the next
// request soon.
func TestRawHeaderReturnsCopies(t *testing.T) {
	raw := []byte("Authorization: Bearer abc\r\nUser-Agent: curl\r\n\r\n")
	h := adapter.RawHeader(raw)
	lines, picked := h.Lines("User-Agent"), pick(h, &[adapter.PickedMax]string{"Authorization", "User-Agent"}, 0)
	for i := range raw {
		raw[i] = '#'
	}
	require.Equal(t, []string{"curl"}, lines)
	agent, _ := picked.Lines("User-Agent")
	require.Equal(t, []string{"curl"}, agent)
	auth, _ := picked.Lines("Authorization")
	require.Equal(t, []string{"Bearer abc"}, auth)
}

// The first fields may be lent: shown without a copy, and copied for who asks for lines.
func TestRawHeaderLends(t *testing.T) {
	raw := []byte("Authorization: Bearer abc\r\nUser-Agent: curl\r\n\r\n")
	p := pick(raw, &[adapter.PickedMax]string{"Authorization", "User-Agent"}, 1)
	lent, ok := p.Lend("Authorization")
	require.True(t, ok)
	require.Equal(t, []string{"Bearer abc"}, lent)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = p.Lend("Authorization") }))
	lines, ok := p.Lines("Authorization")
	require.True(t, ok)
	agent, ok := p.Lend("User-Agent")
	require.True(t, ok)
	for i := range raw {
		raw[i] = '#'
	}
	require.Equal(t, []string{"##########"}, lent, "what is lent is the header itself")
	require.Equal(t, []string{"Bearer abc"}, lines, "lines are copies")
	require.Equal(t, []string{"curl"}, agent, "what is not lent is a copy for everybody")
	lent, ok = p.Lend("Cookie")
	require.False(t, ok)
	require.Empty(t, lent)
}

// Several lines and folds are lent too, but not so that a client chooses the price.
func TestRawHeaderLendsWithinBounds(t *testing.T) {
	all := [adapter.PickedMax]string{"Origin"}
	for _, tt := range []struct {
		desc, raw string
		want      []string
	}{
		{"two lines", "Origin: a\r\nHost: h\r\nOrigin: b\r\n\r\n", []string{"a", "b"}},
		{"a fold", "Origin: a,\r\n b\r\n\r\n", []string{"a, b"}},
		{"a long fold", "Origin: a\r\n " + strings.Repeat("b", 2000) + "\r\n\r\n", []string{"a\r\n " + strings.Repeat("b", 2000)}},
		{"many lines", strings.Repeat("Origin: a\r\n", 5000) + "\r\n", slices.Repeat([]string{"a"}, 32)},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			p := pick(adapter.RawHeader(tt.raw), &all, len(all))
			lent, ok := p.Lend("Origin")
			require.True(t, ok)
			require.Equal(t, tt.want, lent)
		})
	}
	var p adapter.Picked
	many := adapter.RawHeader(strings.Repeat("Origin: a\r\n", 5000) + "\r\n")
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { p = adapter.Picked{}; many.Pick(&p, &all, len(all)) }), 2.0)
}

// Relation: Pick, First and Lines say the same; and where net/textproto accepts the
// header, they say what it says.
func FuzzRawHeader(f *testing.F) {
	f.Add("Host: x\r\nCookie: a=1\r\nUser-Agent: y\r\nCookie: b\r\n\r\n")
	f.Add("Cookie: a\r\n b\r\n\r\n")
	f.Add("Authorization: Bearer x\r\nAuthorization:\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		h := adapter.RawHeader(raw)
		names := [adapter.PickedMax]string{"Cookie", "User-Agent", "Authorization", "Origin"}
		picked, lent := pick(h, &names, 0), pick(h, &names, 2)
		parsed, err := textproto.NewReader(bufio.NewReader(strings.NewReader(raw))).ReadMIMEHeader()
		complete := err == nil && strings.TrimLeft(raw, "\r\n") == raw && strings.Count(raw, "\n\r\n")+strings.Count(raw, "\n\n") == 1 &&
			(strings.HasSuffix(raw, "\n\r\n") || strings.HasSuffix(raw, "\n\n"))
		for _, name := range names {
			lines := h.Lines(name)
			got, ok := picked.Lines(name)
			require.True(t, ok)
			require.Equal(t, lines, got)
			got, ok = lent.Lines(name)
			require.True(t, ok)
			require.Equal(t, lines, got)
			got, ok = lent.Lend(name)
			require.True(t, ok)
			if len(lines) <= 64 && len(raw) <= 1<<10 {
				require.Equal(t, lines, got)
			}
			if complete {
				require.Equal(t, len(parsed.Values(name)), len(lines), name)
			}
		}
	})
}
