package refresh_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func TestRotate(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	handle := first.Principal.Session
	e.pass(time.Hour)
	e.quiet()
	second := e.refresh(first.Refresh)
	require.NotEqual(t, first.Refresh, second.Refresh)
	require.Regexp(t, `^spr_[A-Za-z0-9_-]{84}$`, second.Refresh)
	require.Equal(t, refresh.Tokens{
		Access: "access 1", Expires: e.at.Add(15 * time.Minute),
		Refresh: second.Refresh, RefreshExpires: e.at.Add(14 * 24 * time.Hour), Principal: first.Principal,
	}, second)
	require.Equal(t, revocation.Answer{Generation: 2, Stamp: uint64(e.at.UnixMicro())}, e.issuer.last().answer)
	require.True(t, e.issuer.last().notAfter.Equal(noon.Add(30*24*time.Hour)), "the end never moves")
	require.Equal(t, []string{"rotate"}, e.store.calls, "one call")
	e.told(handle, "refresh_token_rotated rotated")
	require.NoError(t, e.use(e.issuer.last()))
}

// What the table comes to: which tokens are answered, and what they say.
func TestAnswers(t *testing.T) {
	t.Run("coalesced", func(t *testing.T) {
		e := newEnv(t)
		second := e.refresh(e.login().Refresh)
		e.quiet()
		e.pass(3 * grace)
		got := e.refresh(second.Refresh)
		require.Empty(t, got.Refresh, "the client keeps the one that it has")
		require.Equal(t, "access 1", got.Access)
		require.Equal(t, e.at.Add(14*24*time.Hour), got.RefreshExpires)
		require.Equal(t, revocation.Answer{Generation: 2, Stamp: uint64(e.at.UnixMicro())}, e.issuer.last().answer)
		e.told(second.Principal.Session, "refresh_token_rotated coalesced")
		e.pass(2*grace + time.Microsecond)
		require.NotEmpty(t, e.refresh(second.Refresh).Refresh)
		e.told(second.Principal.Session, "refresh_token_rotated rotated")
	})
	t.Run("repeated", func(t *testing.T) {
		e := newEnv(t)
		first := e.login()
		second := e.refresh(first.Refresh)
		sightedFirst := e.issuer.last()
		e.quiet()
		e.pass(grace)
		got := e.refresh(first.Refresh)
		require.Equal(t, second.Refresh, got.Refresh, "byte for byte")
		require.Equal(t, revocation.Answer{Generation: 2, Stamp: uint64(e.at.UnixMicro())}, e.issuer.last().answer)
		e.told(first.Principal.Session, "refresh_token_rotated repeated")
		require.NoError(t, e.use(sightedFirst), "nothing is void")
	})
	t.Run("late repeat", func(t *testing.T) {
		e := newEnv(t)
		first := e.login()
		second := e.refresh(first.Refresh)
		lost := e.issuer.last()
		e.quiet()
		e.pass(grace + time.Microsecond)
		got := e.refresh(first.Refresh)
		require.Equal(t, second.Refresh, got.Refresh, "byte for byte")
		e.told(first.Principal.Session, "refresh_token_rotated late-repeat")
		require.Equal(t, []string{"rotate"}, e.store.calls)
		require.ErrorIs(t, e.use(lost), revocation.ErrRevoked, "what was lost is void")
		require.ErrorIs(t, e.registry.Check(t.Context(), e.credential(lost)), revocation.ErrRevoked, "to every verifier")
		require.NoError(t, e.use(e.issuer.last()))
		e.pass(grace + time.Microsecond)
		e.refused(first.Refresh, "reuse:late-after-confirm")
	})
	t.Run("recovered", func(t *testing.T) {
		e := newEnv(t)
		first := e.login()
		e.store.faults["rotate"] = forgot
		second := e.refresh(first.Refresh)
		e.store.faults["rotate"] = none
		e.quiet()
		e.pass(time.Hour)
		got := e.refresh(second.Refresh)
		require.Empty(t, got.Refresh)
		require.Equal(t, revocation.Answer{Generation: 2, Stamp: uint64(e.at.UnixMicro())}, e.issuer.last().answer)
		e.told(first.Principal.Session, "refresh_token_rotated recovered")
		e.pass(grace)
		require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh)
		e.pass(time.Microsecond)
		e.refused(first.Refresh, "reuse:late-after-confirm")
	})
	t.Run("a login is confirmed by its access token", func(t *testing.T) {
		e := newEnv(t)
		first := e.login()
		require.NoError(t, e.use(e.issuer.last()))
		require.Empty(t, e.refresh(first.Refresh).Refresh)
		e.pass(2*grace + time.Microsecond)
		require.NotEmpty(t, e.refresh(first.Refresh).Refresh)
	})
}

// One of two holders is a thief: everything that the family has is over, and nothing
// else.
func TestReuse(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		wired bool
		cause audit.Cause
		steal func(e *env, first, second refresh.Tokens) (token string, from refresh.From)
	}{
		{"after the successor was presented", true, "reuse:late-after-confirm", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			e.refresh(second.Refresh) // coalesced
			e.pass(grace + time.Microsecond)
			return first.Refresh, here
		}},
		{"after its access token was used", true, "reuse:late-after-confirm", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			require.NoError(e.t, e.use(e.issuer.last()))
			e.pass(grace + time.Microsecond)
			return first.Refresh, here
		}},
		{"older", true, "reuse:older", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			e.pass(3*grace + time.Microsecond)
			e.refresh(second.Refresh)
			return first.Refresh, here
		}},
		{"a day later", true, "late-unconfirmed", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			e.pass(24*time.Hour + time.Microsecond)
			return first.Refresh, here
		}},
		{"unwired, after grace", false, "late-unconfirmed", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			e.pass(30*time.Second + time.Microsecond)
			return first.Refresh, here
		}},
		{"another client", true, "binding", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			return second.Refresh, refresh.From{Client: "other", ClientIP: here.ClientIP, UserAgent: here.UserAgent}
		}},
		{"another device", true, "binding", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			return second.Refresh, refresh.From{Device: "other", ClientIP: here.ClientIP, UserAgent: here.UserAgent}
		}},
		{"another device, with the predecessor, within grace", true, "binding", func(e *env, first, second refresh.Tokens) (string, refresh.From) {
			return first.Refresh, refresh.From{Device: "other", ClientIP: here.ClientIP, UserAgent: here.UserAgent}
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, func(c *refresh.Config) {
				if !tc.wired {
					c.Wired = nil
				}
			})
			bystander := e.login()
			first := e.login()
			login := e.issuer.last()
			e.pass(time.Minute)
			second := e.refresh(first.Refresh)
			access := e.issuer.last()
			handle := first.Principal.Session
			token, from := tc.steal(e, first, second)
			e.quiet()
			tokens, err := e.r.Refresh(t.Context(), token, nil, from)
			e.refusal(err, tc.cause)
			require.Zero(t, tokens)
			require.Len(t, e.events, 2)
			require.Equal(t, err, e.events[0].Err)
			require.NoError(t, e.events[1].Err)
			e.told(handle, "authn_token_reuse "+string(tc.cause), "refresh_family_expired "+string(tc.cause))

			for _, dead := range []string{first.Refresh, second.Refresh, token} {
				e.refused(dead, "gone")
			}
			for _, dead := range []issued{login, access} {
				require.ErrorIs(t, e.registry.Check(t.Context(), e.credential(dead)), revocation.ErrRevoked)
			}
			require.NotEmpty(t, e.refresh(bystander.Refresh).Access)
		})
	}
}

// A token of a bound family goes on where it was bound.
func TestBinding(t *testing.T) {
	for _, from := range []refresh.From{{}, {Client: "web"}, {Device: "key"}, {Client: "web", Device: "key"}} {
		for _, other := range []refresh.From{{}, {Client: "web"}, {Device: "key"}, {Client: "web", Device: "key"}, {Client: "webkey"}, {Client: "key", Device: "web"}} {
			e := newEnv(t)
			id := ann()
			id.Client = from.Client
			first, err := e.r.Login(t.Context(), id, refresh.From{Client: "of no meaning here", Device: from.Device})
			require.NoError(t, err)
			_, err = e.r.Refresh(t.Context(), first.Refresh, nil, other)
			if other == from {
				require.NoError(t, err)
				require.Equal(t, from.Client, e.issuer.last().client)
			} else {
				e.refusal(err, "binding")
			}
		}
	}
}

func TestGone(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	e.pass(14*24*time.Hour - time.Microsecond)
	second := e.refresh(first.Refresh)
	e.pass(14 * 24 * time.Hour)
	e.quiet()
	e.refused(second.Refresh, "gone")
	require.Len(t, e.events, 1)
	require.ErrorIs(t, e.events[0].Err, refresh.ErrInvalidGrant)
	e.events[0].Subject = "ann" // which nobody knows any more
	e.told("", "refresh_token_refused gone")

	t.Run("at its absolute end", func(t *testing.T) {
		e := newEnv(t, func(c *refresh.Config) { c.AbsoluteTimeout = time.Hour })
		token := e.login().Refresh
		for range 3 {
			e.pass(15 * time.Minute)
			answer := e.refresh(token)
			token = answer.Refresh
			require.Equal(t, noon.Add(time.Hour), answer.RefreshExpires)
			require.False(t, answer.Expires.After(noon.Add(time.Hour)))
		}
		e.pass(15*time.Minute - time.Second)
		token = e.refresh(token).Refresh
		e.pass(time.Second)
		e.refused(token, "gone")
	})
	t.Run("revoked", func(t *testing.T) {
		for desc, revoke := range map[string]func(e *env, handle string) error{
			"everywhere": func(e *env, _ string) error { return e.registry.LogoutEverywhere(t.Context(), "ann") },
			"password":   func(e *env, _ string) error { return e.registry.PasswordChanged(t.Context(), "ann") },
			"disabled":   func(e *env, _ string) error { return e.registry.SubjectDisabled(t.Context(), "ann") },
			"one":        func(e *env, handle string) error { return e.registry.RevokeSession(t.Context(), "ann", handle) },
		} {
			e := newEnv(t)
			first := e.login()
			require.NoError(t, revoke(e, first.Principal.Session), desc)
			e.refused(first.Refresh, "gone")
			e.pass(13 * 24 * time.Hour) // when the revocation is forgotten
			e.refused(first.Refresh, "gone")
		}
	})
}

// What is not a token of ours reaches no store and harms nothing.
func TestForged(t *testing.T) {
	e := newEnv(t)
	other := newEnv(t, func(c *refresh.Config) { c.Secrets = [][]byte{secretB} })
	cookie := e.another(func(c *refresh.Config) { c.Transport = refresh.Cookie })
	first := e.login()
	inCookie, err := cookie.Login(t.Context(), ann(), here)
	require.NoError(t, err)
	e.quiet()
	forged := forge(first.Refresh)
	for desc, tc := range map[string]struct {
		token string
		cause audit.Cause
	}{
		"empty":                {"", "shape"},
		"truncated":            {first.Refresh[:87], "shape"},
		"extended":             {first.Refresh + "A", "shape"},
		"a megabyte":           {strings.Repeat("A", 1<<20), "shape"},
		"an access token":      {"eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJpIn0.AAAA", "shape"},
		"forged":               {forged, "mac"},
		"of another transport": {inCookie.Refresh, "mac"},
	} {
		e.refused(tc.token, tc.cause)
		require.Len(t, e.events, 1, desc)
		require.Equal(t, audit.Event{
			Time: noon, Name: audit.RefreshRefused, Cause: tc.cause, App: "shop", ClientIP: here.ClientIP, UserAgent: here.UserAgent, Err: e.events[0].Err,
		}, e.events[0], desc)
		e.events = nil
		for _, end := range []func() error{
			func() error { _, err := e.r.Logout(t.Context(), tc.token, here); return err },
			func() error { _, err := e.r.Revoke(t.Context(), tc.token, here); return err },
		} {
			e.refusal(end(), tc.cause)
			require.Len(t, e.events, 1, desc)
			require.Equal(t, audit.RefreshRefused, e.events[0].Name)
			e.events = nil
		}
		_, err := e.r.Family(t.Context(), tc.token)
		e.refusal(err, tc.cause)
	}
	foreign := other.login().Refresh
	for _, err := range []error{
		func() error { _, err := e.r.Refresh(t.Context(), foreign, nil, here); return err }(),
		func() error { _, err := e.r.Logout(t.Context(), foreign, here); return err }(),
		func() error { _, err := e.r.Revoke(t.Context(), foreign, here); return err }(),
		func() error { _, err := e.r.Family(t.Context(), foreign); return err }(),
	} {
		require.Equal(t, refresh.ErrSecret, err, "a node that has not got the new secret yet")
		require.ErrorIs(t, err, core.ErrUnknown)
		require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
	}
	require.Empty(t, e.store.calls)
	require.Empty(t, e.issuer.calls)
	require.NotEmpty(t, e.refresh(first.Refresh).Refresh, "nothing of it harmed anybody")
}

// forge changes a character of a token's MAC to another one of its alphabet.
func forge(token string) string {
	c := "A"
	if token[60] == 'A' {
		c = "B"
	}
	return token[:60] + c + token[61:]
}

// Announce, sign, retire: no client notices that a secret is replaced.
func TestSecretRotation(t *testing.T) {
	e := newEnv(t)
	node := func(secrets ...[]byte) *refresh.Rotator {
		return e.another(func(c *refresh.Config) { c.Secrets = secrets })
	}
	before, announced, signs, retired := node(secretA), node(secretA, secretB), node(secretB, secretA), node(secretB)
	answer := func(r *refresh.Rotator, token string) string {
		t.Helper()
		tokens, err := r.Refresh(t.Context(), token, nil, here)
		require.NoError(t, err)
		return tokens.Refresh
	}
	unknown := func(r *refresh.Rotator, token string) {
		t.Helper()
		tokens, err := r.Refresh(t.Context(), token, nil, here)
		require.Equal(t, refresh.ErrSecret, err)
		require.Zero(t, tokens)
	}
	old := e.login().Refresh
	e.pass(time.Minute)
	second := answer(announced, old) // made with the old secret
	e.pass(time.Minute)
	require.NotEmpty(t, answer(before, second))
	e.pass(time.Second)
	third := answer(signs, second)
	require.Equal(t, third, answer(before, second), "the same again, with the secret that it was made with")
	e.pass(time.Minute)
	fourth := answer(signs, third) // made with the new one
	require.Equal(t, fourth, answer(announced, third))
	require.Equal(t, fourth, answer(signs, third))
	e.quiet()
	unknown(before, fourth)
	require.Empty(t, e.store.calls)
	unknown(before, third) // whose answer only others can make
	require.Equal(t, fourth, answer(announced, third), "and do")
	unknown(retired, third)
	require.Equal(t, "", answer(retired, fourth), "coalesced")

	t.Run("recovered", func(t *testing.T) {
		first := e.login().Refresh
		e.store.faults["rotate"] = forgot
		second := answer(signs, first)
		delete(e.store.faults, "rotate")
		require.Empty(t, answer(announced, second))
		require.Equal(t, second, answer(announced, first), "with the secret that the lost one was made with")
	})
	t.Run("unwired", func(t *testing.T) {
		e := newEnv(t, unwired)
		first := e.login()
		next, err := e.another(func(c *refresh.Config) { c.Secrets = [][]byte{secretB, secretA} }).Refresh(t.Context(), first.Refresh, nil, here)
		require.NoError(t, err)
		tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
		require.Equal(t, refresh.ErrSecret, err)
		require.Zero(t, tokens, "no half of an answer")
		again, err := e.another(func(c *refresh.Config) { c.Secrets = [][]byte{secretA, secretB} }).Refresh(t.Context(), first.Refresh, nil, here)
		require.NoError(t, err)
		require.Equal(t, next.Refresh, again.Refresh)
	})
}

// The scope parameter narrows one access token and never widens it; the family keeps
// what it was granted.
func TestScopes(t *testing.T) {
	for _, wired := range []bool{true, false} {
		e := newEnv(t, func(c *refresh.Config) {
			if !wired {
				c.Wired = nil
			}
		})
		token := e.login().Refresh
		for _, tc := range []struct{ asked, want []string }{
			{nil, []string{"read", "write"}},
			{[]string{"read"}, []string{"read"}},
			{[]string{"write", "read"}, []string{"read", "write"}},
			{[]string{"read", "admin"}, []string{"read"}},
			{[]string{"READ"}, []string{}},
			{[]string{}, []string{}},
			{nil, []string{"read", "write"}},
		} {
			e.pass(2 * time.Minute)
			got, err := e.r.Refresh(t.Context(), token, tc.asked, here)
			require.NoError(t, err)
			require.Equal(t, tc.want, got.Principal.Scopes, tc.asked)
			require.Equal(t, got.Principal, e.issuer.last().principal)
			require.Equal(t, []string{"admin"}, got.Principal.Roles)
			token = got.Refresh
		}
	}
}

// Unwired, no access token says which answer it came with: nobody would look.
func TestUnwired(t *testing.T) {
	e := newEnv(t, unwired)
	first := e.login()
	require.Zero(t, e.issuer.last().answer)
	e.pass(time.Hour)
	e.quiet()
	second := e.refresh(first.Refresh)
	require.Zero(t, e.issuer.last().answer)
	require.Len(t, e.issuer.calls, 1)
	require.Equal(t, []string{"find", "rotate"}, e.store.calls)
	require.NotEmpty(t, second.Access)
	require.Equal(t, e.at.Add(14*24*time.Hour), second.RefreshExpires, "as it is after the decision")
	e.told(first.Principal.Session, "refresh_token_rotated rotated")
	e.pass(30 * time.Second)
	require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh)
	e.pass(61 * time.Second)
	got := e.refresh(second.Refresh)
	require.NotEmpty(t, got.Refresh)
	e.pass(time.Second)
	require.Empty(t, e.refresh(got.Refresh).Refresh)
}

// Tabs that start together converge, however their requests interleave.
func TestParallel(t *testing.T) {
	mem := memstore.Default()
	registry := registryOf(t, mem)
	signs := silent{lifetime: time.Minute}
	r, err := refresh.New(registry, refresh.Config{Issuer: signs, Wired: []string{audience}})
	require.NoError(t, err)
	first, err := r.Login(t.Context(), ann(), here)
	require.NoError(t, err)
	const tabs = 50
	var (
		barrier = make(chan struct{})
		wait    sync.WaitGroup
		answers [tabs]refresh.Tokens
		errs    [tabs]error
	)
	for i := range tabs {
		wait.Go(func() {
			<-barrier
			answers[i], errs[i] = r.Refresh(t.Context(), first.Refresh, nil, here)
		})
	}
	close(barrier)
	wait.Wait()
	for i := range tabs {
		require.NoError(t, errs[i])
		require.Equal(t, answers[0].Refresh, answers[i].Refresh, "one successor, whoever asks")
		require.NotEmpty(t, answers[i].Access)
	}
	require.NotEqual(t, first.Refresh, answers[0].Refresh)
	family, err := r.Family(t.Context(), answers[0].Refresh)
	require.NoError(t, err)
	require.Equal(t, first.Principal.Session, family.Handle)
}

// A replay that was told must be told although nobody can read what the store keeps.
func TestUnreadableFamily(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	e.pass(time.Minute)
	second := e.refresh(first.Refresh)
	e.store.Store = unreadable{e.store.Store}
	e.quiet()
	tokens, err := e.r.Refresh(t.Context(), second.Refresh, nil, here)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.Zero(t, tokens)
	require.Len(t, e.events, 1)
	require.Equal(t, audit.StoreFailed, e.events[0].Name)
	require.Equal(t, first.Principal.Session, e.events[0].Session)
	_, err = e.r.Family(t.Context(), second.Refresh)
	require.ErrorIs(t, err, core.ErrUnknown)
	_, err = e.r.Families(t.Context(), "ann")
	require.ErrorIs(t, err, core.ErrUnknown)
	status := e.another(func(c *refresh.Config) { c.Wired = nil })
	_, err = status.Refresh(t.Context(), second.Refresh, nil, here)
	require.ErrorIs(t, err, core.ErrUnknown)

	e.quiet()
	_, err = e.r.Refresh(t.Context(), second.Refresh, nil, refresh.From{Client: "other"})
	e.refusal(err, "binding")
	require.Len(t, e.events, 2)
	require.Equal(t, audit.TokenReuse, e.events[0].Name)
	require.Empty(t, e.events[0].Subject)
}

// unreadable is a store whose values somebody else wrote.
type unreadable struct{ refresh.Store }

func (u unreadable) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	out, err := u.Store.Rotate(ctx, key, p)
	out.Family.Value += "x"
	return out, err
}

func (u unreadable) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	f, err := u.Store.FindFamily(ctx, key)
	f.Value += "x"
	return f, err
}

func (u unreadable) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	all, err := u.Store.Families(ctx, owner)
	for i := range all {
		all[i].Value += "x"
	}
	return all, err
}
