package refresh_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

func TestStaticClients(t *testing.T) {
	long := strings.Repeat("l", 16)
	web := refresh.Caller{ID: "web", Audience: audience}
	ours := refresh.Caller{Audience: audience}
	ask, err := refresh.StaticClients(
		refresh.StaticClient{Caller: web, Secret: "the secret of web"},
		refresh.StaticClient{Caller: ours, Login: "gateway", Secret: long},
	)
	require.NoError(t, err)
	for _, tc := range []struct {
		desc, id, secret string
		want             refresh.Caller
		err              error
	}{
		{"right", "web", "the secret of web", web, nil},
		{"another login than id", "gateway", long, ours, nil},
		{"wrong secret", "web", "the secret of wec", refresh.Caller{}, core.ErrAnonymous},
		{"no secret", "web", "", refresh.Caller{}, core.ErrAnonymous},
		{"longer secret", "web", "the secret of web\x00", refresh.Caller{}, core.ErrAnonymous},
		{"another's secret", "web", long, refresh.Caller{}, core.ErrAnonymous},
		{"nobody", "", "", refresh.Caller{}, core.ErrAnonymous},
		{"unknown", "eve", "the secret of web", refresh.Caller{}, core.ErrAnonymous},
		{"unknown without a secret", "eve", "", refresh.Caller{}, core.ErrAnonymous},
		{"another case", "Web", "the secret of web", refresh.Caller{}, core.ErrAnonymous},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got, err := ask(t.Context(), tc.id, tc.secret)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.err, err)
		})
	}
}

func TestStaticClientsMistakes(t *testing.T) {
	long := strings.Repeat("l", 16)
	client := func(id, login, secret string) refresh.StaticClient {
		return refresh.StaticClient{Caller: refresh.Caller{ID: id}, Login: login, Secret: secret}
	}
	for _, tc := range []struct {
		desc    string
		clients []refresh.StaticClient
		want    []string
	}{
		{"none", nil, []string{""}},
		{"no id", []refresh.StaticClient{client("", "", long)}, []string{"[0].Login"}},
		{"short secret", []refresh.StaticClient{client("a", "", long[1:])}, []string{"[0].Secret"}},
		{"twice", []refresh.StaticClient{client("a", "", long), client("b", "a", long)}, []string{"[1].Login"}},
		{"one id, two logins", []refresh.StaticClient{client("a", "", long), client("a", "b", long)}, nil},
		{"all at once", []refresh.StaticClient{client("", "", ""), client("a", "", long), client("a", "", "")}, []string{"[0].Login", "[0].Secret", "[2].Login", "[2].Secret"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			ask, err := refresh.StaticClients(tc.clients...)
			require.Equal(t, err == nil, ask != nil)
			var got []string
			for _, field := range mistakes(err) {
				got = append(got, strings.TrimPrefix(field, "refresh.StaticClients"))
			}
			require.Equal(t, tc.want, got)
		})
	}
	_, err := refresh.StaticClients(client("a", "", "hunter2"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
