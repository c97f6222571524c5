package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/identity"
)

func TestNames(t *testing.T) {
	long, longest := strings.Repeat("a", 256), strings.Repeat("a", 255)
	for _, tc := range []struct {
		desc  string
		check func(identity.Report)
		want  []string
	}{
		{"subject", func(bad identity.Report) { identity.Subject("ann", bad) }, nil},
		{"longest subject", func(bad identity.Report) { identity.Subject(longest, bad) }, nil},
		{"no subject", func(bad identity.Report) { identity.Subject("", bad) }, []string{"Subject "}},
		{"subject too long", func(bad identity.Report) { identity.Subject(long, bad) }, []string{"Subject " + long}},
		{"subject not UTF-8", func(bad identity.Report) { identity.Subject("\xff", bad) }, []string{"Subject \xff"}},
		{"text", func(bad identity.Report) { identity.Text("Device", "phone", bad) }, nil},
		{"no text", func(bad identity.Report) { identity.Text("Device", "", bad) }, nil},
		{"text too long", func(bad identity.Report) { identity.Text("Device", long, bad) }, []string{"Device " + long}},
		{"text not UTF-8", func(bad identity.Report) { identity.Text("Method", "\xff", bad) }, []string{"Method \xff"}},
		{"names", func(bad identity.Report) { identity.Names("Roles", []string{"a", longest}, bad) }, nil},
		{"no names", func(bad identity.Report) { identity.Names("Roles", nil, bad) }, nil},
		{"most names", func(bad identity.Report) {
			identity.Names("Roles", strings.Split(strings.Repeat("a,", 254)+"a", ","), bad)
		}, nil},
		{"too many names", func(bad identity.Report) {
			identity.Names("Roles", strings.Split(strings.Repeat("a,", 255)+"a", ","), bad)
		}, []string{"Roles 256 names"}},
		{"every bad name", func(bad identity.Report) { identity.Names("Scopes", []string{"", "a", "\xff", long}, bad) }, []string{"Scopes ", "Scopes \xff", "Scopes " + long}},
		{"now", func(bad identity.Report) { identity.AuthTime(time.Unix(1, 0), time.Unix(1, 0), bad) }, nil},
		{"never", func(bad identity.Report) { identity.AuthTime(time.Time{}, time.Unix(1, 0), bad) }, nil},
		{"later", func(bad identity.Report) { identity.AuthTime(time.Unix(1, 1).UTC(), time.Unix(1, 0), bad) }, []string{"AuthTime 1970-01-01 00:00:01.000000001 +0000 UTC"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var got []string
			tc.check(func(field, value, reason string) {
				got = append(got, field+" "+value)
				require.NotEmpty(t, reason)
			})
			require.Equal(t, tc.want, got)
		})
	}
}
