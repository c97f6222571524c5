package conformance

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// tokenTextCases are about texts that two readers could understand differently. All of
// them are signed with the right key, unless said otherwise.
func tokenTextCases() []Case {
	return []Case{
		critical(), duplicates(), caseVariants(), utf8JSON(), compactOnly(), jsonSerialisation(), oneSpelling(),
		encrypted(), encryptedHeaders(),
	}
}

func critical() Case {
	return Case{
		ID: "J10", Slug: "token/critical-extensions",
		Rule:   "A token with a crit or b64 header is refused, signed with the right key or not: no extension is understood here.",
		Clause: "RFC 7515 section 4.1.11; RFC 7797 section 6; CVE-2026-32597; CVE-2025-59420",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				h := d.header()
				for _, extended := range []object{
					h.add("crit", `["x"]`).add("x", "1"), h.add("crit", `["x"]`), h.add("x", "1").add("crit", `["x"]`), h.first("crit", `["x"]`),
					h.add("crit", `[]`), h.add("crit", `"x"`), h.add("crit", `null`), h.add("crit", `{}`), h.add("crit", `0`), h.add("crit", `["alg"]`),
					h.add("crit", `["typ","kid"]`), h.add("crit", `["crit"]`), h.add("crit", `["exp"]`).add("exp", d.at(0)), h.add("crit", `[null]`), h.add("crit", `["x","x"]`),
					h.add("crit", `["b64"]`).add("b64", "false"), h.add("crit", `["b64"]`).add("b64", "true"), h.add("cr\\u0069t", `["x"]`),
				} {
					d.refuses("crit", d.token(extended, d.claims()))
				}
				for _, b64 := range []string{"false", "true", `"false"`, "null", "0"} {
					d.refuses("b64", d.token(h.add("b64", b64), d.claims()))
				}
				d.refuses("header-case", d.token(h.add("Crit", `["x"]`), d.claims()))
				d.refuses("header-case", d.token(h.add("CRIT", `["b64"]`).add("B64", "false"), d.claims()))
				// Signed as RFC 7797 has it: over the claims as they are.
				detached := h.add("crit", `["b64"]`).add("b64", "false").String()
				first := b64([]byte(detached))
				sig := b64(d.sign(first + "." + d.claims().String()))
				d.refuses("crit", first+"."+b64([]byte(d.claims().String()))+"."+sig)
				d.refuses("segments", first+".."+sig)
				// Members that mean nothing to anybody are no extension.
				d.admits(d.token(h.add("x", "1").add("nonce", `"x"`).add("iat", "1"), d.claims()))
			})
		},
	}
}

func duplicates() Case {
	return Case{
		ID: "J11", Slug: "token/duplicate-members",
		Rule:   "A token in whose header or claims a name stands twice is refused, however it is written and whatever the values are.",
		Clause: "RFC 7515 section 4; RFC 7519 section 4; RFC 8259 section 4",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				h, c := d.header(), d.claims()
				for name, other := range inOrder(map[string]string{
					"alg": `"none"`, "kid": `"x"`, "typ": `"JWT"`, "x": "1",
				}) {
					twice := h.add(name, other)
					if name == "x" {
						twice = twice.add(name, "1")
					}
					same := append(slices.Clone(h), h...)
					for _, headers := range []object{twice, h.first(name, other).add(name, other), same, h.first(name, other).add(`\u00`+fmt.Sprintf("%02x", name[0])+name[1:], "1")} {
						d.refuses("header-duplicate", d.token(headers, c))
					}
				}
				for name, other := range inOrder(map[string]string{
					"iss": `"https://other.example"`, "sub": `"admin"`, "aud": `"https://other.example"`, "exp": d.at(1000), "iat": "1", "jti": `"x"`,
					"sid": `"x"`, "roles": `["admin"]`, "scope": `"admin"`, "auth_time": "1",
				}) {
					escaped := `\u00` + fmt.Sprintf("%02X", name[0]) + name[1:]
					for _, claims := range []object{
						c.add(name, other), c.first(name, other), c.add(escaped, other), c.first(escaped, other), c.add(name, "null"), c.first(name, "null"),
						append(slices.Clone(c), c...),
					} {
						d.refuses("claims-duplicate", d.token(h, claims))
					}
				}
				private := c.add("note", `"a"`)
				d.admits(d.token(h, private))
				d.refuses("claims-duplicate", d.token(h, private.add("note", `"a"`)))
				d.refuses("claims-duplicate", d.token(h, private.add("note", `"b"`)))
				d.refuses("claims-duplicate", d.token(h, c.add("note", `{"a":1,"a":2}`)))
				d.refuses("claims-duplicate", d.token(h, c.add("note", `[{"a":{"b":1,"c":2,"b":3}}]`)))
				d.refuses("claims-duplicate", d.token(h, c.add("", "1").add("", "2")))
				d.admits(d.token(h, c.add("note", `[{"a":1},{"a":2}]`)))
				// Far from each other, and with another object in between.
				inner := many(nil, 40).add("sub", "1").String()
				for _, o := range []object{many(c, 10), many(c, 100), c.add("note", inner), many(c, 20).add("note", inner)} {
					d.admits(d.token(h, o))
					d.refuses("claims-duplicate", d.token(h, o.add("sub", `"admin"`)))
					d.refuses("claims-duplicate", d.token(h, o.add("x7", "1").add("x7", "1")))
					d.refuses("claims-case", d.token(h, o.add("Sub", `"admin"`)))
				}
			})
		},
	}
}

// many adds n members of no meaning.
func many(o object, n int) object {
	o = slices.Clone(o)
	for i := range n {
		o = append(o, member{fmt.Sprintf("x%d", i), "1"})
	}
	return o
}

func caseVariants() Case {
	return Case{
		ID: "J11", Slug: "token/case-variants",
		Rule:   "A token with a name that is one of ours but for its case is refused, beside the right one or in its place.",
		Clause: "RFC 7515 section 4; RFC 7519 section 10.1.1",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				h, c := d.header(), d.claims()
				for name, variants := range inOrder(map[string][]string{
					"alg": {"ALG", "Alg", "aLg"}, "kid": {"KID", "Kid", "\u212aid", `\u212aid`}, "typ": {"TYP", "Typ"},
				}) {
					for _, v := range variants {
						value := map[string]string{"alg": `"none"`, "kid": quoted(d.kid), "typ": `"at+jwt"`}[name]
						d.refuses("header-case", d.token(h.add(v, value), c))
						d.refuses("header-case", d.token(h.first(v, value), c))
						d.refuses("header-case", d.token(h.drop(name).add(v, value), c))
					}
				}
				for name, variants := range inOrder(map[string][]string{
					"iss": {"ISS", "Iss", "i\u017fs", `is\u017f`}, "sub": {"SUB", "Sub", "\u017fub"}, "aud": {"AUD", "Aud"}, "exp": {"EXP", "Exp"}, "nbf": {"NBF"}, "iat": {"IAT"},
					"jti": {"JTI"}, "sid": {"SID", "\u017fid"}, "sep": {"SEP"}, "roles": {"ROLES", "Roles", "role\u017f"}, "scope": {"SCOPE", "Scope"}, "amr": {"AMR"},
					"auth_time": {"Auth_Time"}, "client_id": {"CLIENT_ID"},
				}) {
					for _, v := range variants {
						d.refuses("claims-case", d.token(h, c.add(v, `"admin"`)))
						d.refuses("claims-case", d.token(h, c.first(v, `"admin"`)))
						d.refuses("claims-case", d.token(h, c.drop(name).add(v, `"alice"`)))
					}
				}
				d.refuses("claims-case", d.token(h, c.add("note", "1").add("NOTE", "1")))
				d.refuses("claims-case", d.token(h, c.add("Note", "1").add("note", "1")))
				// Names that look alike and fold to nothing of ours are the issuer's own.
				d.admits(d.token(h, c.add("\u0455ub", `"admin"`).add("sub ", `"admin"`).add("Note", "1")))
			})
		},
	}
}

// utf16Of is the text in UTF-16.
func utf16Of(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func utf8JSON() Case {
	return Case{
		ID: "J11", Slug: "token/text-is-one-json-object",
		Rule:   "Header and claims are each one JSON object in UTF-8, with nothing before or after it.",
		Clause: "RFC 7515 section 5.2; RFC 8725 section 3.7; RFC 8259",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				h, c := d.header().String(), d.claims().String()
				both := func(cause string, change func(string) string) {
					t.Helper()
					d.refuses("header-"+cause, d.text(change(h), c))
					d.refuses("claims-"+cause, d.text(h, change(c)))
				}
				as := func(text string) func(string) string { return func(string) string { return text } }
				last := func(s, end string) string { return s[:len(s)-1] + end }
				d.admits(d.text(" \t\r\n"+h+"\n", "\n"+c+" \t\r\n"))
				for _, text := range []string{
					`"x"`, `[]`, `[{}]`, `null`, `true`, `0`, ` `, `{`, `}`, `{{}}`, `{"a"}`, `{"a":}`, `{:1}`, `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a":1;"b":2}`,
					`{a:1}`, `{'a':1}`, `{"a":'1'}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":undefined}`, `{"a":True}`,
					`{"a":"\x41"}`, `{"a":"\u00"}`, `{"a":"\u{41}"}`, "{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", `{"a":1}/**/`, `/**/{"a":1}`, `{"a":1//` + "\n}",
					`{"a":[1,]}`, `{"a":[}`, `{"a":{]}`,
					"\x00", "alice",
				} {
					both("json", as(text))
				}
				both("json", func(s string) string { return "\ufeff" + s })
				for _, end := range []string{"x", "\x00", "{}", `{"alg":"none","sub":"admin"}`, ",", "]", "}", "//", "\u00a0", "\u2028", "\x0b", "\x0c"} {
					both("json", func(s string) string { return s + end })
				}
				for _, start := range []string{"x", "\x00", "{}", ",", "[", "\u00a0", ")]}'\n", "while(1);"} {
					both("json", func(s string) string { return start + s })
				}
				both("json", func(s string) string { return s[:len(s)-1] })
				both("json", func(s string) string { return last(s, ",}") })
				both("json", func(s string) string { return utf16Of(s, binary.LittleEndian, false) })
				both("json", func(s string) string { return utf16Of(s, binary.BigEndian, false) })
				both("utf8", func(s string) string { return utf16Of(s, binary.LittleEndian, true) })
				both("utf8", func(s string) string { return utf16Of(s, binary.BigEndian, true) })
				for _, bad := range []string{
					"\xff", "\x80", "\xc0\xaf", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", // overlong, cut, half a pair, too high
					`\ud800`, `\udc00`, `\ud800x`, `\ud800\u0041`, `\udc00\ud800`,
				} {
					both("utf8", func(s string) string { return last(s, `,"x":"`+bad+`"}`) })
					both("utf8", func(s string) string { return last(s, `,"`+bad+`":1}`) })
				}
				d.admits(d.text(last(h, `,"x":"\ud83d\ude00 \u00e9 é 😀 \/\"\\"}`), last(c, `,"x":"\ud83d\ude00"}`)))
				d.refuses("iss", d.text(h, `{}`))
				d.refuses("alg", d.text(`{}`, c))
			})
		},
	}
}

func compactOnly() Case {
	return Case{
		ID: "J16", Slug: "token/three-parts",
		Rule:   "A token is three parts of base64url with a dot between any two, and nothing around them.",
		Clause: "RFC 7515 sections 2 and 7.1; RFC 8725bis section 3.14; CVE-2019-18848",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				good := d.good()
				h, c, s := cut(good)
				for _, raw := range []string{
					h, h + ".", "." + h, h + "." + c, "." + c + "." + s, h + ".." + s, ".." + s, ".", "..", "...", "....",
					good + ".", "." + good, good + "..", good + "." + s, good + ".x", h + "." + good, h + "." + c + "." + c + "." + s, h + "." + c + "..." + s,
					good + "." + good, strings.ReplaceAll(good, ".", ""), strings.ReplaceAll(good, ".", ".."), strings.Replace(good, ".", "", 1),
				} {
					d.refuses("segments", raw)
				}
				for _, raw := range []string{
					h + "=." + c + "." + s, h + "." + c + "=." + s, good + "=", good + "==", "=" + good, h + "==." + c + "==." + s + "==",
					"+" + good[1:], good[:len(good)-1] + "/", good + "+", good + "/", good + "%0a", good + "%00", "%65" + good[1:],
					good + "~", good + "!", good + "#", good + "?", good + ";",
					good + "&", good + ":", `"` + good + `"`, "'" + good + "'", "<" + good + ">", "(" + good + ")",
					good + "\\", good + "\u00e9", "\ufeff" + good, good + "\u200b", good + "\x80",
					strings.ReplaceAll(good, ".", "\u3002"), strings.ReplaceAll(good, ".", ":"), strings.ReplaceAll(good, ".", "/"), "jwt:" + good,
				} {
					d.refuses("alphabet", raw)
				}
				for _, raw := range []string{h + " ." + c + "." + s, good + " x", good + "\tx", "x " + good, good + " " + good, good + "," + good, good + ",", "Bearer " + good} {
					d.refusesWith(core.InvalidRequest, "transport", raw, "/api/me", "/api/optional")
				}
				// A line's end in the header field is no part of the token: whoever
				// unfolds it finds a blank, others refuse the request.
				for _, end := range []string{"\n ", "\r\n ", "\r\n\t"} {
					d.folds(authorization(h + "." + end + c + "." + s))
				}
			})
		},
	}
}

// folds sends a header line that need not arrive: whatever the server makes of it, it
// is a refusal, and nothing runs.
func (d *door) folds(line string) {
	t := d.t
	t.Helper()
	raw := d.Request("GET", "/api/me", line)
	if a := d.strain(raw); a != nil && a.Status == 200 {
		t.Failf("let in")
	}
	Equal(t, "times that the handler ran", d.ran.Swap(0), 0)
	t.Calls()
	t.Audit.Take()
}

func jsonSerialisation() Case {
	return Case{
		ID: "J16", Slug: "token/json-serialisation-is-none",
		Rule:   "The JSON serialisations are no tokens here, flattened, general, without a protected header or made to look compact.",
		Clause: "RFC 7515 section 10.7; RFC 9068 section 2; CVE-2022-39227; CVE-2024-21664; CVE-2016-9122",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				h, c, s := cut(d.good())
				admin := b64([]byte(d.claims().set("sub", `"admin"`).String()))
				protected, payload, sig := quoted(h), quoted(c), quoted(s)
				flat := object{{"protected", protected}, {"payload", payload}, {"signature", sig}}
				for _, o := range []object{
					flat, flat.drop("protected").add("header", d.header().String()), flat.drop("signature"), flat.set("signature", `""`),
					{{"payload", payload}, {"signatures", `[{"protected":` + protected + `,"signature":` + sig + `}]`}},
					{{"payload", payload}, {"signatures", `[{"protected":` + protected + `,"signature":""},{"protected":` + protected + `,"signature":` + sig + `}]`}},
					// Compact for one reader and JSON for another.
					flat.first(h+"."+admin+"."+s, `""`),
					flat.first("  "+h+"."+admin+"."+s, `""`),
					flat.add("x", `"`+h+"."+admin+"."+s+`"`),
				} {
					d.refusesWith(core.InvalidRequest, "transport", o.String(), "/api/me", "/api/optional")
					d.refuses("segments", b64([]byte(o.String())))
					d.refuses("header-json", d.text(o.String()[1:], d.claims().String()))
				}
				for _, o := range []object{{{"payload", payload}}, {{"payload", `null`}}, {}, {{h + "." + admin + "." + s, `""`}}} {
					d.refuses("alphabet", o.String())
				}
				// A token in a token.
				d.refuses("cty", d.token(d.header().add("cty", `"JWT"`), d.claims()))
				d.refuses("claims-json", d.text(d.header().String(), d.good()))
				d.refuses("claims-json", d.text(d.header().String(), quoted(d.good())))
				d.refuses("cty", d.text(d.header().add("cty", `"JWT"`).String(), d.good()))
				d.refuses("iss", d.text(d.header().String(), flat.String()))
			})
		},
	}
}

const alphabet64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// respelt are the other spellings of a part that a lenient decoder takes for the same
// bytes: with spare bits in the last character. There are none of a part without any.
func respelt(part string) []string {
	spare := map[int]int{2: 16, 3: 4}[len(part)%4]
	last := strings.IndexByte(alphabet64, part[len(part)-1])
	var out []string
	for bits := 1; bits < spare; bits++ {
		out = append(out, part[:len(part)-1]+alphabet64[last|bits:][:1])
	}
	return out
}

func oneSpelling() Case {
	return Case{
		ID: "J16", Slug: "token/one-spelling",
		Rule:   "There is one spelling of every token: spare bits, a character too many and padding make another text of it, and that is refused.",
		Clause: "RFC 7515 section 2; RFC 4648 section 3.5",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				spellings := 0
				for pad := range 3 {
					// White space within the JSON, for parts of every length.
					header, claims := d.header().String()+strings.Repeat(" ", pad), d.claims().String()+strings.Repeat(" ", pad)
					d.admits(d.text(header, claims))
					h, c := b64([]byte(header)), b64([]byte(claims))
					signedSo := func(h, c string) string { return h + "." + c + "." + b64(d.sign(h+"."+c)) }
					for _, other := range respelt(h) {
						d.refuses("header-base64", signedSo(other, c))
						spellings++
					}
					for _, other := range respelt(c) {
						d.refuses("claims-base64", signedSo(h, other))
						spellings++
					}
					if len(h)%4 == 0 {
						d.refuses("header-base64", signedSo(h+"A", c))
					}
					if len(c)%4 == 0 {
						d.refuses("claims-base64", signedSo(h, c+"A"))
					}
				}
				if spellings == 0 {
					t.Failf("no header and no claims had spare bits")
				}
				good := d.good()
				h, c, s := cut(good)
				for _, other := range respelt(s) {
					d.refuses("signature", h+"."+c+"."+other)
				}
				d.refuses("signature", h+"."+c+"."+s+strings.Repeat("A", (5-len(s)%4)%4))
				if len(s)%4 == 0 {
					d.refuses("signature", good+"A")
				}
			})
		},
	}
}

// jwe is the header of an encrypted token.
func jwe(alg, enc string) object { return object{{"alg", quoted(alg)}, {"enc", quoted(enc)}} }

func encrypted() Case {
	return Case{
		ID: "J18", Slug: "token/encrypted-is-refused",
		Rule:   "An encrypted token is refused for having five parts, before anything is derived, decrypted or decompressed.",
		Clause: "RFC 8725 sections 2.7 and 3.5; CVE-2023-51774; CVE-2024-28180; GHSA-2c7c-3mj9-8fqh",
		Run: func(t *T) {
			t.each([]token.Algorithm{token.RS256, token.ES256, token.HS256}, func(d *door) {
				claims := []byte(d.claims().String())
				iv, sealed, tag := make([]byte, 12), claims, make([]byte, 16)
				five := func(h object, key []byte, sealed []byte) string {
					return strings.Join([]string{b64([]byte(h.String())), b64(key), b64(iv), b64(sealed), b64(tag)}, ".")
				}
				p2 := jwe("PBES2-HS256+A128KW", "A128GCM").add("p2s", `"AAAAAAAAAAA"`)
				for _, h := range []object{
					p2.add("p2c", "2147483648"), p2.add("p2c", "2147483647"), p2.add("p2c", "1e9"), jwe("PBES2-HS512+A256KW", "A256CBC-HS512").add("p2c", "9999999999").add("p2s", `""`),
					jwe("dir", "A256GCM"), jwe("none", "A256GCM"), jwe("RSA1_5", "A128CBC-HS256"), jwe("RSA-OAEP", "A256GCM").add("zip", `"DEF"`), jwe("A128KW", "A128GCM"),
					jwe("ECDH-ES", "A256GCM").add("epk", jwk(testKey(token.ES256).Public()).set("x", `"AA"`).String()),
					jwe(string(d.algorithm), "A256GCM"), d.header().add("enc", `"A256GCM"`),
				} {
					for _, key := range [][]byte{nil, {0}, make([]byte, 24), make([]byte, 256)} {
						d.refuses("segments", five(h, key, sealed))
					}
					d.refuses("segments", five(h, nil, nil))
				}
				// A bomb: 8 MB in 8 KB.
				var bomb bytes.Buffer
				w, err := flate.NewWriter(&bomb, flate.BestCompression)
				t.NoError(err)
				for range 5 {
					_, err = w.Write(make([]byte, 1<<20))
					t.NoError(err)
				}
				t.NoError(w.Close())
				d.refuses("segments", five(jwe("dir", "A256GCM").add("zip", `"DEF"`), nil, bomb.Bytes()))
				// What everybody can encrypt for us is not what the issuer signed.
				if key, ok := d.key.(*rsa.PrivateKey); ok {
					sealedKey, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, make([]byte, 32), nil)
					t.NoError(err)
					h := jwe("RSA-OAEP-256", "A256GCM").add("kid", quoted(d.kid)).add("typ", `"at+jwt"`)
					additional := b64([]byte(h.String()))
					sealed, tag := sealGCM(t, make([]byte, 32), iv, claims, []byte(additional))
					d.refuses("segments", strings.Join([]string{additional, b64(sealedKey), b64(iv), b64(sealed), b64(tag)}, "."))
				}
			})
		},
	}
}

func encryptedHeaders() Case {
	return Case{
		ID: "J18", Slug: "token/signed-as-if-encrypted",
		Rule:   "A signed token whose header has a member of encrypted ones is refused for it: nobody may take it for both.",
		Clause: "RFC 8725bis section 3.3; RFC 7516 section 9",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				for name, value := range inOrder(map[string]string{
					"enc": `"A256GCM"`, "zip": `"DEF"`, "epk": `{}`, "apu": `"x"`, "apv": `"x"`, "iv": `"x"`, "tag": `"x"`, "p2c": "2147483648", "p2s": `"x"`,
				}) {
					d.refuses(name, d.token(d.header().add(name, value), d.claims()))
					d.refuses(name, d.token(d.header().first(name, value), d.claims()))
					d.refuses(name, d.token(d.header().set("alg", `"PBES2-HS256+A128KW"`).add(name, value), d.claims()))
				}
			})
		},
	}
}
