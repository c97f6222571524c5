package token

import (
	"context"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// refusedFor requires that raw is refused, for that reason and no other, the same way
// twice.
func (d *desk) refusedFor(t *testing.T, raw string, class error, cause audit.Cause) {
	t.Helper()
	for range 2 {
		got, err := d.Verify(t.Context(), raw)
		require.Nil(t, got)
		require.ErrorIs(t, err, class)
		var r *Refusal
		require.ErrorAs(t, err, &r)
		require.Equal(t, cause, r.Cause)
	}
}

func TestVerify(t *testing.T) {
	for _, alg := range []Algorithm{RS256, PS256, ES256, ES384, EdDSA, HS256} {
		t.Run(string(alg), func(t *testing.T) {
			d := newDeskOf(t, newPen(t, alg, "k1"), nil)
			raw := d.good(t)
			for range 2 {
				got, err := d.Verify(t.Context(), raw)
				require.NoError(t, err)
				require.Equal(t, Claims{
					Issuer: theIssuer, Subject: "ann", Audience: []string{theAudience},
					ID: "6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11", ClientID: "web", Session: theSession, Epoch: 3,
					IssuedAt: time.Unix(theTime, 0).UTC(), Expires: time.Unix(theTime+900, 0).UTC(),
					AuthTime: time.Unix(theTime-10, 0).UTC(),
					Methods:  []string{"pwd", "otp"}, Roles: []string{"admin", "staff"}, Scopes: []string{"read", "write"},
				}, got.Claims())
				require.Equal(t, core.Principal{
					Subject: "ann", Roles: []string{"admin", "staff"}, Scopes: []string{"read", "write"},
					Session: theSession, Epoch: 3, AuthTime: time.Unix(theTime-10, 0).UTC(), Method: "pwd",
				}, got.Principal())
				require.True(t, got.HasRole("admin"))
				require.False(t, got.HasRole("Admin"))
				require.True(t, got.HasScope("write"))
				require.False(t, got.HasScope("read write"))
			}
		})
	}
}

func TestVerifyAcceptsWhatIsNotCompulsory(t *testing.T) {
	d := newDesk(t, nil)
	raw := d.good(t, "jti", "", "sid", "", "sep", "", "auth_time", "", "roles", "", "scope", "", "amr", "", "client_id", "")
	got, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, core.Principal{Subject: "ann"}, got.Principal())

	got, err = d.Verify(t.Context(), d.good(t, "roles", ""))
	require.NoError(t, err)
	require.Nil(t, got.Principal().Roles)
	require.Equal(t, []string{"read", "write"}, got.Principal().Scopes)

	for desc, change := range map[string][]string{
		"audience in an array":     {"aud", `["` + theAudience + `"]`},
		"audience twice":           {"aud", `["` + theAudience + `","` + theAudience + `"]`},
		"empty scope":              {"scope", `""`},
		"empty roles":              {"roles", `[]`},
		"255 bytes of subject":     {"sub", `"` + strings.Repeat("s", 255) + `"`},
		"escapes":                  {"iss", `"https:\/\/auth\u002eexample"`},
		"private claims":           {"x", `{"SUB":[1,2.5e3,{"a":null}],"exp":"late"}`},
		"nbf now":                  {"nbf", "1700000000"},
		"nbf at the leeway":        {"nbf", "1700000030"},
		"iat at the leeway":        {"iat", "1700000030"},
		"auth_time at the leeway":  {"auth_time", "1700000030"},
		"exp past, in the leeway":  {"exp", "1699999971"},
		"exp as late as there are": {"exp", "9007199254740992"},
		"white space":              {"x", " [ ] \t\n"},
		"128 members":              {"x", "0" + strings.Join(numbered(`,"m%d":0`, 114), "")},
	} {
		_, err := d.Verify(t.Context(), d.good(t, change...))
		require.NoError(t, err, desc)
	}
	for desc, header := range map[string]string{
		"media type in full":  `{"alg":"EdDSA","kid":"k1","typ":"application/at+jwt"}`,
		"media type in caps":  `{"alg":"EdDSA","kid":"k1","typ":"AT+JWT"}`,
		"both":                `{"alg":"EdDSA","kid":"k1","typ":"Application/At+Jwt"}`,
		"unknown members":     `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x5t":"a","org":{"id":[1]}}`,
		"escapes":             `{"al\u0067":"Ed\u0044SA","kid":"k\u0031","typ":"at+jwt"}`,
		"white space":         " {\"alg\" : \"EdDSA\",\n\"kid\":\"k1\",\t\"typ\":\"at+jwt\"}\r\n",
		"names nest in peace": `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","a":{"alg":1},"b":{"alg":2}}`,
	} {
		_, err := d.Verify(t.Context(), d.sign(t, header, claimsOf()))
		require.NoError(t, err, desc)
	}
}

// Rows are named by the attack catalogue's families.
func TestVerifyRefusesHeaders(t *testing.T) {
	d := newDesk(t, nil)
	good := d.good(t)
	parts := strings.Split(good, ".")
	rows := []struct {
		desc, header string
		want         audit.Cause
	}{
		{"J7 no kid", `{"alg":"EdDSA","typ":"at+jwt"}`, "kid"},
		{"J7 empty kid", `{"alg":"EdDSA","typ":"at+jwt","kid":""}`, "kid"},
		{"J7 null kid", `{"alg":"EdDSA","typ":"at+jwt","kid":null}`, "kid"},
		{"J7 array kid", `{"alg":"EdDSA","typ":"at+jwt","kid":["k1"]}`, "kid"},
		{"J7 object kid", `{"alg":"EdDSA","typ":"at+jwt","kid":{"k1":1}}`, "kid"},
		{"J7 long kid", `{"alg":"EdDSA","typ":"at+jwt","kid":"` + strings.Repeat("k", 257) + `"}`, "kid"},
		{"J7 longest kid", `{"alg":"EdDSA","typ":"at+jwt","kid":"` + strings.Repeat("k", 256) + `"}`, "kid-unknown"},
		{"J7 path", `{"alg":"EdDSA","typ":"at+jwt","kid":"../../dev/null"}`, "kid-unknown"},
		{"J7 SQL", `{"alg":"EdDSA","typ":"at+jwt","kid":"k1' or '1'='1"}`, "kid-unknown"},
		{"J6 URL", `{"alg":"EdDSA","typ":"at+jwt","kid":"https://evil.example/k1"}`, "kid-unknown"},
		{"no typ", `{"alg":"EdDSA","kid":"k1"}`, "typ"},
		{"null typ", `{"alg":"EdDSA","kid":"k1","typ":null}`, "typ"},
		{"J15 JWT", `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`, "typ"},
		{"J15 logout token", `{"alg":"EdDSA","kid":"k1","typ":"logout+jwt"}`, "typ"},
		{"another tree", `{"alg":"EdDSA","kid":"k1","typ":"text/at+jwt"}`, "typ"},
		{"the tree twice", `{"alg":"EdDSA","kid":"k1","typ":"application/application/at+jwt"}`, "typ"},
		{"the tree alone", `{"alg":"EdDSA","kid":"k1","typ":"application/"}`, "typ"},
		{"folded beyond ASCII", `{"alg":"EdDSA","kid":"k1","typ":"at+ĵwt"}`, "typ"},
		{"J11 duplicate alg", `{"alg":"EdDSA","alg":"EdDSA","kid":"k1","typ":"at+jwt"}`, "header-duplicate"},
		{"J11 duplicate by escape", `{"alg":"EdDSA","kid":"k1","\u006bid":"k1","typ":"at+jwt"}`, "header-duplicate"},
		{"J11 duplicate below", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":{"a":1,"a":1}}`, "header-duplicate"},
		{"J11 case variant", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","ALG":"none"}`, "header-case"},
		{"J11 case variant alone", `{"Alg":"EdDSA","kid":"k1","typ":"at+jwt"}`, "header-case"},
		{"J11 Kelvin", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","` + "\u212a" + `id":"k1"}`, "header-case"},
		{"J11 variants of the unknown", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","xx":1,"xX":1}`, "header-case"},
		{"J11 CRIT", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","CRIT":["x"]}`, "header-case"},
		{"J11 BOM", "\ufeff" + d.header(), "header-json"},
		{"J11 trailing", d.header() + "{}", "header-json"},
		{"J11 trailing NUL", d.header() + "\x00", "header-json"},
		{"J11 not UTF-8", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":"` + "\xff" + `"}`, "header-utf8"},
		{"J11 half a surrogate pair", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":"\ud800"}`, "header-utf8"},
		{"J11 UTF-16", "\x00{\x00}", "header-json"},
		{"array", `["alg"]`, "header-json"},
		{"null", `null`, "header-json"},
		{"too deep", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":[[[[]]]]}`, "header-depth"},
		{"too many", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"` + strings.Join(numbered(`,"m%d":0`, 30), "") + `}`, "header-members"},
	}
	for _, alg := range []string{
		`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `" none"`, `""`, `null`, `0`, `["EdDSA"]`, `"eddsa"`, `"EDDSA"`, `"EdDSA "`,
		`"HS256"`, `"HS384"`, `"RS256"`, `"RS512"`, `"PS256"`, `"ES256"`, `"ES384"`, `"Ed25519"`, `"RSA1_5"`, `"dir"`,
	} {
		rows = append(rows, struct {
			desc, header string
			want         audit.Cause
		}{"J1 J4 alg " + alg, `{"alg":` + alg + `,"kid":"k1","typ":"at+jwt"}`, "alg"})
	}
	for _, name := range []string{"crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "enc", "zip", "epk", "apu", "apv", "iv", "tag", "p2c", "p2s"} {
		for _, value := range []string{`null`, `"x"`, `[]`, `["x"]`, `["alg"]`, `false`, `{}`, `2147483648`} {
			rows = append(rows, struct {
				desc, header string
				want         audit.Cause
			}{"J5 J10 J18 " + name + " " + value, `{"alg":"EdDSA","` + name + `":` + value + `,"kid":"k1","typ":"at+jwt"}`, audit.Cause(name)})
		}
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			d.refusedFor(t, d.sign(t, row.header, claimsOf()), ErrInvalid, row.want)
			// Whatever the signature is.
			d.refusedFor(t, b64(row.header)+"."+parts[1]+".", ErrInvalid, row.want)
		})
	}
	t.Run("J1 no alg", func(t *testing.T) {
		d.refusedFor(t, d.sign(t, `{"kid":"k1","typ":"at+jwt"}`, claimsOf()), ErrInvalid, "alg")
	})
}

func numbered(format string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf(format, i))
	}
	return list
}

func TestVerifyRefusesClaims(t *testing.T) {
	d := newDesk(t, nil)
	type row struct {
		desc   string
		change []string
		want   audit.Cause
	}
	rows := []row{
		{"J14 missing", []string{"iss", ""}, "iss"},
		{"J14 null", []string{"iss", "null"}, "iss"},
		{"J14 array", []string{"iss", `["` + theIssuer + `"]`}, "iss"},
		{"J14 other", []string{"iss", `"https://evil.example"`}, "iss-mismatch"},
		{"J14 empty", []string{"iss", `""`}, "iss-mismatch"},
		{"J14 prefix", []string{"iss", `"https://auth.exampl"`}, "iss-mismatch"},
		{"J14 longer", []string{"iss", `"https://auth.example.evil.example"`}, "iss-mismatch"},
		{"J14 slash", []string{"iss", `"https://auth.example/"`}, "iss-mismatch"},
		{"J14 case", []string{"iss", `"https://AUTH.example"`}, "iss-mismatch"},

		{"J13 missing", []string{"aud", ""}, "aud"},
		{"J13 null", []string{"aud", "null"}, "aud"},
		{"J13 empty", []string{"aud", `""`}, "aud"},
		{"J13 empty array", []string{"aud", `[]`}, "aud"},
		{"J13 array of empty", []string{"aud", `[""]`}, "aud"},
		{"J13 ours and empty", []string{"aud", `["` + theAudience + `",""]`}, "aud"},
		{"J13 array with number", []string{"aud", `["` + theAudience + `",1]`}, "aud"},
		{"J13 array in array", []string{"aud", `[["` + theAudience + `"]]`}, "aud"},
		{"J13 object", []string{"aud", `{"` + theAudience + `":1}`}, "aud"},
		{"J13 other", []string{"aud", `"https://other.example"`}, "aud-mismatch"},
		{"J13 substring", []string{"aud", `"https://api.exampl"`}, "aud-mismatch"},
		{"J13 superset", []string{"aud", `"https://api.example.org"`}, "aud-mismatch"},
		{"J13 case", []string{"aud", `"https://API.example"`}, "aud-mismatch"},
		{"J13 ours among others", []string{"aud", `["` + theAudience + `","https://other.example"]`}, "aud-mismatch"},

		{"J25 missing", []string{"sub", ""}, "sub"},
		{"J25 empty", []string{"sub", `""`}, "sub"},
		{"J25 null", []string{"sub", `null`}, "sub"},
		{"J25 number", []string{"sub", `0`}, "sub"},
		{"J25 object", []string{"sub", `{"id":1}`}, "sub"},
		{"J25 array", []string{"sub", `["ann"]`}, "sub"},
		{"J25 long", []string{"sub", `"` + strings.Repeat("s", 256) + `"`}, "sub"},

		{"jti number", []string{"jti", "1"}, "jti"},
		{"client_id number", []string{"client_id", "1"}, "client_id"},
		{"sid null", []string{"sid", "null"}, "sid"},
		{"sep string", []string{"sep", `"3"`}, "sep"},
		{"sep float", []string{"sep", `3.0`}, "sep"},
		{"sep negative", []string{"sep", `-1`}, "sep"},
		{"sep beyond what readers agree on", []string{"sep", `9007199254740993`}, "sep"},
		{"sep null", []string{"sep", `null`}, "sep"},
		{"roles string", []string{"roles", `"admin"`}, "roles"},
		{"roles with empty", []string{"roles", `["admin",""]`}, "roles"},
		{"roles with null", []string{"roles", `["admin",null]`}, "roles"},
		{"roles null", []string{"roles", `null`}, "roles"},
		{"bound to a key", []string{"cnf", `{"jkt":"x"}`}, "cnf"},
		{"bound to nothing", []string{"cnf", "null"}, "cnf"},
		{"amr string", []string{"amr", `"pwd"`}, "amr"},
		{"amr with number", []string{"amr", `["pwd",1]`}, "amr"},
		{"scope array", []string{"scope", `["read"]`}, "scope"},
		{"scope null", []string{"scope", `null`}, "scope"},
		{"scope double blank", []string{"scope", `"read  write"`}, "scope"},
		{"scope leading blank", []string{"scope", `" read"`}, "scope"},
		{"scope trailing blank", []string{"scope", `"read "`}, "scope"},
		{"scope tab", []string{"scope", `"read\twrite"`}, "scope"},
		{"scope quote", []string{"scope", `"re\"ad"`}, "scope"},
		{"scope backslash", []string{"scope", `"re\\ad"`}, "scope"},
		{"scope not ASCII", []string{"scope", `"lésen"`}, "scope"},

		{"J12 iat missing", []string{"iat", ""}, "iat"},
		{"J12 exp missing", []string{"exp", ""}, "exp"},
		{"J12 iat future", []string{"iat", "1700000031"}, "iat-future"},
		{"J12 nbf future", []string{"nbf", "1700000031"}, "nbf-future"},
		{"J12 auth_time future", []string{"auth_time", "1700000031"}, "auth_time-future"},

		{"J11 duplicate sub", []string{"x", `0,"sub":"root"`}, "claims-duplicate"},
		{"J11 duplicate exp", []string{"x", `0,"exp":1700000900`}, "claims-duplicate"},
		{"J11 duplicate aud", []string{"x", `0,"aud":"` + theAudience + `"`}, "claims-duplicate"},
		{"J11 duplicate below", []string{"x", `[{"a":{"b":1,"b":2}}]`}, "claims-duplicate"},
		{"J11 SUB", []string{"SUB", `"root"`}, "claims-case"},
		{"J11 Exp", []string{"Exp", `9999999999`}, "claims-case"},
		{"J11 long s", []string{"\u017fub", `"root"`}, "claims-case"},
		{"J11 long s by escape", []string{`\u017fub`, `"root"`}, "claims-case"},
		{"J11 variant of what is absent", []string{"sep", "", "SEP", "9"}, "claims-case"},
		{"J11 private variants", []string{"tenant", `1`, "Tenant", `2`}, "claims-case"},
		{"J11 not UTF-8", []string{"x", "\"\xc3\""}, "claims-utf8"},
		{"J11 half a surrogate pair", []string{"x", `"\udc00"`}, "claims-utf8"},
		{"J11 comma", []string{"x", `1,`}, "claims-json"},
		{"J17 deep", []string{"x", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)}, "claims-depth"},
		{"J17 members", []string{"x", `0` + strings.Join(numbered(`,"m%d":0`, 115), "")}, "claims-members"},
		{"J12 a number that is no float64", []string{"x", `1e400`}, "claims-json"},
	}
	for claim, cause := range map[string]audit.Cause{"exp": "exp", "iat": "iat", "nbf": "nbf", "auth_time": "auth_time"} {
		for _, value := range []string{
			"null", `"1700000900"`, `""`, "true", "[]", "{}", "-1", "-0", "1700000900.0", "1700000900.5", "1.7e9", "1E9",
			"9007199254740993", "9223372036854775808", "18446744073709551616", "1e100",
		} {
			rows = append(rows, row{"J12 " + claim + " " + value, []string{claim, value}, cause})
		}
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			d.refusedFor(t, d.good(t, row.change...), ErrInvalid, row.want)
			// J26: and all the more if it is too old for that to matter.
			if row.change[0] != "exp" {
				d.refusedFor(t, d.good(t, append(row.change, "exp", "1600000000")...), ErrInvalid, row.want)
			}
		})
	}
	t.Run("J11 whole payloads", func(t *testing.T) {
		for payload, want := range map[string]audit.Cause{
			"\ufeff" + claimsOf(): "claims-json", claimsOf() + "x": "claims-json", claimsOf() + claimsOf(): "claims-json",
			"[" + claimsOf() + "]": "claims-json", `"x"`: "claims-json", "null": "claims-json", "{}": "iss", " ": "claims-json",
		} {
			d.refusedFor(t, d.sign(t, d.header(), payload), ErrInvalid, want)
		}
	})
}

func TestVerifyRefusesSerialisations(t *testing.T) {
	d := newDesk(t, nil)
	good := d.good(t)
	p := strings.Split(good, ".")
	h, c, s := p[0], p[1], p[2]
	last := func(seg string) string { // the same bytes in another spelling, where there are spare bits
		const abc = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return seg[:len(seg)-1] + string(abc[strings.IndexByte(abc, seg[len(seg)-1])|1])
	}
	require.NotZero(t, len(s)%4)
	for _, row := range []struct {
		desc, raw string
		want      audit.Cause
	}{
		{"empty", "", "segments"},
		{"opaque", "dGhpcyBpcyBub3QgYSB0b2tlbg", "segments"},
		{"J16 two segments", h + "." + c, "segments"},
		{"J16 four segments", good + "." + s, "segments"},
		{"J16 J18 five segments", h + "." + s + "." + s + "." + s + "." + s, "segments"},
		{"J16 leading dot", "." + good, "segments"},
		{"J16 trailing dot", good + ".", "segments"},
		{"J16 no header", "." + c + "." + s, "segments"},
		{"J16 no payload", h + ".." + s, "segments"},
		{"J17 dots", strings.Repeat(".", 8192), "segments"},
		{"J16 flattened", `{"protected":"` + h + `","payload":"` + c + `","signature":"` + s + `"}`, "alphabet"},
		{"J16 blank before", " " + good, "alphabet"},
		{"J16 newline after", good + "\n", "alphabet"},
		{"J16 newline inside", h[:8] + "\n" + h[8:] + "." + c + "." + s, "alphabet"},
		{"J16 carriage return inside", h + "." + c + "." + s[:8] + "\r" + s[8:], "alphabet"},
		{"J16 padding", good + "==", "alphabet"},
		{"J16 standard alphabet", h + "." + c + "." + "+" + s[1:], "alphabet"},
		{"J16 slash", h + "." + c + "." + "/" + s[1:], "alphabet"},
		{"NUL", good + "\x00", "alphabet"},
		{"not ASCII", good + "é", "alphabet"},
		{"J16 header one letter over", h + strings.Repeat("A", (5-len(h)%4)%4) + "." + c + "." + s, "header-base64"},
		{"J16 payload one letter over", h + "." + c + strings.Repeat("A", (5-len(c)%4)%4) + "." + s, "claims-base64"},
		{"J16 signature not canonical", h + "." + c + "." + last(s), "signature"},
		{"J2 no signature", h + "." + c + ".", "signature"},
		{"J2 signature cut", h + "." + c + "." + s[:len(s)-4], "signature"},
		{"J2 another's signature", h + "." + c + "." + strings.Split(d.good(t, "sub", `"bob"`), ".")[2], "signature"},
		{"J2 other claims", h + "." + b64(claimsOf("sub", `"bob"`)) + "." + s, "signature"},
		{"J2 other header", b64(`{"alg":"EdDSA","kid":"k1","typ":"at+jwt" }`) + "." + c + "." + s, "signature"},
		{"J2 flipped", h + "." + c + "." + flip(s), "signature"},
		{"J26 flipped and expired", flipped(d.good(t, "exp", "1600000000")), "signature"},
		{"J26 flipped and not yet", flipped(d.good(t, "nbf", "1800000000")), "signature"},
		{"J26 flipped and for others", flipped(d.good(t, "aud", `"other"`, "sub", "1")), "signature"},
		{"size", good + strings.Repeat("A", 8193-len(good)), "size"},
	} {
		t.Run(row.desc, func(t *testing.T) { d.refusedFor(t, row.raw, ErrInvalid, row.want) })
	}
	require.Zero(t, d.cache.bytes, "no failure is remembered")
}

func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func flipped(raw string) string {
	i := strings.LastIndexByte(raw, '.') + 1
	return raw[:i] + flip(raw[i:])
}

// J4, J9 (CVE-2022-21449): r and s are numbers between 1 and n-1, of fixed length.
func TestVerifyRefusesECDSASignatures(t *testing.T) {
	for _, alg := range []Algorithm{ES256, ES384} {
		d := newDeskOf(t, newPen(t, alg, "k1"), nil)
		size := map[Algorithm]int{ES256: 32, ES384: 48}[alg]
		good := d.good(t)
		signed := good[:strings.LastIndexByte(good, '.')]
		sig, err := base64.RawURLEncoding.DecodeString(good[len(signed)+1:])
		require.NoError(t, err)
		require.Len(t, sig, 2*size)
		r, s := sig[:size], sig[size:]
		zero := make([]byte, size)
		s256, _ := schemeOf(alg)
		n := s256.curve.Params().N.FillBytes(make([]byte, size))
		der, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
		require.NoError(t, err)
		join := func(parts ...[]byte) (b []byte) {
			for _, p := range parts {
				b = append(b, p...)
			}
			return b
		}
		for desc, sig := range map[string][]byte{
			"r = s = 0": join(zero, zero), "r = 0": join(zero, s), "s = 0": join(r, zero),
			"r = n": join(n, s), "s = n": join(r, n), "one short": sig[:2*size-1], "one long": append(sig[:2*size:2*size], 0),
			"zero before": append([]byte{0}, sig...), "DER": der, "empty": {}, "twice": join(sig, sig), "swapped": join(s, r),
		} {
			t.Run(string(alg)+" "+desc, func(t *testing.T) {
				d.refusedFor(t, signed+"."+base64.RawURLEncoding.EncodeToString(sig), ErrInvalid, "signature")
			})
		}
	}
}

// J9: a MAC that is cut is a smaller lock.
func TestVerifyRefusesShortMACs(t *testing.T) {
	d := newDeskOf(t, newPen(t, HS256, "k1"), nil)
	good := d.good(t)
	signed := good[:strings.LastIndexByte(good, '.')]
	mac, err := base64.RawURLEncoding.DecodeString(good[len(signed)+1:])
	require.NoError(t, err)
	for n := range len(mac) {
		d.refusedFor(t, signed+"."+base64.RawURLEncoding.EncodeToString(mac[:n]), ErrInvalid, "signature")
	}
	d.refusedFor(t, signed+"."+base64.RawURLEncoding.EncodeToString(append(mac, 0)), ErrInvalid, "signature")
}

// J4: the key's algorithm, the token's and one that is allowed are the same.
func TestVerifyBindsAlgorithmToKey(t *testing.T) {
	rs, ps := newPen(t, RS256, "k1"), newPen(t, PS256, "k1")
	ps.priv = rs.priv
	d := newDeskOf(t, rs, func(c *VerifierConfig) { c.Issuers[0].Algorithms = []Algorithm{RS256, PS256, HS256} })
	_, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	d.refusedFor(t, ps.sign(t, ps.header(), claimsOf()), ErrInvalid, "key-alg")
	// J3 (CVE-2015-9235): no text of a public key is a MAC's key.
	hs := &pen{alg: HS256, kid: "k1", priv: []byte("-----BEGIN PUBLIC KEY-----")}
	d.refusedFor(t, hs.sign(t, hs.header(), claimsOf()), ErrInvalid, "key-alg")
	d = newDeskOf(t, ps, func(c *VerifierConfig) { c.Issuers[0].Algorithms = []Algorithm{PS256} })
	d.refusedFor(t, rs.sign(t, rs.header(), claimsOf()), ErrInvalid, "alg")
}

// J22 (CVE-2026-49998): two issuers may name their keys the same.
func TestVerifyAsksTheIssuersOwnKeys(t *testing.T) {
	a, b := newPen(t, EdDSA, "k1"), newPen(t, EdDSA, "k1")
	other := &fakeKeys{keys: map[string]*verificationKey{"k1": b.pub}}
	d := newDeskOf(t, a, func(c *VerifierConfig) {
		c.Issuers = append(c.Issuers, TrustedIssuer{Name: "https://b.example", Algorithms: []Algorithm{EdDSA}, Keys: other, Type: "JWT"})
	})
	_, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	require.Zero(t, other.asked)
	ofB := claimsOf("iss", `"https://b.example"`)
	typB := `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`
	_, err = d.Verify(t.Context(), b.sign(t, typB, ofB))
	require.NoError(t, err)
	d.refusedFor(t, a.sign(t, typB, ofB), ErrInvalid, "signature")
	d.refusedFor(t, b.sign(t, b.header(), claimsOf()), ErrInvalid, "signature")
	d.refusedFor(t, b.sign(t, b.header(), ofB), ErrInvalid, "typ") // each has its own
	d.refusedFor(t, a.sign(t, typB, claimsOf()), ErrInvalid, "typ")
}

// J12: what is inside and what is outside, to the nanosecond.
func TestVerifyLeeway(t *testing.T) {
	for _, row := range []struct {
		leeway time.Duration
		want   time.Duration
	}{{0, 30 * time.Second}, {-1, 0}, {time.Second, time.Second}, {5 * time.Minute, 5 * time.Minute}} {
		d := newDesk(t, func(c *VerifierConfig) { c.Leeway = row.leeway })
		raw := d.good(t, "nbf", "1700000000")
		early := d.good(t, "iat", "1699990000", "nbf", "1700000000", "auth_time", "")
		iat := d.good(t, "iat", "1700000000", "auth_time", "")
		auth := d.good(t, "iat", "1699990000", "auth_time", "1700000000")
		for range 2 { // verified, and remembered
			d.at(900*time.Second + row.want - 1)
			_, err := d.Verify(t.Context(), raw)
			require.NoError(t, err)
			d.at(900*time.Second + row.want)
			d.refusedFor(t, raw, ErrExpired, "expired")
			for other, cause := range map[string]audit.Cause{early: "nbf-future", iat: "iat-future", auth: "auth_time-future"} {
				d.at(-row.want)
				_, err = d.Verify(t.Context(), other)
				require.NoError(t, err)
				d.at(-row.want - 1)
				d.refusedFor(t, other, ErrInvalid, cause)
			}
		}
	}
}

func TestVerifyAudiences(t *testing.T) {
	d := newDesk(t, func(c *VerifierConfig) { c.AllowOtherAudiences = true })
	for _, aud := range []string{`["` + theAudience + `","https://other.example"]`, `["https://other.example","` + theAudience + `"]`, `"` + theAudience + `"`} {
		got, err := d.Verify(t.Context(), d.good(t, "aud", aud))
		require.NoError(t, err)
		require.Contains(t, got.Claims().Audience, theAudience)
	}
	d.refusedFor(t, d.good(t, "aud", `["https://other.example"]`), ErrInvalid, "aud-mismatch")
	d.refusedFor(t, d.good(t, "aud", `["`+theAudience+`",""]`), ErrInvalid, "aud")
	d.refusedFor(t, d.good(t, "aud", `[]`), ErrInvalid, "aud")
}

func TestVerifyKeyState(t *testing.T) {
	outage := fmt.Errorf("%w: nobody home", core.ErrUnknown)
	for _, row := range []struct {
		desc  string
		err   error
		class error
		cause audit.Cause
	}{
		{"gone", errUnknownKey, ErrInvalid, "kid-unknown"},
		{"revoked", errKeyRevoked, ErrInvalid, "key-revoked"},
		{"revoked, wrapped", fmt.Errorf("ring: %w", errKeyRevoked), ErrInvalid, "key-revoked"},
		{"unknown", outage, core.ErrUnknown, ""},
		{"anything else", errors.New("odd"), core.ErrUnknown, ""},
	} {
		t.Run(row.desc, func(t *testing.T) {
			d := newDesk(t, nil)
			seen, unseen := d.good(t), d.good(t, "sub", `"bob"`)
			_, err := d.Verify(t.Context(), seen)
			require.NoError(t, err)
			d.keys.set("k1", d.pub, row.err)
			for _, raw := range []string{seen, unseen, seen} {
				if row.cause != "" {
					d.refusedFor(t, raw, row.class, row.cause)
					continue
				}
				got, err := d.Verify(t.Context(), raw)
				require.Nil(t, got)
				require.ErrorIs(t, err, row.class)
				require.ErrorIs(t, err, row.err)
				require.NotErrorIs(t, err, ErrInvalid)
			}
			d.keys.set("k1", d.pub, nil)
			for _, raw := range []string{seen, unseen} {
				_, err := d.Verify(t.Context(), raw)
				require.NoError(t, err)
			}
		})
	}
	t.Run("another key of that name", func(t *testing.T) {
		d := newDesk(t, nil)
		raw := d.good(t)
		first, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
		d.keys.set("k1", newPen(t, EdDSA, "k1").pub, nil)
		d.refusedFor(t, raw, ErrInvalid, "signature")
		same := *d.pub // the same key, fetched again
		d.keys.set("k1", &same, nil)
		second, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
		require.NotSame(t, first, second)
	})
}

func TestVerifyRevocations(t *testing.T) {
	store := memstore.Default()
	registry, err := revocation.New(store, revocation.Config{Secret: []byte(strings.Repeat("s", 32))})
	require.NoError(t, err)
	d := newDesk(t, func(c *VerifierConfig) { c.Issuers[0].Revocations = registry })
	raw := d.good(t, "sep", "0")
	ctx := t.Context()
	_, err = d.Verify(ctx, raw)
	require.NoError(t, err)
	d.refusedFor(t, d.good(t, "sid", "", "sep", "0"), ErrInvalid, "sid")
	d.refusedFor(t, d.good(t, "sid", `"not a handle"`, "sep", "0"), ErrInvalid, "sid")
	require.NoError(t, registry.RevokeSession(ctx, "ann", theSession))
	d.refusedFor(t, raw, ErrRevoked, "revoked")
	another := d.good(t, "sid", `"AAAAAAAAAAAAAAAAAAAAAA"`, "sep", "0")
	_, err = d.Verify(ctx, another)
	require.NoError(t, err)
	require.NoError(t, registry.LogoutEverywhere(ctx, "ann"))
	d.refusedFor(t, another, ErrRevoked, "revoked")
	epoch, err := registry.Epoch(ctx, "ann")
	require.NoError(t, err)
	_, err = d.Verify(ctx, d.good(t, "sid", `"AAAAAAAAAAAAAAAAAAAAAA"`, "sep", strconv.FormatUint(epoch, 10)))
	require.NoError(t, err, "issued since")
	// Expired wins: it was over anyway, and nobody has to be asked.
	d.at(time.Hour)
	d.refusedFor(t, another, ErrExpired, "expired")
}

type deadStore struct{ revocation.Store }

func (deadStore) Revoked(context.Context, revocation.Owner, revocation.Asked) (revocation.Found, error) {
	return revocation.Found{}, errors.New("no answer")
}

func TestVerifyRevocationsUnknown(t *testing.T) {
	registry, err := revocation.New(deadStore{}, revocation.Config{})
	require.NoError(t, err)
	d := newDesk(t, func(c *VerifierConfig) { c.Issuers[0].Revocations = registry })
	raw := d.good(t)
	for range 2 {
		got, err := d.Verify(t.Context(), raw)
		require.Nil(t, got)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.NotErrorIs(t, err, ErrInvalid)
	}
	require.Zero(t, d.cache.bytes)
	d.refusedFor(t, flipped(raw), ErrInvalid, "signature")
}

func TestVerifyPrincipal(t *testing.T) {
	calls := 0
	var answer core.Principal
	var fail error
	d := newDesk(t, func(c *VerifierConfig) {
		c.Issuers[0].Principal = func(tok *Token) (core.Principal, error) {
			calls++
			require.Equal(t, "ann", tok.Principal().Subject)
			return answer, fail
		}
	})
	raw := d.good(t)
	d.refusedFor(t, raw, ErrInvalid, "principal") // no subject
	answer, fail = core.Principal{Subject: "eve"}, errors.New("not here")
	d.refusedFor(t, raw, ErrInvalid, "principal")
	fail = fmt.Errorf("directory: %w", core.ErrUnknown)
	_, err := d.Verify(t.Context(), raw)
	require.Equal(t, fail, err)
	calls, fail = 0, nil
	answer = core.Principal{Subject: "tenant/ann", Roles: []string{"owner"}, Session: "s"}
	d.at(time.Hour)
	d.refusedFor(t, raw, ErrExpired, "expired")
	require.Zero(t, calls, "it is asked about good tokens only")
	d.at(0)
	for range 3 {
		got, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
		require.Equal(t, answer, got.Principal())
		require.True(t, got.HasRole("owner"))
		require.False(t, got.HasRole("admin"))
		require.Equal(t, "ann", got.Claims().Subject)
	}
	require.Equal(t, 1, calls)
	answer.Roles[0] = "changed"
	got, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.True(t, got.HasRole("owner"))
}

// A token is shared: what one request does with what it got is not seen by another.
func TestTokenBelongsToNobody(t *testing.T) {
	d := newDesk(t, nil)
	tok, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	c, p := tok.Claims(), tok.Principal()
	for _, list := range [][]string{c.Audience, c.Methods, c.Roles, c.Scopes, p.Roles, p.Scopes} {
		for i := range list {
			list[i] = "changed"
		}
	}
	require.Equal(t, []string{"admin", "staff"}, tok.Claims().Roles)
	require.Equal(t, []string{"read", "write"}, tok.Claims().Scopes)
	require.Equal(t, []string{"pwd", "otp"}, tok.Claims().Methods)
	require.Equal(t, []string{theAudience}, tok.Claims().Audience)
	require.Equal(t, []string{"admin", "staff"}, tok.Principal().Roles)
	require.Equal(t, []string{"read", "write"}, tok.Principal().Scopes)
	p = tok.Principal()
	_ = append(p.Roles, "grown")
	require.Equal(t, []string{"read", "write"}, p.Scopes, "nor do the lists of one share anything")
	require.Zero(t, testing.AllocsPerRun(100, func() { tok.HasRole("staff"); tok.HasScope("write") }))
}

func TestFresh(t *testing.T) {
	d := newDesk(t, nil)
	tok, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	require.True(t, d.Fresh(tok, 10*time.Second))
	require.False(t, d.Fresh(tok, 10*time.Second-1))
	d.at(time.Minute)
	require.False(t, d.Fresh(tok, time.Minute))
	d.at(-40 * time.Second)
	require.True(t, d.Fresh(tok, time.Minute), "as far as clocks may differ")
	d.at(-40*time.Second - 1)
	require.False(t, d.Fresh(tok, time.Minute))
	d.at(0)
	none, err := d.Verify(t.Context(), d.good(t, "auth_time", ""))
	require.NoError(t, err)
	require.False(t, d.Fresh(none, math.MaxInt64))
	require.False(t, d.Fresh(nil, time.Hour))
}

func TestRecord(t *testing.T) {
	var events []audit.Event
	d := newDesk(t, func(c *VerifierConfig) {
		c.App = "shop"
		c.Audit = audit.SinkFunc(func(_ context.Context, e audit.Event) { events = append(events, e) })
	})
	require.Equal(t, "shop", d.App())
	tok, err := d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	require.Empty(t, events, "Verify leaves it to those who know the request")
	ip, cause := netip.MustParseAddr("192.0.2.1"), errors.New("x")
	d.Record(t.Context(), audit.AuthorizationFailed, audit.CauseRole, tok, ip, strings.Repeat("u", 300), cause)
	d.Record(t.Context(), audit.TokenRefused, "typ", nil, netip.Addr{}, "curl", nil)
	require.Equal(t, []audit.Event{
		{Time: d.now, Name: audit.AuthorizationFailed, Cause: audit.CauseRole, App: "shop", Subject: "ann", Session: theSession, ClientIP: ip, UserAgent: strings.Repeat("u", 256), Err: cause},
		{Time: d.now, Name: audit.TokenRefused, Cause: "typ", App: "shop", UserAgent: "curl"},
	}, events)
	newDesk(t, nil).Record(t.Context(), audit.TokenRefused, "typ", nil, netip.Addr{}, "", nil)
}

// RFC 7515 appendix A.1 to A.3 and RFC 8037 appendix A.4.
func TestPublishedSignatures(t *testing.T) {
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, row := range publishedVectors(t) {
		t.Run(row.desc, func(t *testing.T) {
			s, ok := schemeOf(row.alg)
			require.True(t, ok)
			require.True(t, signedBy(s.method, row.key, row.signed, row.signature))
			require.False(t, signedBy(s.method, row.key, row.signed+"A", row.signature))
			require.False(t, signedBy(s.method, row.key, row.signed, flip(row.signature)))
			require.False(t, signedBy(s.method, row.key, row.signed, row.signature+"="))
		})
	}
	doc, err := base64.RawURLEncoding.DecodeString(joe)
	require.NoError(t, err)
	set, refusal := findClaims(string(doc))
	require.Nil(t, refusal)
	iss, _ := set.iss.Text()
	require.Equal(t, "joe", iss)
	exp, ok := set.exp.Integer()
	require.True(t, ok)
	require.Equal(t, uint64(1300819380), exp)
	require.Equal(t, refusedSub, set.read(&Claims{}))
	_, refusal = parseHeader(`{"typ":"JWT",` + "\r\n" + ` "alg":"HS256"}`)
	require.Equal(t, refusedKid, refusal)
}

func TestRefusal(t *testing.T) {
	require.EqualError(t, refusedSignature, "token: invalid: signature")
	require.EqualError(t, refusedExpired, "token: expired: expired")
	require.ErrorIs(t, refusedRevoked, revocation.ErrRevoked)
}
