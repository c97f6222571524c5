package refresh

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var aLogin = login{
	subject: "ann", client: "web", device: "laptop", method: "password",
	authTime: time.Unix(1_700_000_000, 0).UTC(), roles: []string{"admin", "é"}, scopes: []string{"read"},
}

// Families live for a year: what was written must stay readable, and this vector must
// never change.
func TestValueVector(t *testing.T) {
	const want = "\x01\x03ann\x03web\x06laptop\x08password\x80\xc4\x9f\xd5\x0c\x02\x05admin\x02é\x01\x04read"
	require.Equal(t, want, aLogin.encode())
	var got login
	require.NoError(t, got.decode(want))
	require.Equal(t, aLogin, got)
}

func TestValueRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 255)
	many := make([]string, 255)
	for i := range many {
		many[i] = long
	}
	for desc, l := range map[string]login{
		"least":               {subject: "a", authTime: time.Unix(0, 0).UTC()},
		"complete":            aLogin,
		"before 1970":         {subject: "a", authTime: time.Unix(-1, 0).UTC()},
		"the first second":    {subject: "a", authTime: time.Unix(math.MinInt64/4, 0).UTC()},
		"largest":             {subject: long, client: long, device: long, method: long, authTime: time.Unix(1<<40, 0).UTC(), roles: many, scopes: many},
		"any bytes":           {subject: "\x00\x01\xff", client: "\n", authTime: time.Unix(1, 0).UTC(), roles: []string{"", "\x00"}},
		"an empty role":       {subject: "a", authTime: time.Unix(1, 0).UTC(), scopes: []string{""}},
		"a length of 2 bytes": {subject: strings.Repeat("y", 128), authTime: time.Unix(1, 0).UTC()},
	} {
		var got login
		require.NoError(t, got.decode(l.encode()), desc)
		require.Equal(t, l, got, desc)
	}
}

// What no login wrote is no login: not shorter, not longer, of no other version.
func TestValueIsStrict(t *testing.T) {
	good := aLogin.encode()
	refused := func(value, desc string) {
		t.Helper()
		l := aLogin
		require.Equal(t, errValue, l.decode(value), desc)
		require.Zero(t, l, desc)
	}
	for i := range good {
		refused(good[:i], "truncated")
	}
	for _, more := range []string{"\x00", "a", good} {
		refused(good+more, "longer")
	}
	for desc, value := range map[string]string{
		"empty":                         "",
		"version 0":                     "\x00" + good[1:],
		"version 2":                     "\x02" + good[1:],
		"no subject":                    "\x01\x00" + good[5:],
		"a length beyond the end":       "\x01\x7f" + good[2:],
		"a length beyond all":           "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ann",
		"a length without an end":       "\x01" + strings.Repeat("\xff", 20),
		"a length of 11 bytes":          "\x01" + strings.Repeat("\x80", 10) + "\x00",
		"a length in more bytes":        "\x01\x83\x00" + good[2:],
		"a length over 64 bits":         "\x01\x83\x80\x80\x80\x80\x80\x80\x80\x80\x02" + good[2:],
		"a list longer than the value":  good[:len(good)-6] + "\x7f\x04read",
		"a list without its strings":    good[:len(good)-6] + "\x06\x04read",
		"a list of a thousand million ": good[:len(good)-6] + "\xff\xff\xff\xff\x04\x04read",
	} {
		refused(value, desc)
	}
}

// One login, one value: what is read is what was written.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		"", aLogin.encode(), (&login{subject: "a"}).encode(), "\x01\x83\x00ann", "\x01\x01a\x00\x00\x00\x80\x00\x00\x00", "\x01\x01a\x00\x00\x00\x01\x00\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var l login
		if err := l.decode(value); err != nil {
			require.Equal(t, errValue, err)
			require.Zero(t, l)
			return
		}
		require.Equal(t, value, l.encode())
		require.NotEmpty(t, l.subject)
	})
}
