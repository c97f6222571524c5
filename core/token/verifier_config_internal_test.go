package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
)

func mistakes(t *testing.T, err error) (fields []string) {
	t.Helper()
	require.Error(t, err)
	require.True(t, strings.HasPrefix(err.Error(), "token: "), err)
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	require.True(t, ok)
	for _, e := range joined.Unwrap() {
		var c *core.ConfigError
		require.ErrorAs(t, e, &c)
		require.NotEmpty(t, c.Reason)
		field, ok := strings.CutPrefix(c.Field, "token.VerifierConfig.")
		require.True(t, ok, c.Field)
		fields = append(fields, field)
	}
	return fields
}

func TestNewVerifierReportsEachMistake(t *testing.T) {
	good := func() VerifierConfig {
		return VerifierConfig{Audience: "a", Issuers: []TrustedIssuer{{Name: "i", Algorithms: []Algorithm{ES256}, Keys: &fakeKeys{}}}}
	}
	_, err := NewVerifier(good())
	require.NoError(t, err)
	for _, row := range []struct {
		desc   string
		change func(c *VerifierConfig)
		want   []string
	}{
		{"nothing", func(c *VerifierConfig) { *c = VerifierConfig{} }, []string{"Audience", "Issuers"}},
		{"audience not UTF-8", func(c *VerifierConfig) { c.Audience = "\xff" }, []string{"Audience"}},
		{"app leaves the quotes", func(c *VerifierConfig) { c.App = `a", x="` }, []string{"App"}},
		{"app too long", func(c *VerifierConfig) { c.App = strings.Repeat("a", 65) }, []string{"App"}},
		{"leeway", func(c *VerifierConfig) { c.Leeway = 5*time.Minute + 1 }, []string{"Leeway"}},
		{"size negative", func(c *VerifierConfig) { c.MaxTokenBytes = -1 }, []string{"MaxTokenBytes"}},
		{"size too small", func(c *VerifierConfig) { c.MaxTokenBytes = 255 }, []string{"MaxTokenBytes"}},
		{"size too large", func(c *VerifierConfig) { c.MaxTokenBytes = 65537 }, []string{"MaxTokenBytes"}},
		{"no name", func(c *VerifierConfig) { c.Issuers[0].Name = "" }, []string{"Issuers[0].Name"}},
		{"name not UTF-8", func(c *VerifierConfig) { c.Issuers[0].Name = "\xff" }, []string{"Issuers[0].Name"}},
		{"no algorithms", func(c *VerifierConfig) { c.Issuers[0].Algorithms = nil }, []string{"Issuers[0].Algorithms"}},
		{"none", func(c *VerifierConfig) { c.Issuers[0].Algorithms = []Algorithm{"nOnE"} }, []string{"Issuers[0].Algorithms"}},
		{"unknown ones", func(c *VerifierConfig) { c.Issuers[0].Algorithms = []Algorithm{"es256", "RS512", "", ES384} }, []string{"Issuers[0].Algorithms", "Issuers[0].Algorithms", "Issuers[0].Algorithms"}},
		{"twice", func(c *VerifierConfig) { c.Issuers[0].Algorithms = []Algorithm{ES256, ES256} }, []string{"Issuers[0].Algorithms"}},
		{"no keys", func(c *VerifierConfig) { c.Issuers[0].Keys = nil }, []string{"Issuers[0].Keys"}},
		{"no ring", func(c *VerifierConfig) { c.Issuers[0].Keys = (*KeyRing)(nil) }, []string{"Issuers[0].Keys"}},
		{"no remote keys", func(c *VerifierConfig) { c.Issuers[0].Keys = (*RemoteKeys)(nil) }, []string{"Issuers[0].Keys"}},
		{"the source complains", func(c *VerifierConfig) {
			c.Issuers[0].Keys = &fakeKeys{complaints: []string{"one thing", "another"}}
		}, []string{"Issuers[0].Keys", "Issuers[0].Keys"}},
		{"type with blanks", func(c *VerifierConfig) { c.Issuers[0].Type = "at jwt" }, []string{"Issuers[0].Type"}},
		{"type of another tree", func(c *VerifierConfig) { c.Issuers[0].Type = "text/at+jwt" }, []string{"Issuers[0].Type"}},
		{"type without subtype", func(c *VerifierConfig) { c.Issuers[0].Type = "application/" }, []string{"Issuers[0].Type"}},
		{"issuer twice", func(c *VerifierConfig) {
			again := c.Issuers[0]
			again.Keys = &fakeKeys{}
			c.Issuers = append(c.Issuers, again)
		}, []string{"Issuers[1].Name"}},
		{"keys of two issuers", func(c *VerifierConfig) {
			again := c.Issuers[0]
			again.Name = "j"
			c.Issuers = append(c.Issuers, again)
		}, []string{"Issuers[1].Keys"}},
		{"all at once", func(c *VerifierConfig) {
			*c = VerifierConfig{App: "\"", Leeway: time.Hour, MaxTokenBytes: 1, Issuers: []TrustedIssuer{{}, {Type: " "}}}
		}, []string{
			"App", "Audience", "Leeway", "MaxTokenBytes", "Issuers[0].Name", "Issuers[0].Algorithms", "Issuers[0].Keys",
			"Issuers[1].Name", "Issuers[1].Algorithms", "Issuers[1].Keys", "Issuers[1].Type",
		}},
	} {
		t.Run(row.desc, func(t *testing.T) {
			cfg := good()
			row.change(&cfg)
			v, err := NewVerifier(cfg)
			require.Nil(t, v)
			require.Equal(t, row.want, mistakes(t, err))
		})
	}
}

func TestNewVerifierDefaults(t *testing.T) {
	v, err := NewVerifier(VerifierConfig{Audience: "a", Issuers: []TrustedIssuer{{Name: "i", Algorithms: []Algorithm{ES256}, Keys: &fakeKeys{}}}})
	require.NoError(t, err)
	require.Equal(t, "app", v.App())
	require.Equal(t, 30*time.Second, v.cfg.Leeway)
	require.Equal(t, 8192, v.cfg.MaxTokenBytes)
	require.Equal(t, 32<<20, v.cache.limit)
	require.Equal(t, "at+jwt", v.issuers["i"].subtype)
	v, err = NewVerifier(VerifierConfig{Audience: "a", CacheBytes: -1, Issuers: []TrustedIssuer{
		{Name: "i", Algorithms: []Algorithm{ES256}, Keys: &fakeKeys{}, Type: "Application/JWT"},
	}})
	require.NoError(t, err)
	require.Nil(t, v.cache)
	require.Equal(t, "JWT", v.issuers["i"].subtype)
}

// What was checked is what is used, whatever becomes of the slices.
func TestNewVerifierKeepsCopies(t *testing.T) {
	var issuers []TrustedIssuer
	d := newDesk(t, func(c *VerifierConfig) { issuers = c.Issuers })
	issuers[0].Algorithms[0] = "none"
	issuers[0] = TrustedIssuer{}
	_, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
}
