package token

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
)

func tokenOf(t *testing.T, changes ...string) *Token {
	t.Helper()
	d := newDesk(t, nil)
	tok, err := d.Verify(t.Context(), d.good(t, changes...))
	require.NoError(t, err)
	return tok
}

type tenancy struct {
	Subject string `json:"sub"`
	Tenant  string `json:"tenant"`
	Plan    *struct {
		Name string `json:"name"`
	} `json:"plan"`
	Hidden  string `json:"-"`
	Untaged int
	private string
	common
	*Shared `json:"shared"`
}

type common struct {
	Region string `json:"region,omitempty"`
}

// Shared is embedded under a name of its own.
type Shared struct {
	Note string `json:"note"`
}

func TestDecode(t *testing.T) {
	tok := tokenOf(t, "tenant", `"t1"`, "plan", `{"name":"gold"}`, "Untaged", "7", "region", `"eu"`, "big", "9007199254740993", "shared", `{"note":"n"}`)

	claims, err := Decode[Claims](tok)
	require.NoError(t, err)
	require.Equal(t, tok.Claims(), claims)
	claims.Roles[0] = "changed"
	require.True(t, tok.HasRole("admin"))

	got, err := Decode[tenancy](tok)
	require.NoError(t, err)
	require.Equal(t, "ann", got.Subject)
	require.Equal(t, "t1", got.Tenant)
	require.Equal(t, "gold", got.Plan.Name)
	require.Equal(t, 7, got.Untaged)
	require.Equal(t, "eu", got.Region)
	require.Equal(t, "n", got.Note)
	require.Empty(t, got.private)

	pointer, err := Decode[*tenancy](tok)
	require.NoError(t, err)
	require.Equal(t, got, *pointer)

	m, err := Decode[map[string]any](tok)
	require.NoError(t, err)
	require.Equal(t, json.Number("9007199254740993"), m["big"])
	require.Equal(t, "t1", m["tenant"])

	raw, err := Decode[json.RawMessage](tok)
	require.NoError(t, err)
	require.Equal(t, tok.payload, string(raw))
}

func TestDecodeMatchesNamesExactly(t *testing.T) {
	for _, name := range []string{"Tenant", "TENANT", "untaged", "Region", "SHARED", "\u017fhared", "Plan"} {
		tok := tokenOf(t, name, `"x"`)
		got, err := Decode[tenancy](tok)
		require.ErrorContains(t, err, "the claim", name)
		require.Zero(t, got)
		_, err = Decode[*tenancy](tok)
		require.ErrorContains(t, err, "the claim", name)
		m, err := Decode[map[string]any](tok)
		require.NoError(t, err)
		require.Equal(t, "x", m[name])
	}
	for _, name := range []string{"hidden", "Private", "note", "Shared2", "common"} {
		_, err := Decode[tenancy](tokenOf(t, name, `"x"`))
		require.NoError(t, err, name)
	}
	type both struct {
		Lower string `json:"tenant"`
		Upper string `json:"TENANT"`
	}
	got, err := Decode[both](tokenOf(t, "TENANT", `"x"`))
	require.NoError(t, err)
	require.Equal(t, both{Upper: "x"}, got)
}

type own struct{ text string }

func (o *own) UnmarshalJSON(b []byte) error {
	o.text = string(b)
	return nil
}

func TestDecodeErrors(t *testing.T) {
	_, err := Decode[tenancy](nil)
	require.ErrorIs(t, err, core.ErrAnonymous)
	_, err = Decode[Claims](nil)
	require.ErrorIs(t, err, core.ErrAnonymous)
	tok := tokenOf(t, "tenant", "1", "Text", "1")
	_, err = Decode[tenancy](tok)
	require.Error(t, err)
	_, err = Decode[[]string](tok)
	require.Error(t, err)
	_, err = Decode[string](tok)
	require.Error(t, err)
	o, err := Decode[own](tok)
	require.NoError(t, err)
	require.Equal(t, tok.payload, o.text)
}

func TestDecodeTimes(t *testing.T) {
	c, err := Decode[Claims](tokenOf(t, "auth_time", "0"))
	require.NoError(t, err)
	require.Equal(t, time.Unix(0, 0).UTC(), c.AuthTime)
	require.False(t, c.AuthTime.IsZero())
	require.True(t, c.NotBefore.IsZero())
}
