package conformance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/token"
)

// tokenKeyCases are about tokens that choose the key with which they are verified.
func tokenKeyCases() []Case {
	return []Case{
		publicKeyNoSecret(), publicKeyNoSecretBeside(), embeddedKey(), urlNotFollowed(), issuerNotFollowed(),
		kidNamesKey(), unknownKids(), emptySecret(), weakSecretsCase(),
	}
}

// publicForms are what a careless verifier may take for the secret of HMAC: the public
// key in the forms in which it can be had.
func publicForms(t *T, key crypto.Signer, published string) [][]byte {
	t.Helper()
	pub := key.Public()
	pkix0, err := x509.MarshalPKIXPublicKey(pub)
	t.NoError(err)
	ders := map[string][]byte{"PUBLIC KEY": pkix0, "CERTIFICATE": certificate(t, key)}
	var forms [][]byte
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		ders["RSA PUBLIC KEY"] = x509.MarshalPKCS1PublicKey(pub)
		forms = append(forms, pub.N.Bytes(), []byte(pub.N.String()), []byte(b64(pub.N.Bytes())))
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		t.NoError(err)
		compressed := append([]byte{2 + point[len(point)-1]&1}, point[1:1+size(pub)]...)
		forms = append(forms, point, point[1:], point[1:1+size(pub)], compressed)
	case ed25519.PublicKey:
		wire := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
		blob := slices.Concat(wire([]byte("ssh-ed25519")), wire(pub))
		ssh := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob)
		forms = append(forms, pub, blob, []byte(ssh), []byte(ssh+" alice@example"), []byte(b64(pub))) // CVE-2022-29217
	}
	for _, kind := range []string{"PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"} {
		if der := ders[kind]; der != nil {
			forms = append(forms, der, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), []byte(base64.StdEncoding.EncodeToString(der)))
		}
	}
	own := jwk(pub)
	sorted := slices.Clone(own)
	slices.SortFunc(sorted, func(a, b member) int { return strings.Compare(a.name, b.name) })
	one := strings.TrimSuffix(strings.TrimPrefix(published, `{"keys":[`), `]}`)
	return append(forms, []byte(own.String()), []byte(sorted.String()), []byte(published), []byte(one))
}

// certificate is one of the key for itself.
func certificate(t *T, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "id.example"}, NotBefore: epoch, NotAfter: epoch.AddDate(50, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	t.NoError(err)
	return der
}

// spaced are spellings of a text that a test for its beginning or end does not see:
// with and without a line's end, in the other convention, after white space
// (CVE-2023-48223, CVE-2026-34950).
func spaced(form []byte) [][]byte {
	bare := bytes.TrimRight(form, "\n")
	return [][]byte{
		form, bare, append(bytes.Clone(bare), "\n"...), append(bytes.Clone(bare), "\r\n"...),
		bytes.ReplaceAll(form, []byte("\n"), []byte("\r\n")), bytes.ReplaceAll(form, []byte("\n"), nil),
		append([]byte(" "), form...), append([]byte("\n"), form...), append([]byte("\t"), bare...), append(bytes.Clone(form), 0),
	}
}

var hmacNames = []string{"HS256", "HS384", "HS512"}

func publicKeyNoSecret() Case {
	return Case{
		ID: "J3", Slug: "token/public-key-is-no-secret",
		Rule:   "A server that verifies by public keys takes no MAC, whatever form of them is its secret.",
		Clause: "RFC 8725 sections 2.1 and 3.1; CVE-2015-9235; CVE-2016-10555; CVE-2022-29217",
		Run: func(t *T) {
			t.each(pairAlgorithms, func(d *door) {
				d.hmacRefused("alg", d.header(), hmacNames...)
				d.hmacRefused("alg", object{{"alg", ""}, {"typ", `"at+jwt"`}}, "HS256")
			})
		},
	}
}

// hmacRefused tries every form of the door's public key, and what else everybody knows,
// as the secret.
func (d *door) hmacRefused(cause string, header object, names ...string) {
	t := d.t
	t.Helper()
	forms := publicForms(t, d.key, d.Do("GET", JWKSPath).Body)
	t.forget()
	for _, known := range []string{d.kid, issuerName, audience, string(d.algorithm), "public", `{"keys":[]}`} {
		forms = append(forms, []byte(known))
	}
	if len(header) < 3 { // no kid
		cause = "kid"
	}
	for _, name := range names {
		h, c := header.set("alg", quoted(name)).String(), d.claims().String()
		for _, form := range forms {
			for _, secret := range spaced(form) {
				d.refusesAt(tokenRoutes[:1], cause, compact(h, c, mac(name, secret)))
			}
		}
	}
}

func publicKeyNoSecretBeside() Case {
	return Case{
		ID: "J3", Slug: "token/public-key-is-no-secret-beside-one",
		Rule:   "Where HS256 is allowed beside public keys, with a key of its own, a public key is still no secret, and the secret verifies nothing else.",
		Clause: "RFC 8725 section 3.1; CVE-2026-33322",
		Run: func(t *T) {
			for _, a := range []token.Algorithm{token.RS256, token.ES256, token.EdDSA} {
				k := t.Tokens(a, token.HS256)
				d, shared := k.door(), k.forger(token.HS256)
				d.admits(d.good())
				d.admits(shared.good())
				d.hmacRefused("key-alg", d.header(), "HS256")
				d.hmacRefused("signature", shared.header(), "HS256")
				d.hmacRefused("kid", object{{"alg", ""}, {"typ", `"at+jwt"`}}, "HS256")
				d.refuses("key-alg", compact(shared.header().set("alg", quoted(string(a))).String(), d.claims().String(), d.sign))
				d.refuses("key-alg", compact(shared.header().set("alg", quoted(string(a))).String(), d.claims().String(), shared.sign))
				d.refuses("key-alg", compact(d.header().set("alg", `"HS256"`).String(), d.claims().String(), shared.sign))
				d.admits(shared.good())
			}
		},
	}
}

func embeddedKey() Case {
	return Case{
		ID: "J5", Slug: "token/embedded-key-is-not-trusted",
		Rule:   "A token that brings a key or a certificate is refused, signed with it or not, and so is one signed with a stranger's key by any name.",
		Clause: "RFC 7515 sections 4.1.3 and 10.3; CVE-2018-0114; CVE-2025-24976",
		Run: func(t *T) {
			t.each(pairAlgorithms, func(d *door) {
				mallory := stranger(d.algorithm)
				theirs := signed(string(d.algorithm), mallory)
				c := d.claims().String()
				key, ownKey := jwk(mallory.Public()), jwk(d.key.Public())
				full := key.add("alg", quoted(string(d.algorithm))).add("use", `"sig"`).add("kid", quoted(d.kid))
				x5c := func(key crypto.Signer) string {
					return `["` + base64.StdEncoding.EncodeToString(certificate(t, key)) + `"]`
				}
				// Ours, signed with it: nothing that a token brings is looked at.
				d.refuses("jwk", d.token(d.header().add("jwk", ownKey.String()), d.claims()))
				d.refuses("jwk", d.token(d.header().add("jwk", "null"), d.claims()))
				d.refuses("x5c", d.token(d.header().add("x5c", x5c(d.key)), d.claims()))
				d.refuses("x5c", d.token(d.header().add("x5c", "[]"), d.claims()))
				// Theirs, without a kid, with ours, and with one of theirs.
				for _, h := range []object{d.header().drop("kid"), d.header(), d.header().set("kid", `"mallory"`)} {
					for _, embedded := range []string{key.String(), full.String(), full.add("key_ops", `["verify"]`).String()} {
						d.refuses("jwk", compact(h.add("jwk", embedded).String(), c, theirs))
						d.refuses("jwk", compact(h.first("jwk", embedded).String(), c, theirs))
						d.refuses("jwk", compact(h.add("jwk", embedded).add("x5c", x5c(mallory)).String(), c, theirs))
						d.refuses("header-case", compact(h.add("JWK", embedded).String(), c, theirs))
					}
					d.refuses("x5c", compact(h.add("x5c", x5c(mallory)).String(), c, theirs))
				}
				d.refuses("signature", compact(d.header().String(), c, theirs))
				d.refuses("signature", compact(d.header().add("jwks", `{"keys":[`+full.String()+`]}`).add("key", full.String()).String(), c, theirs))
				d.refuses("kid", compact(d.header().drop("kid").String(), c, theirs))
				d.refuses("kid", compact(d.header().set("kid", full.String()).String(), c, theirs))
				d.refuses("kid-unknown", compact(d.header().set("kid", `"mallory"`).String(), c, theirs))
				oct := `{"kty":"oct","k":"` + b64([]byte("mallory")) + `"}`
				d.refuses("jwk", compact(d.header().set("alg", `"HS256"`).add("jwk", oct).String(), c, mac("HS256", []byte("mallory"))))
			})
		},
	}
}

// bait is a web server of an attacker's, who publishes a key there.
type bait struct {
	url     string
	mu      sync.Mutex
	visits  []string
	mallory crypto.Signer
}

func (t *T) bait(a token.Algorithm) *bait {
	t.Helper()
	b := &bait{mallory: stranger(a)}
	keys := `{"keys":[` + jwk(b.mallory.Public()).add("kid", `"mallory"`).add("alg", quoted(string(a))).String() + `]}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.visits = append(b.visits, r.URL.Path)
		b.mu.Unlock()
		if strings.Contains(r.URL.Path, ".well-known/") {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, b.url, b.url+"/jwks.json")
			return
		}
		_, _ = w.Write([]byte(keys))
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

// untouched checks that nobody came. What came before us was seen before us.
func (b *bait) untouched(t *T) {
	t.Helper()
	b.mu.Lock()
	before := slices.Clone(b.visits)
	b.mu.Unlock()
	if len(before) > 0 {
		t.Failf("the attacker's server was asked for %q", before)
	}
	res, err := http.Get(b.url + "/control")
	t.NoError(err)
	t.NoError(res.Body.Close())
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.visits, []string{"/control"}) {
		t.Failf("the attacker's server was asked for %q", b.visits)
	}
	b.visits = nil
}

func urlNotFollowed() Case {
	return Case{
		ID: "J6", Slug: "token/no-url-is-followed",
		Rule:   "No address in a token's header or claims is ever connected to.",
		Clause: "RFC 7515 sections 4.1.2 and 4.1.5; RFC 8725 section 3.10; CVE-2026-32301",
		Run: func(t *T) {
			t.each(pairAlgorithms, func(d *door) { d.baited() })
		},
	}
}

// baited sends tokens that name an attacker's server wherever there is room for a name.
func (d *door) baited() {
	t := d.t
	t.Helper()
	b := t.bait(d.algorithm)
	theirs := signed(string(d.algorithm), b.mallory)
	for _, url := range []string{b.url, b.url + "/jwks.json", b.url + "/jwks.json#mallory", b.url + "/cert.pem", "//" + b.url[7:], b.url[7:]} {
		c := d.claims().String()
		for _, name := range []string{"jku", "x5u"} {
			for _, h := range []object{d.header(), d.header().drop("kid"), d.header().set("kid", `"mallory"`)} {
				d.refuses(name, compact(h.add(name, quoted(url)).String(), c, theirs))
			}
			d.refuses(name, d.token(d.header().add(name, quoted(url)), d.claims()))
		}
		d.refuses("jku", compact(d.header().set("kid", `"mallory"`).add("jku", `[`+quoted(url)+`]`).String(), c, theirs))
		d.refuses("header-case", compact(d.header().set("kid", `"mallory"`).add("JKU", quoted(url)).String(), c, theirs))
		d.refuses("kid-unknown", compact(d.header().set("kid", quoted(url)).String(), c, theirs))
		d.refuses("kid-unknown", d.token(d.header().set("kid", quoted(url)), d.claims()))
		named := d.header().set("kid", `"mallory"`).add("iss", quoted(url)).add("jwks_uri", quoted(url)).add("url", quoted(url))
		d.refuses("kid-unknown", compact(named.String(), c, theirs))
		for _, h := range []object{d.header(), d.header().set("kid", `"mallory"`)} {
			d.refuses("iss-mismatch", compact(h.String(), d.claims().set("iss", quoted(url)).String(), theirs))
			d.refuses("iss-mismatch", d.token(h, d.claims().set("iss", quoted(url))))
		}
		claimed := d.claims().add("jku", quoted(url)).add("jwks_uri", quoted(url))
		d.refuses("kid-unknown", compact(d.header().set("kid", `"mallory"`).String(), claimed.String(), theirs))
	}
	b.untouched(t)
}

// published is an issuer's key set as a Transport, which counts what it is asked for.
// Other addresses are connected to.
type published struct {
	keys *token.KeyRing

	mu     sync.Mutex
	served int
	other  []string
}

const publishedAt = issuerName + "/jwks.json"

// RoundTrip implements http.RoundTripper.
func (p *published) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.String() != publishedAt {
		p.other = append(p.other, r.URL.String())
		return http.DefaultTransport.RoundTrip(r)
	}
	p.served++
	w := httptest.NewRecorder()
	p.keys.JWKS().ServeHTTP(w, r)
	return w.Result(), nil
}

// fetches checks how often the key set was fetched so far, and that nothing else was.
func (p *published) fetches(t *T, want int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	Equal(t, "fetches of the key set", p.served, want)
	Equal(t, "fetches of anything else", len(p.other), 0)
}

// remote makes the verifier take the keys from where they are published.
func (k *Tokens) remote() *published {
	k.t.Helper()
	p := &published{keys: k.Keys}
	remote, err := token.NewRemoteKeys(token.RemoteKeysConfig{
		Issuer: issuerName, URL: publishedAt, Transport: p, App: "conformance", Audit: k.t.Audit, Now: k.t.Clock.Now,
	})
	k.t.NoError(err)
	k.Trust.Keys = remote
	return p
}

func issuerNotFollowed() Case {
	return Case{
		ID: "J6", Slug: "token/no-url-is-followed-to-keys",
		Rule:   "A verifier that fetches keys fetches them from the configured place, and from none that a token names.",
		Clause: "RFC 8725 sections 3.8 and 3.10; CVE-2026-32301",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			p := k.remote()
			d := k.door()
			d.admits(d.good())
			p.fetches(t, 1)
			d.baited()
			d.admits(d.good())
			p.fetches(t, 1)
		},
	}
}

func kidNamesKey() Case {
	return Case{
		ID: "J7", Slug: "token/kid-names-a-key",
		Rule:   "A token's kid is the name of a key, byte for byte; it is no path, no query, no command and not left out.",
		Clause: "RFC 7515 section 4.1.4; RFC 8725 section 3.10; GHSA-869p-cjfg-cm3x",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				// Signed with what a careless lookup would come back with, the name
				// or nothing, and with the right key.
				try := func(cause string, h object, name string) {
					t.Helper()
					for _, secret := range []string{name, "", "\x00"} {
						if d.key == nil {
							d.refuses(cause, compact(h.String(), d.claims().String(), mac("HS256", []byte(secret))))
						}
					}
					d.refuses(cause, d.token(h, d.claims()))
				}
				try("kid", d.header().drop("kid"), "")
				for _, value := range []string{
					`""`, `null`, `0`, `1`, `true`, `{}`, `[]`, `[` + quoted(d.kid) + `]`, `{"kid":` + quoted(d.kid) + `}`,
					quoted(strings.Repeat("k", 257)), quoted(strings.Repeat("k", 5000)), quoted(strings.Repeat("../", 1000)),
				} {
					try("kid", d.header().set("kid", value), "null")
				}
				for _, name := range []string{
					"x", "0", "-1", "*", " ", d.kid + " ", " " + d.kid, d.kid + "\x00", d.kid + "=", d.kid[:len(d.kid)-1], d.kid + d.kid[:1], swapCase(d.kid),
					d.kid + "," + d.kid, "./" + d.kid, "/dev/null", "../../dev/null", "../../../../../../dev/null", "..\\..\\nul", "/proc/sys/kernel/randomize_va_space",
					"/etc/passwd", "file:///dev/null", "%2e%2e%2fdev%2fnull", "' OR '1'='1", "x' UNION SELECT 'secret", "\"; DROP TABLE keys; --", "1; SELECT pg_sleep(10)",
					"| sleep 10", "$(sleep 10)", "`sleep 10`", "; cat /etc/passwd", "${jndi:ldap://127.0.0.1/x}", "{{7*7}}", "__proto__", "constructor", "toString", "null", "undefined",
					"<script>", "a\r\nSet-Cookie: x=y", "\u0000", "k\u0131d", "\U0001f511", strings.Repeat("k", 256),
				} {
					try("kid-unknown", d.header().set("kid", quoted(name)), name)
				}
			})
		},
	}
}

// swapCase changes the case of every letter.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return r ^ 0x20
		default:
			return r
		}
	}, s)
}

func unknownKids() Case {
	return Case{
		ID: "J7", Slug: "token/unknown-kids-fetch-little",
		Rule:   "A thousand different unknown kids cost at most one fetch of the key set in each interval, and a known one waits for none.",
		Clause: "DESIGN section 4; RFC 8725 section 3.10",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			p := k.remote()
			d := k.door()
			d.admits(d.good())
			p.fetches(t, 1)
			flood := func(round int) {
				for i := range 500 {
					h := d.header().set("kid", fmt.Sprintf(`"unknown-%d-%d"`, round, i))
					d.refusesAt(tokenRoutes[:1], "kid-unknown", d.token(h, d.claims()))
				}
			}
			flood(1)
			p.fetches(t, 1)
			d.admits(d.good())
			t.Clock.Advance(10 * time.Second) // RemoteKeysConfig.RetryAfter
			d.admits(d.good())
			p.fetches(t, 1)
			flood(2)
			p.fetches(t, 2)
			d.admits(d.good())
			p.fetches(t, 2)
		},
	}
}

func emptySecret() Case {
	return Case{
		ID: "J8", Slug: "token/empty-secret",
		Rule:   "A MAC under an empty key, under zeros or under a part of the secret is refused, known kid or not.",
		Clause: "RFC 7518 section 3.2; CVE-2026-44351; CVE-2026-45363",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				bad := [][]byte{nil, {0}, make([]byte, 32), make([]byte, 64)}
				for _, nothing := range []string{" ", "\n", `""`, "null", "nil", "<nil>", "undefined", "[object Object]", "NaN", "false"} {
					bad = append(bad, []byte(nothing))
				}
				secret := testSecret()
				for _, n := range []int{1, 8, 16, 31} {
					bad = append(bad, secret[:n], secret[n:])
				}
				bad = append(bad, []byte(b64(secret)), fmt.Appendf(nil, "%x", secret), append(bytes.Clone(secret), '\n'))
				for _, name := range hmacNames {
					cause := "alg"
					if d.key == nil && name == "HS256" {
						cause = "signature"
					}
					h := d.header().set("alg", quoted(name))
					for _, s := range bad {
						d.refuses(cause, compact(h.String(), d.claims().String(), mac(name, s)))
						if cause == "signature" {
							d.refuses("kid-unknown", compact(h.set("kid", `"x"`).String(), d.claims().String(), mac(name, s)))
						}
					}
				}
			})
		},
	}
}

// weakSecrets are what people have made tokens with that others could guess: passwords,
// examples of documentation, defaults of frameworks.
//
//go:embed weak_secrets.txt
var weakSecrets string

func weakSecretsCase() Case {
	return Case{
		ID: "J8", Slug: "token/weak-secrets",
		Rule:   "No secret that everybody can guess makes a MAC that is taken, by a server with public keys or by one with a secret of its own.",
		Clause: "RFC 8725 section 3.5; CVE-2025-30206; CVE-2023-22463",
		Run: func(t *T) {
			secrets := strings.Split(strings.TrimSuffix(weakSecrets, "\n"), "\n")
			if len(secrets) < 1000 {
				t.Failf("%d weak secrets; the list is to have a thousand", len(secrets))
			}
			t.each([]token.Algorithm{token.HS256, token.ES256}, func(d *door) {
				cause := "alg"
				if d.key == nil {
					cause = "signature"
				}
				h, c := d.header().set("alg", `"HS256"`).String(), d.claims().String()
				for _, secret := range secrets {
					d.refusesAt(tokenRoutes[:1], cause, compact(h, c, mac("HS256", []byte(secret))))
				}
			})
		},
	}
}
