package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// tokenClaimCases are about claims that are signed and still not good enough.
func tokenClaimCases() []Case {
	return []Case{
		expiry(), notYetValid(), noLeeway(), numericDates(), audienceCase(), otherAudiences(), issuerCase(), subjectCase(),
		signatureBeforeTime(), expiredIsTheLast(), boundToken(),
	}
}

// oneAlgorithm is for rules that have nothing to do with algorithms.
var oneAlgorithm = []token.Algorithm{token.ES256}

// leeway is the verifier's default.
const leeway = 30 * time.Second

// at is a NumericDate that long after the clock's time.
func (d *door) at(after time.Duration) string {
	return fmt.Sprint(d.t.Clock.Now().Add(after).Unix())
}

// with is a token with one claim of another value.
func (d *door) with(name, value string) string {
	return d.token(d.header(), d.claims().set(name, value))
}

// without is a token that lacks a claim.
func (d *door) without(name string) string { return d.token(d.header(), d.claims().drop(name)) }

// expired checks that the token is refused as one whose time is over.
func (d *door) expired(raw string) {
	d.t.Helper()
	d.refusesWith(core.TokenExpired, "expired", raw, "/api/me", "/api/optional")
}

func expiry() Case {
	return Case{
		ID: "J12", Slug: "token/expiry",
		Rule:   "A token is good until its exp and the leeway of 30 s after it, to the moment, whether it was seen before or not.",
		Clause: "RFC 7519 section 4.1.4; DESIGN section 4",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				d.admits(d.with("exp", d.at(0)))
				d.admits(d.with("exp", d.at(-leeway+time.Second)))
				d.expired(d.with("exp", d.at(-leeway)))
				d.expired(d.with("exp", d.at(-leeway-time.Second)))
				d.expired(d.with("exp", d.at(-24*time.Hour)))
				d.expired(d.with("exp", "0"))
				d.expired(d.with("exp", "1"))
				// The same token as time goes by, and beside it one that nobody saw.
				seen, unseen := d.with("exp", d.at(10*time.Second)), d.token(d.header(), d.claims().set("exp", d.at(10*time.Second)).set("jti", `"2"`))
				d.admits(seen)
				t.Clock.Advance(10*time.Second + leeway - time.Microsecond)
				d.admits(seen)
				t.Clock.Advance(time.Microsecond)
				d.expired(seen)
				d.expired(unseen)
				t.Clock.Advance(24 * time.Hour)
				d.expired(seen)
			})
		},
	}
}

func notYetValid() Case {
	return Case{
		ID: "J12", Slug: "token/not-yet-valid",
		Rule:   "A token whose nbf, iat or auth_time is further ahead than the leeway of 30 s is refused until the clock is there, and the refusal is not remembered.",
		Clause: "RFC 7519 sections 4.1.5 and 4.1.6; DESIGN section 4",
		Run: func(t *T) {
			for _, claim := range []string{"nbf", "iat", "auth_time"} {
				t.each(oneAlgorithm, func(d *door) {
					d.admits(d.with(claim, d.at(0)))
					d.admits(d.with(claim, d.at(-time.Hour)))
					d.admits(d.with(claim, d.at(leeway)))
					ahead := d.with(claim, d.at(leeway+time.Second))
					d.refuses(claim+"-future", ahead)
					d.refuses(claim+"-future", d.with(claim, d.at(time.Hour)))
					d.refuses(claim+"-future", d.with(claim, d.at(100*365*24*time.Hour)))
					t.Clock.Advance(time.Second - time.Microsecond)
					d.refuses(claim+"-future", ahead)
					t.Clock.Advance(time.Microsecond)
					d.admits(ahead)
				})
			}
		},
	}
}

func noLeeway() Case {
	return Case{
		ID: "J12", Slug: "token/no-leeway",
		Rule:   "Without leeway a token is good from its nbf and iat on and until just before its exp.",
		Clause: "RFC 7519 sections 4.1.4 to 4.1.6",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			k.Config.Leeway = -1
			d := k.door()
			d.admits(d.with("exp", d.at(time.Second)))
			d.expired(d.with("exp", d.at(0)))
			for _, claim := range []string{"nbf", "iat", "auth_time"} {
				d.admits(d.with(claim, d.at(0)))
				d.refuses(claim+"-future", d.with(claim, d.at(time.Second)))
			}
			raw := d.with("exp", d.at(time.Second))
			d.admits(raw)
			t.Clock.Advance(time.Second - time.Microsecond)
			d.admits(raw)
			t.Clock.Advance(time.Microsecond)
			d.expired(raw)
		},
	}
}

func numericDates() Case {
	return Case{
		ID: "J12", Slug: "token/times-are-whole-numbers",
		Rule:   "exp and iat must be there, and a time is a JSON number, whole and not negative, that every reader understands in the same way.",
		Clause: "RFC 7519 section 2; GHSA-wxg7-w2v3-w38g; CVE-2026-45069",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				d.refuses("exp", d.without("exp"))
				d.refuses("iat", d.without("iat"))
				d.admits(d.without("nbf"))
				d.admits(d.without("auth_time"))
				for _, claim := range []string{"exp", "iat", "nbf", "auth_time"} {
					later := d.at(5 * time.Minute)
					for _, value := range []string{
						`null`, `""`, quoted(later), `"9999999999"`, `"2099-01-01T00:00:00Z"`, `true`, `[]`, `[` + later + `]`, `{}`, `{"$gt":0}`,
						later + ".5", later + ".0", "-1", "-" + later, "-0", "1e9", "9.9e9", "1E10",
						"9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 64),
					} {
						d.refuses(claim, d.with(claim, value))
					}
					for _, value := range []string{
						"1e400", "1e99999999999", strings.Repeat("9", 65), "0" + later, "+" + later, "0x7fffffff", later + ".", ".5", "NaN", "Infinity", "-", "", "undefined", "TRUE",
					} {
						d.refuses("claims-json", d.with(claim, value))
					}
				}
			})
		},
	}
}

func audienceCase() Case {
	return Case{
		ID: "J13", Slug: "token/audience",
		Rule:   "A token is for us alone: its aud is our name byte for byte, as a string or as the one member of an array.",
		Clause: "RFC 7519 section 4.1.3; RFC 8725 section 3.9; RFC 9068 section 4; CVE-2020-26160",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				ours := quoted(audience)
				d.admits(d.with("aud", `[`+ours+`]`))
				d.refuses("aud", d.without("aud"))
				for _, value := range []string{
					`""`, `[]`, `[""]`, `null`, `0`, `true`, `{}`, `{"aud":` + ours + `}`, `{` + ours + `:true}`, `[null]`, `[0]`, `[[` + ours + `]]`, `[` + ours + `,1]`,
					`[` + ours + `,null]`, `[` + ours + `,""]`, `["",` + ours + `]`, `[` + ours + `,{}]`, `[{},` + ours + `]`,
				} {
					d.refuses("aud", d.with("aud", value))
				}
				others := []string{
					"https://other.example", audience + "/", "/" + audience, audience[:len(audience)-1], audience[1:], "https://api", "api.example", audience + ".evil.example",
					audience + "/admin", strings.ToUpper(audience), "HTTPS" + audience[5:], "http" + audience[5:], audience + " ", " " + audience, audience + "\x00", audience + "\n",
					audience + " https://other.example", audience + ",https://other.example", "*", "https://*.example", ".", issuerName, "https://\u0430pi.example",
				}
				for _, name := range others {
					d.refuses("aud-mismatch", d.with("aud", quoted(name)))
					d.refuses("aud-mismatch", d.with("aud", `[`+quoted(name)+`]`))
				}
				for _, value := range []string{
					`["https://other.example",` + ours + `]`, `[` + ours + `,"https://other.example"]`, `["https://other.example","https://third.example"]`,
				} {
					d.refuses("aud-mismatch", d.with("aud", value))
				}
			})
		},
	}
}

func otherAudiences() Case {
	return Case{
		ID: "J13", Slug: "token/other-audiences-if-allowed",
		Rule:   "Where other audiences are allowed beside ours, ours must still be among them, and all of them be names.",
		Clause: "RFC 7519 section 4.1.3",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			k.Config.AllowOtherAudiences = true
			d := k.door()
			ours, other := quoted(audience), `"https://other.example"`
			for _, value := range []string{ours, `[` + ours + `]`, `[` + other + `,` + ours + `]`, `[` + ours + `,` + other + `]`} {
				d.admits(d.with("aud", value))
			}
			for _, value := range []string{other, `[` + other + `]`, `[` + other + `,"` + audience + `/"]`, quoted(audience + " https://other.example")} {
				d.refuses("aud-mismatch", d.with("aud", value))
			}
			for _, value := range []string{`[]`, `[` + ours + `,1]`, `[` + ours + `,""]`, `[` + ours + `,[` + other + `]]`} {
				d.refuses("aud", d.with("aud", value))
			}
			d.refuses("aud", d.without("aud"))
		},
	}
}

func issuerCase() Case {
	return Case{
		ID: "J14", Slug: "token/issuer",
		Rule:   "A token's iss is the name of an issuer that is trusted, byte for byte and as a string.",
		Clause: "RFC 7519 section 4.1.1; RFC 8725 section 3.8; RFC 9068 section 4; CVE-2024-53861",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				ours := quoted(issuerName)
				d.refuses("iss", d.without("iss"))
				for _, value := range []string{
					`null`, `0`, `true`, `{}`, `[]`, `{` + ours + `:1}`,
					`[` + ours + `]`, `[` + ours + `,"https://other.example"]`, `["https://other.example",` + ours + `]`,
				} {
					d.refuses("iss", d.with("iss", value))
				}
				var parts []string
				for n := range len(issuerName) {
					parts = append(parts, issuerName[:n], issuerName[n+1:])
				}
				for _, name := range append(parts,
					"https://other.example", issuerName+"/", issuerName+".evil.example", issuerName+"@evil.example", "https://evil.example/"+issuerName,
					strings.ToUpper(issuerName), "HTTPS"+issuerName[5:], issuerName+" ", " "+issuerName, issuerName+"\x00", issuerName+":443", issuerName+"#", issuerName+"?",
					"*", audience, "https://\u0456d.example", issuerName+","+issuerName, "alice",
				) {
					d.refuses("iss-mismatch", d.with("iss", quoted(name)))
				}
			})
		},
	}
}

func subjectCase() Case {
	return Case{
		ID: "J25", Slug: "token/subject",
		Rule:   "A token is somebody's: its sub is a string that is not empty and has at most 255 bytes, or nobody is logged in, not even user 0.",
		Clause: "RFC 9068 section 2.2; OpenID Connect Core section 2",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				for _, user := range []string{"0", "null", "x", strings.Repeat("x", 255)} {
					d.Check(d.get("/api/me", d.with("sub", quoted(user))), accepted(user))
				}
				d.ran.Store(0)
				t.forget()
				d.refuses("sub", d.without("sub"))
				for _, value := range []string{
					`""`, `null`, `0`, `1`, `-1`, `true`, `false`, `{}`, `{"sub":"alice"}`, `[]`, `["alice"]`, `[0]`,
					quoted(strings.Repeat("x", 256)), quoted(strings.Repeat("x", 4000)),
				} {
					d.refusesAt(tokenRoutes, "sub", d.with("sub", value))
				}
				d.refuses("size", d.with("sub", quoted(strings.Repeat("x", 10_000))))
			})
		},
	}
}

func signatureBeforeTime() Case {
	return Case{
		ID: "J26", Slug: "token/signature-before-time",
		Rule:   "A token whose signature is bad is told to be that and never to have expired, so that no client renews it.",
		Clause: "RFC 7519 section 7.2; CVE-2024-51744",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				claims := []object{d.claims()}
				for _, name := range []string{"exp", "iat", "nbf"} {
					claims = append(claims, d.claims().set(name, d.at(-time.Hour)), d.claims().set(name, d.at(time.Hour)))
				}
				d.expired(d.token(d.header(), claims[1]))
				d.refuses("nbf-future", d.token(d.header(), claims[6]))
				for _, c := range claims {
					bad := compact(d.header().String(), c.String(), func(in string) []byte {
						sig := slices.Clone(d.sign(in))
						sig[len(sig)/2] ^= 1
						return sig
					})
					d.refusesAt(tokenRoutes, "signature", bad)
					d.refuses("signature", compact(d.header().String(), c.String(), unsigned))
					d.refuses("alg", compact(d.header().set("alg", `"none"`).String(), c.String(), unsigned))
					d.refuses("kid-unknown", compact(d.header().set("kid", `"x"`).String(), c.String(), d.sign))
				}
			})
		},
	}
}

func expiredIsTheLast() Case {
	return Case{
		ID: "J26", Slug: "token/expired-and-wrong",
		Rule:   "A token that has expired and is wrong otherwise is refused for what is wrong with it.",
		Clause: "RFC 7519 section 7.2; DESIGN section 2",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				over := d.claims().set("exp", d.at(-time.Hour))
				d.expired(d.token(d.header(), over))
				for cause, claims := range inOrder(map[string]object{
					"aud-mismatch":     over.set("aud", `"https://other.example"`),
					"aud":              over.drop("aud"),
					"iss-mismatch":     over.set("iss", `"https://other.example"`),
					"iss":              over.drop("iss"),
					"sub":              over.set("sub", `""`),
					"iat":              over.drop("iat"),
					"iat-future":       over.set("iat", d.at(time.Hour)),
					"nbf-future":       over.set("nbf", d.at(time.Hour)),
					"roles":            over.set("roles", `"admin"`),
					"scope":            over.set("scope", `["read"]`),
					"claims-duplicate": over.add("exp", d.at(-time.Hour)),
					"claims-case":      over.add("EXP", d.at(time.Hour)),
				}) {
					d.refuses(cause, d.token(d.header(), claims))
				}
				d.refuses("typ", d.token(d.header().set("typ", `"JWT"`), over))
				d.refuses("crit", d.token(d.header().add("crit", `["exp"]`), over))
			})
		},
	}
}

func boundToken() Case {
	return Case{
		ID: "B9", Slug: "token/bound-to-a-key",
		Rule:   "A token that is bound to a key of its sender's is refused as a bearer token, or whoever stole it would have got rid of the binding.",
		Clause: "RFC 9449 section 7; RFC 7800 section 3.1",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				d.admits(d.with("confirmation", `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`)) // a claim of somebody's own
				for _, value := range []string{
					`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, `{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`,
					`{}`, `null`, `"x"`, `[]`,
				} {
					d.refusesAt(tokenRoutes, "cnf", d.with("cnf", value))
				}
			})
		},
	}
}
