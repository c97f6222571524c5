package conformance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/token"
)

// tokenSignatureCases are about signatures that prove nothing.
func tokenSignatureCases() []Case {
	return []Case{
		algNone(), signatureChecked(), opaqueTokens(), algorithmIsTheKeys(), algorithmOfAnotherKey(),
		ecdsaDegenerate(), signatureWhole(), macWhole(),
	}
}

func algNone() Case {
	return Case{
		ID: "J1", Slug: "token/alg-none",
		Rule:   "A token that names no algorithm, or none by any spelling, is refused on every route, whatever stands in place of its signature.",
		Clause: "RFC 8725 section 3.2; RFC 7518 section 3.6",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				d.open()
				own := d.header()
				headers := []object{own.drop("alg")}
				for _, alg := range []string{
					`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `" none"`, `"none "`, `"no\u006ee"`, `"none\u0000"`, `""`, `null`, `0`, `true`,
					`[]`, `["none"]`, `[` + quoted(string(d.algorithm)) + `]`, `{}`, `{"alg":"none"}`,
				} {
					headers = append(headers, own.set("alg", alg))
				}
				_, _, old := cut(d.good())
				paths := tokenRoutes
				if d.algorithm != token.ES256 {
					paths = paths[:1]
				}
				claims := d.claims().String()
				for _, h := range []object{own.drop("kid").set("alg", `"none"`), {{"alg", `"none"`}}, {{"alg", `"none"`}, {"typ", `"JWT"`}}} {
					d.refusesAt(paths, "kid", compact(h.String(), claims, unsigned))
				}
				for _, h := range headers {
					text := h.String()
					bare := compact(text, claims, unsigned)
					d.refusesAt(paths, "alg", bare)
					d.refusesAt(paths, "alg", bare+old)
					d.refusesAt(paths, "alg", d.text(text, claims))
					d.refusesAt(paths[:1], "alg", compact(text, claims, mac("HS256", nil)))
					d.refusesAt(paths[:1], "segments", strings.TrimSuffix(bare, "."))
				}
			})
		},
	}
}

// cut returns the three parts of a token.
func cut(raw string) (header, claims, signature string) {
	p := strings.Split(raw, ".")
	return p[0], p[1], p[2]
}

// decoded returns the bytes of a part.
func (t *T) decoded(part string) []byte {
	t.Helper()
	b, err := base64url(part)
	t.NoError(err)
	return b
}

func signatureChecked() Case {
	return Case{
		ID: "J2", Slug: "token/signature-is-checked",
		Rule:   "A token with an empty signature, that of another token, that of another key or a single bit changed anywhere is refused on every route.",
		Clause: "RFC 7515 section 5.2; CVE-2022-29165",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				d.open()
				h, c, s := cut(d.good())
				bob := d.claims().set("sub", `"bob"`)
				_, _, bobs := cut(d.token(d.header(), bob))
				for _, raw := range []string{
					h + "." + c + ".", h + "." + c + "." + bobs,
					compact(d.header().String(), bob.String(), signature(t.decoded(s))),
					compact(d.header().String(), d.claims().set("roles", `["admin"]`).String(), signature(t.decoded(s))),
				} {
					d.refusesAt(tokenRoutes, "signature", raw)
				}
				if d.key != nil {
					theirs := signed(string(d.algorithm), stranger(d.algorithm))
					d.refusesAt(tokenRoutes, "signature", compact(d.header().String(), d.claims().String(), theirs))
				}
				// Some of the changed headers and claims are no JSON any more, or
				// name no key; whatever they are, they are not what was signed.
				parts := []string{h, c, s}
				for n, part := range parts {
					b := t.decoded(part)
					for i := 0; i < len(b); i += 5 {
						changed := bytes.Clone(b)
						changed[i] ^= 1 << (i % 8)
						p := slices.Clone(parts)
						p[n] = b64(changed)
						d.refusesAt(tokenRoutes[:1], "", strings.Join(p, "."))
					}
				}
			})
		},
	}
}

func opaqueTokens() Case {
	return Case{
		ID: "J2", Slug: "token/opaque-text-is-no-token",
		Rule:   "A bearer token that is any other text is refused, however well it is known elsewhere.",
		Clause: "RFC 6750 section 3.1; CVE-2026-42602",
		Run: func(t *T) {
			t.each([]token.Algorithm{token.ES256}, func(d *door) {
				for _, raw := range []string{
					"x", "alice", "admin", "null", "undefined", "true", "0", "-", "_", "anonymous", "debug",
					"6f1c1c0e-4c1e-4d6e-9d8e-3b1f0a5f2c11", "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
					"AQIDBAUGBwgJCgsMDQ4PEA", d.kid, b64([]byte(d.claims().String())), "e30",
				} {
					d.refuses("segments", raw)
				}
				for _, raw := range []string{
					"alice:password", "YWxpY2U6cGFzc3dvcmQ=", "{}", `{"sub":"alice"}`, `"x"`, "*", "%00",
					"../../etc/passwd", "a|b", "<x>", "'", "$", "(", "\x80", "\u00e9",
				} {
					d.refuses("alphabet", raw)
				}
				d.refuses("header-base64", "a.b.c")
				d.refuses("header-json", b64([]byte("alice"))+"."+b64([]byte("admin"))+".")
			})
		},
	}
}

// foreignNames are algorithms, ours and others.
var foreignNames = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K",
	"EdDSA", "Ed25519", "Ed448", "HS256", "HS384", "HS512",
}

// fits reports whether the key can sign by the algorithm of that name.
func fits(key crypto.Signer, name string) bool {
	switch key.(type) {
	case *rsa.PrivateKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, name)
	case *ecdsa.PrivateKey:
		return name == "ES256" || name == "ES384" || name == "ES512"
	default:
		return false
	}
}

func algorithmIsTheKeys() Case {
	return Case{
		ID: "J4", Slug: "token/algorithm-is-the-keys",
		Rule:   "A key verifies by its one algorithm, named as it is written and computed as it is named, and by no other that it could be used for.",
		Clause: "RFC 8725 sections 3.1 and 3.2; RFC 7518 section 3.4",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				own := string(d.algorithm)
				names := []string{strings.ToLower(own), strings.ToUpper(own), own + " ", " " + own, own + "\x00", own + "=", own[:4], own + "," + own}
				for _, name := range append(slices.Clone(foreignNames), names...) {
					if name == own {
						continue
					}
					h, c := d.header().set("alg", quoted(name)), d.claims()
					if fits(d.key, name) {
						d.refuses("alg", compact(h.String(), c.String(), signed(name, d.key)))
					}
					if d.key == nil && slices.Contains(hmacNames, name) {
						d.refuses("alg", compact(h.String(), c.String(), mac(name, testSecret())))
					}
					d.refuses("alg", d.token(h, c))
				}
				// The right name over a signature that is another one's.
				for _, name := range foreignNames {
					h, c := d.header().String(), d.claims().String()
					if name != own && fits(d.key, name) {
						d.refuses("signature", compact(h, c, signed(name, d.key)))
					}
					if name != own && d.key == nil && slices.Contains(hmacNames, name) {
						d.refuses("signature", compact(h, c, mac(name, testSecret())))
						d.refuses("signature", compact(h, c, func(input string) []byte { return mac(name, testSecret())(input)[:32] }))
					}
				}
				for _, other := range otherSignatures(d) {
					d.refuses("signature", compact(d.header().String(), d.claims().String(), other))
				}
			})
		},
	}
}

// otherSignatures are those that the door's key makes in a form or a variant that its
// algorithm does not have.
func otherSignatures(d *door) []signing {
	native := func(opts crypto.SignerOpts, hash string) signing {
		return func(input string) []byte {
			message := []byte(input)
			if hash != "" {
				_, message = digest(hash, input)
			}
			sig, err := d.key.Sign(rand.Reader, message, opts)
			d.t.NoError(err)
			return sig
		}
	}
	switch d.key.(type) {
	case *rsa.PrivateKey:
		// PSS with another length of salt than the hash's.
		short := &rsa.PSSOptions{SaltLength: 16, Hash: crypto.SHA256}
		return []signing{native(short, "256"), native(&rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}, "256")}
	case *ecdsa.PrivateKey:
		hash := string(d.algorithm)[2:]
		der := native(crypto.SHA256, hash)
		return []signing{der, func(input string) []byte { return []byte(b64(der(input))) }}
	case ed25519.PrivateKey:
		// Ed25519ph and Ed25519ctx of RFC 8032.
		return []signing{native(crypto.SHA512, "512"), native(&ed25519.Options{Context: "JWT"}, "")}
	default:
		return nil
	}
}

func algorithmOfAnotherKey() Case {
	return Case{
		ID: "J4", Slug: "token/algorithm-of-another-key",
		Rule:   "Where an issuer uses several algorithms, a key still verifies by its own only, not by another that is allowed and that the token names.",
		Clause: "RFC 8725 section 3.1; CVE-2026-22817",
		Run: func(t *T) {
			k := t.Tokens(everyAlgorithm[0], everyAlgorithm[1:]...)
			d := k.door()
			for _, a := range everyAlgorithm {
				d.admits(k.forger(a).good())
			}
			for _, a := range everyAlgorithm {
				f := k.forger(a)
				for _, b := range everyAlgorithm {
					if a == b {
						continue
					}
					// The key is a's, the name is b's, and the signature what a's key
					// can make of it, b's, and a's.
					h := f.header().set("alg", quoted(string(b))).String()
					if fits(f.key, string(b)) {
						d.refuses("key-alg", compact(h, f.claims().String(), signed(string(b), f.key)))
					}
					d.refuses("key-alg", compact(h, f.claims().String(), k.forger(b).sign))
					d.refuses("key-alg", f.text(h, f.claims().String()))
					d.refuses("signature", compact(f.header().String(), f.claims().String(), k.forger(b).sign))
				}
			}
		},
	}
}

func ecdsaDegenerate() Case {
	return Case{
		ID: "J9", Slug: "token/ecdsa-degenerate-signatures",
		Rule:   "An ECDSA signature whose numbers are 0, the order of the curve or more, or that has another length than both of them, is refused.",
		Clause: "RFC 7518 section 3.4; FIPS 186-5 section 6.4.2; CVE-2022-21449",
		Run: func(t *T) {
			t.each(ecdsaAlgorithms, func(d *door) {
				pub := d.key.Public().(*ecdsa.PublicKey)
				n, length := pub.Params().N, size(pub)
				h, c := d.header().String(), d.claims().String()
				sig := t.decoded(signatureOf(d.good()))
				r, s := new(big.Int).SetBytes(sig[:length]), new(big.Int).SetBytes(sig[length:])
				zero, one, all := big.NewInt(0), big.NewInt(1), new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, length))
				for _, bad := range [][2]*big.Int{
					{zero, zero}, {zero, s}, {r, zero}, {zero, one}, {one, zero}, {one, one}, {n, n}, {n, s}, {r, n}, {zero, n}, {n, zero},
					{all, all}, {r, all}, {all, s}, {new(big.Int).Sub(n, one), new(big.Int).Sub(n, one)}, {s, r}, {new(big.Int).Add(n, one), one},
				} {
					d.refuses("signature", compact(h, c, signature(sideBySide(bad[0], bad[1], length))))
				}
				good := func(input string) (r, s *big.Int) {
					sig := d.sign(input)
					return new(big.Int).SetBytes(sig[:length]), new(big.Int).SetBytes(sig[length:])
				}
				d.admits(compact(h, c, func(in string) []byte { r, s := good(in); return sideBySide(r, s, length) }))
				// The right numbers in more bytes, and by other rules.
				for _, extra := range []int{1, 2, 16, 34} {
					d.refuses("signature", compact(h, c, func(in string) []byte { r, s := good(in); return sideBySide(r, s, length+extra) }))
				}
				d.refuses("signature", compact(h, c, func(in string) []byte {
					r, s := good(in)
					der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
					t.NoError(err)
					return der
				}))
				d.refuses("signature", compact(h, c, func(in string) []byte { r, s := good(in); return sideBySide(s, r, length) }))
				// The inverse of s, and s with the order added where that fits.
				d.refuses("signature", compact(h, c, func(in string) []byte {
					r, s := good(in)
					return sideBySide(r, new(big.Int).ModInverse(s, n), length)
				}))
				if pub.Curve == elliptic.P256() {
					d.refuses("signature", compact(h, c, signature(make([]byte, 63))))
					d.refuses("signature", compact(h, c, signature(make([]byte, 65))))
				}
			})
		},
	}
}

// signatureOf is the third part of a token.
func signatureOf(raw string) string {
	_, _, s := cut(raw)
	return s
}

func signatureWhole() Case {
	return Case{
		ID: "J9", Slug: "token/signature-is-whole",
		Rule:   "A signature that is cut, made longer or constant is refused.",
		Clause: "RFC 7518 sections 3.2 to 3.5; RFC 8032 section 5.1.7",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				h, c := d.header().String(), d.claims().String()
				sig := t.decoded(signatureOf(d.good()))
				d.admits(d.good())
				for _, b := range []byte{0, 1, 0xff} {
					d.refuses("signature", compact(h, c, signature(bytes.Repeat([]byte{b}, len(sig)))))
				}
				for _, change := range []func([]byte) []byte{
					func(s []byte) []byte { return nil },
					func(s []byte) []byte { return s[:1] },
					func(s []byte) []byte { return s[:len(s)/2] },
					func(s []byte) []byte { return s[:len(s)-1] },
					func(s []byte) []byte { return s[1:] },
					func(s []byte) []byte { return append(bytes.Clone(s), 0) },
					func(s []byte) []byte { return append([]byte{0}, s...) },
					func(s []byte) []byte { return append(bytes.Clone(s), s...) },
					func(s []byte) []byte { s = bytes.Clone(s); slices.Reverse(s); return s },
				} {
					d.refuses("signature", compact(h, c, func(in string) []byte { return change(d.sign(in)) }))
				}
				if d.algorithm == token.EdDSA {
					d.refuses("signature", compact(h, c, func(in string) []byte { return malleable(d.sign(in)) }))
				}
				if key, ok := d.key.(*rsa.PrivateKey); ok {
					for _, v := range []*big.Int{big.NewInt(1), key.N, new(big.Int).Sub(key.N, big.NewInt(1))} {
						d.refuses("signature", compact(h, c, signature(v.FillBytes(make([]byte, len(sig))))))
					}
				}
			})
		},
	}
}

// malleable adds the order of the group to the second half of an Ed25519 signature:
// the same number for whoever does not look (RFC 8032 section 8.4).
func malleable(sig []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := bytes.Clone(sig[32:])
	slices.Reverse(s)
	n := new(big.Int).SetBytes(s)
	s = n.Add(n, order).FillBytes(make([]byte, 32))
	slices.Reverse(s)
	return append(bytes.Clone(sig[:32]), s...)
}

func macWhole() Case {
	return Case{
		ID: "J9", Slug: "token/mac-is-whole",
		Rule:   "A MAC is compared with all of its 32 bytes, whatever number of them the token has.",
		Clause: "RFC 7518 section 3.2; RFC 2104 section 5",
		Run: func(t *T) {
			t.each([]token.Algorithm{token.HS256}, func(d *door) {
				h, c := d.header().String(), d.claims().String()
				for n := range 32 {
					d.refuses("signature", compact(h, c, func(in string) []byte { return d.sign(in)[:n] }))
					d.refuses("signature", compact(h, c, func(in string) []byte { return append(d.sign(in)[:n:n], make([]byte, 32-n)...) }))
				}
			})
		},
	}
}
