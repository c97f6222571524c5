package csrf_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

var (
	form  = regexp.MustCompile(`^[A-Za-z0-9_-]{87}$`)
	fleet = csrf.Config{Secret: secretOf("s")}
	ann   = csrf.ToLogin(strings.Repeat("a", 32))
	bob   = csrf.ToLogin(strings.Repeat("b", 32))
)

func tokenOf(t testing.TB, g *csrf.Guard, b csrf.Binding, action string) string {
	t.Helper()
	token, err := g.Token(b, action)
	require.NoError(t, err)
	require.Regexp(t, form, token)
	return token
}

// rawOf is what a token is made of: kind, mask, MAC xor mask.
func rawOf(t testing.TB, token string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	require.Len(t, raw, 65)
	return raw
}

func spelt(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// macOf takes the mask off.
func macOf(t testing.TB, token string) []byte {
	t.Helper()
	raw := rawOf(t, token)
	mac := bytes.Clone(raw[33:])
	for i := range mac {
		mac[i] ^= raw[1+i]
	}
	return mac
}

// F2, F3, F10: a token is good for its binding, under its application and secret, and for
// nothing else.
func TestTokenBelongsToItsBinding(t *testing.T) {
	g := newGuard(t, fleet)
	bindings := map[string]csrf.Binding{
		"ann": ann, "bob": bob, "visitor ann": csrf.ToVisitor(strings.Repeat("a", 32)), "visitor": csrf.ToVisitor("n"), "short": csrf.ToLogin("a"),
	}
	for name, b := range bindings {
		token := tokenOf(t, g, b, "")
		for other, o := range bindings {
			if other == name {
				require.NoError(t, g.Verify(token, o, ""), name)
				continue
			}
			require.Equal(t, csrf.ErrToken, g.Verify(token, o, ""), name+" as "+other)
		}
	}
	token := tokenOf(t, g, ann, "")
	for desc, cfg := range map[string]csrf.Config{
		"another secret": {Secret: secretOf("t")}, "another application": {Secret: secretOf("s"), App: "shop"}, "a process's own": {},
	} {
		require.Equal(t, csrf.ErrToken, newGuard(t, cfg).Verify(token, ann, ""), desc)
		require.Equal(t, csrf.ErrToken, g.Verify(tokenOf(t, newGuard(t, cfg), ann, ""), ann, ""), desc)
	}
	require.NoError(t, newGuard(t, fleet).Verify(token, ann, ""), "another process of the fleet")
}

// Nobody has no token: what is missing must not be the same for two (CVE-2020-36564).
func TestNobodyHasNoToken(t *testing.T) {
	g := newGuard(t, fleet)
	r, err := realm.New("app", fleet.Secret)
	require.NoError(t, err)
	mac, err := r.MAC("csrf")
	require.NoError(t, err)
	unmasked := func(parts ...string) string {
		sum := mac.Of(parts...)
		return spelt(append(append([]byte{1}, make([]byte, 32)...), sum[:]...))
	}
	require.NoError(t, g.Verify(unmasked("all", "l", "ann"), csrf.ToLogin("ann"), ""), "how a token is made")
	for n, b := range []csrf.Binding{{}, csrf.ToLogin(""), csrf.ToVisitor("")} {
		require.Equal(t, csrf.ErrToken, g.Verify(unmasked("all", []string{"", "l", "v"}[n], ""), b, ""))
		_, err := g.Token(b, "")
		require.Error(t, err)
		_, err = g.Token(b, "POST /")
		require.Error(t, err)
		for _, token := range []string{"", tokenOf(t, g, ann, ""), spelt(make([]byte, 65)), spelt(append([]byte{1}, make([]byte, 64)...))} {
			require.Equal(t, csrf.ErrToken, g.Verify(token, b, ""))
		}
	}
}

// F13: each kind is good for what it says, and none says anything about another: without
// their masks all are different, and the byte that names the kind cannot be exchanged.
func TestActions(t *testing.T) {
	g := newGuard(t, fleet)
	actions := []string{"", csrf.Action("POST", "/transfer"), csrf.Action("PUT", "/transfer"), csrf.Action("POST", "/transfer/"), csrf.Action("POST", "/"), "every action"}
	macs := map[string]string{}
	for _, made := range actions {
		token := tokenOf(t, g, ann, made)
		mac := string(macOf(t, token))
		require.NotContains(t, macs, mac)
		macs[mac] = made
		for _, asked := range actions {
			err := g.Verify(token, ann, asked)
			if made == "" || made == asked {
				require.NoError(t, err, "%q for %q", made, asked)
			} else {
				require.Equal(t, csrf.ErrToken, err, "%q for %q", made, asked)
			}
		}
		raw := rawOf(t, token)
		for kind := range 256 {
			if byte(kind) == raw[0] {
				continue
			}
			other := append([]byte{byte(kind)}, raw[1:]...)
			for _, asked := range actions {
				require.Equal(t, csrf.ErrToken, g.Verify(spelt(other), ann, asked), "%q with kind %d for %q", made, kind, asked)
			}
		}
	}
	// Where one ends and the next begins is part of what is hashed.
	for _, pair := range [][2]csrf.Binding{{csrf.ToLogin("ab"), csrf.ToLogin("a")}, {csrf.ToVisitor("a" + "POST /"), csrf.ToVisitor("a")}} {
		require.NotEqual(t, macOf(t, tokenOf(t, g, pair[0], "c")), macOf(t, tokenOf(t, g, pair[1], "bc")))
		require.NotEqual(t, macOf(t, tokenOf(t, g, pair[0], "")), macOf(t, tokenOf(t, g, pair[1], "POST /")))
	}
}

// F1: one spelling, and no other length, alphabet, ending or blank.
func TestTokenIsOneText(t *testing.T) {
	g := newGuard(t, fleet)
	token := tokenOf(t, g, ann, "")
	// The last byte is zero, so that a decoder which skips line ends could do without
	// the last character.
	for rawOf(t, token)[64] != 0 {
		token = tokenOf(t, g, ann, "")
	}
	raw := rawOf(t, token)
	require.NoError(t, g.Verify(token, ann, ""))
	std := base64.RawStdEncoding.EncodeToString(raw)
	wrong := map[string]string{
		"empty": "", "blank": " ", "cut": token[:86], "longer": token + "A", "padded": token + "=", "twice": token + token,
		"a line end instead of the end": token[:86] + "\n", "a line end inside": token[:40] + "\n" + token[40:86], "two line ends": token[:85] + "\r\n",
		"a line end more": token + "\n", "a blank in front": " " + token[:86], "upper case": strings.ToUpper(token), "no kind": spelt(raw[1:]),
		"zeros": spelt(make([]byte, 65)), "half": spelt(raw[:33]), "huge": strings.Repeat("A", 1<<20), "not ASCII": strings.Repeat("\xff", 87),
	}
	if std != token {
		wrong["the other alphabet"] = std
	}
	for _, c := range "BCDwxyz01" {
		if string(c) != token[86:] {
			wrong["last character "+string(c)] = token[:86] + string(c)
		}
	}
	for desc, text := range wrong {
		require.Equal(t, csrf.ErrToken, g.Verify(text, ann, ""), desc)
	}
	for i := range raw {
		for bit := range 8 {
			damaged := bytes.Clone(raw)
			damaged[i] ^= 1 << bit
			require.Equal(t, csrf.ErrToken, g.Verify(spelt(damaged), ann, ""), "bit %d of byte %d", bit, i)
		}
	}
}

// BREACH: a page never shows the same bytes twice, and the masks come from the source.
func TestTokenIsMasked(t *testing.T) {
	g := newGuard(t, fleet)
	a, b := rawOf(t, tokenOf(t, g, ann, "")), rawOf(t, tokenOf(t, g, ann, ""))
	require.NotEqual(t, a[1:33], b[1:33])
	require.NotEqual(t, a[33:], b[33:])
	require.Equal(t, macOf(t, spelt(a)), macOf(t, spelt(b)))

	cfg := fleet
	cfg.Rand = strings.NewReader(strings.Repeat("m", 32))
	g = newGuard(t, cfg)
	require.Equal(t, strings.Repeat("m", 32), string(rawOf(t, tokenOf(t, g, ann, ""))[1:33]))
	_, err := g.Token(ann, "")
	require.Error(t, err, "the source is empty")
	cfg.Rand = iotest.OneByteReader(strings.NewReader(strings.Repeat("m", 32)))
	require.Equal(t, strings.Repeat("m", 32), string(rawOf(t, tokenOf(t, newGuard(t, cfg), ann, ""))[1:33]))
	cfg.Rand = strings.NewReader(strings.Repeat("m", 31))
	_, err = newGuard(t, cfg).Token(ann, "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	broken := errors.New("no entropy")
	cfg.Rand = iotest.ErrReader(broken)
	g = newGuard(t, cfg)
	_, err = g.Token(ann, "")
	require.ErrorIs(t, err, broken)
	_, err = g.Nonce()
	require.ErrorIs(t, err, broken)
}

// The new secret makes tokens, the retired ones only count, and what was dropped does not.
func TestRotation(t *testing.T) {
	type tokens map[string]string
	steps := []struct {
		desc    string
		secret  string
		retired []string
	}{
		{"before", "a", nil}, {"announced", "a", []string{"b"}}, {"exchanged", "b", []string{"a"}}, {"after", "b", nil},
		{"several", "c", []string{"x", "b", "a", "y"}},
	}
	made := tokens{}
	for _, secret := range []string{"a", "b", "c"} {
		made[secret] = tokenOf(t, newGuard(t, csrf.Config{Secret: secretOf(secret)}), ann, "")
	}
	for _, step := range steps {
		t.Run(step.desc, func(t *testing.T) {
			cfg := csrf.Config{Secret: secretOf(step.secret)}
			known := step.secret + strings.Join(step.retired, "")
			for _, s := range step.retired {
				cfg.RetiredSecrets = append(cfg.RetiredSecrets, secretOf(s))
			}
			g := newGuard(t, cfg)
			for secret, token := range made {
				if strings.Contains(known, secret) {
					require.NoError(t, g.Verify(token, ann, ""), secret)
				} else {
					require.Equal(t, csrf.ErrToken, g.Verify(token, ann, ""), secret)
				}
				require.Equal(t, csrf.ErrToken, g.Verify(token, bob, ""), secret)
			}
			require.Equal(t, macOf(t, made[step.secret]), macOf(t, tokenOf(t, g, ann, "")))
		})
	}
}

// A process has one secret of its own, so that two guards in it agree.
func TestGuardsOfOneProcess(t *testing.T) {
	a, b := newGuard(t, csrf.Config{}), newGuard(t, csrf.Config{HeaderName: "X-Token"})
	require.NoError(t, b.Verify(tokenOf(t, a, ann, ""), ann, ""))
	own := newGuard(t, csrf.Config{Rand: strings.NewReader(strings.Repeat("r", 64))})
	require.Equal(t, csrf.ErrToken, a.Verify(tokenOf(t, own, ann, ""), ann, ""))
}

func TestNoTokens(t *testing.T) {
	token := tokenOf(t, newGuard(t, csrf.Config{}), ann, "")
	for desc, g := range map[string]*csrf.Guard{"off": newGuard(t, csrf.Config{InsecureNoTokens: true}), "zero": {}} {
		require.False(t, g.Tokens(), desc)
		_, err := g.Token(ann, "")
		require.Error(t, err, desc)
		require.Equal(t, csrf.ErrToken, g.Verify(token, ann, ""), desc)
	}
}

func TestNonce(t *testing.T) {
	g := newGuard(t, csrf.Config{})
	a, err := g.Nonce()
	require.NoError(t, err)
	b, err := g.Nonce()
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, a)
	require.True(t, csrf.IsNonce(a))
	_, err = g.Cookie().Set(a, csrfDay)
	require.NoError(t, err)
	zero := strings.Repeat("A", 43)
	require.True(t, csrf.IsNonce(zero))
	for _, value := range []string{
		"", " ", "x", zero[1:], zero + "A", zero + "=", zero[1:] + "B", zero[1:] + "\n", "\n" + zero, zero[1:] + "*", zero[1:] + "+", `"` + zero[2:] + `"`,
	} {
		require.False(t, csrf.IsNonce(value), "%q", value)
	}
}

func TestAction(t *testing.T) {
	require.Equal(t, "POST /transfer", csrf.Action("POST", "/transfer"))
}

func TestTokensInParallel(t *testing.T) {
	g := newGuard(t, csrf.Config{Secret: secretOf("s"), RetiredSecrets: [][]byte{secretOf("r")}})
	var wg sync.WaitGroup
	for _, b := range []csrf.Binding{ann, bob, csrf.ToVisitor("v"), csrf.ToVisitor("w")} {
		wg.Go(func() {
			for range 200 {
				for _, action := range []string{"", "POST /a"} {
					token, err := g.Token(b, action)
					if err != nil || g.Verify(token, b, "POST /a") != nil || g.Verify(token, csrf.ToLogin("eve"), "POST /a") == nil {
						t.Errorf("%v %q: %v", b, action, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// What is counted is the least of many runs, because the race detector makes a pool forget
// some of what it is given.
func TestVerifyAllocatesNothing(t *testing.T) {
	g := newGuard(t, csrf.Config{Secret: secretOf("s"), RetiredSecrets: [][]byte{secretOf("r")}})
	action := csrf.Action("POST", "/transfer")
	for desc, token := range map[string]string{
		"general": tokenOf(t, g, ann, ""), "action": tokenOf(t, g, ann, action), "forged": tokenOf(t, g, bob, ""),
		"retired": tokenOf(t, newGuard(t, csrf.Config{Secret: secretOf("r")}), ann, ""), "malformed": strings.Repeat("x", 1000),
	} {
		t.Run(desc, func(t *testing.T) {
			least := 1.0
			for range 50 {
				least = min(least, testing.AllocsPerRun(1, func() { _ = g.Verify(token, ann, action) }))
			}
			require.Zero(t, least)
		})
	}
}

// FuzzVerify: what is accepted is, byte for byte, what Token makes for the same binding and
// action with the same mask. So there is one spelling of each token, and no way to one but
// through the Guard.
func FuzzVerify(f *testing.F) {
	for _, action := range []string{"", "POST /transfer"} {
		token := tokenOf(f, newGuard(f, fleet), ann, action)
		f.Add(token, "POST /transfer", true)
		f.Add(token[:86]+"\n", "", true)
		f.Add(token+"=", "POST /", false)
	}
	f.Add(strings.Repeat("A", 87), "", false)
	f.Fuzz(func(t *testing.T, token, action string, login bool) {
		b := csrf.ToVisitor(strings.Repeat("a", 32))
		if login {
			b = ann
		}
		made := func(mask []byte, action string) string {
			cfg := fleet
			cfg.Rand = bytes.NewReader(mask)
			return tokenOf(t, newGuard(t, cfg), b, action)
		}
		g := newGuard(t, fleet)
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if g.Verify(token, b, action) == nil {
			require.NoError(t, err)
			require.Len(t, raw, 65)
			kinds := []string{made(raw[1:33], "")}
			if action != "" {
				kinds = append(kinds, made(raw[1:33], action))
			}
			require.Contains(t, kinds, token)
		}
		if err == nil && len(raw) >= 32 {
			// The other way round: whatever the mask, what is made is accepted.
			require.NoError(t, g.Verify(made(raw[:32], action), b, action))
			if other := made(raw[:32], action+"x"); action != "" {
				require.Equal(t, csrf.ErrToken, g.Verify(other, b, action))
			}
		}
	})
}

func BenchmarkToken(b *testing.B) {
	g := newGuard(b, fleet)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Token(ann, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	g := newGuard(b, csrf.Config{Secret: secretOf("s"), RetiredSecrets: [][]byte{secretOf("q"), secretOf("r"), secretOf("t"), secretOf("u")}})
	action := csrf.Action("POST", "/transfer")
	for _, bc := range []struct {
		desc, token string
		want        error
	}{
		{"general", tokenOf(b, g, ann, ""), nil},
		{"action", tokenOf(b, g, ann, action), nil},
		{"oldest secret", tokenOf(b, newGuard(b, csrf.Config{Secret: secretOf("u")}), ann, ""), nil},
		{"forged", tokenOf(b, g, bob, ""), csrf.ErrToken},
		{"malformed", strings.Repeat("A", 86) + "B", csrf.ErrToken},
		{"long", strings.Repeat("A", 1<<20), csrf.ErrToken},
	} {
		b.Run(bc.desc, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if g.Verify(bc.token, ann, action) != bc.want {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}
