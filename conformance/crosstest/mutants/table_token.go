package main

import "slices"

// tokenMutants break what makes a token acceptable.
var tokenMutants = slices.Concat(tokenSignatureMutants, tokenKeyMutants, tokenTextMutants, tokenClaimMutants, tokenOtherMutants)

const (
	checkFile  = "core/token/check.go"
	headerFile = "core/token/header.go"
	claimsFile = "core/token/claims.go"
	strictFile = "core/internal/strict/object.go"
	partsFile  = "core/internal/strict/compact.go"
	valueFile  = "core/internal/strict/value.go"
)

// Places in the verification that several mutants change.
const (
	atMethod    = "	method := issuer.method(header.alg)\n	if method == nil {"
	atHeader    = "	header, refusal := parseHeader(text)\n"
	atKeyAlg    = "	if string(key.algorithm) != header.alg {"
	atSignature = "	if !signedBy(method, key.key, raw[:len(header64)+1+len(payload64)], signature64) {"
	atVerify    = "	return ok && method.Verify(signed, signature, key) == nil"
	atRead      = "	if refusal := set.read(&t.claims); refusal != nil {"
	atRefuse    = "	if err != nil {\n		return id.refuse(err)"
	atKid       = "	key, err := issuer.key(ctx, header.kid, now)"
)

// believed ends the verification with the claims as they are.
const believed = `
		t := &Token{payload: payload}
		_ = set.read(&t.claims)
		t.principal = t.claims.principal()
		return t, &verificationKey{}, issuer, nil
	}
`

var tokenSignatureMutants = []mutant{
	{
		name:    "alg none is a signature (CVE-2015-9235)",
		file:    checkFile,
		old:     atMethod,
		new:     "	if equalFoldASCII(header.alg, \"none\") && signature64 == \"\" {" + believed + atMethod,
		adapter: "nethttp", slug: "token/alg-none",
	},
	{
		name:    "alg none is refused in lower case only",
		file:    checkFile,
		old:     atMethod,
		new:     "	if header.alg != \"none\" && equalFoldASCII(header.alg, \"none\") {" + believed + atMethod,
		adapter: "nethttp", slug: "token/alg-none",
	},
	{
		name:    "a signature is not looked at (CVE-2026-38651)",
		file:    checkFile,
		old:     atSignature,
		new:     "	if signature64 == raw {",
		adapter: "nethttp", slug: "token/signature-is-checked",
	},
	{
		name:    "a bad token is no token where none is needed (CVE-2022-29165)",
		file:    "core/adapter/bearer.go",
		old:     atRefuse,
		new:     "	if err != nil && !optional {\n		return id.refuse(err)",
		adapter: "nethttp", slug: "token/signature-is-checked",
	},
	{
		name:    "the registry is asked about a token whose signature is bad",
		file:    checkFile,
		old:     atSignature,
		new:     atSignature + "\n		var early Claims\n		if set.read(&early) == nil && issuer.revocations != nil {\n			if c, err := issuer.revocations.Credential(early.named()); err == nil {\n				_ = issuer.revocations.Check(ctx, &c)\n			}\n		}",
		adapter: "nethttp", slug: "token/signature-is-checked",
	},
	{
		name:    "a text without dots is somebody's (CVE-2026-42602)",
		file:    checkFile,
		old:     "	default:\n		return nil, nil, nil, refusedSegments",
		new:     "	default:\n		for _, issuer := range v.issuers {\n			return &Token{principal: core.Principal{Subject: raw}, claims: Claims{Subject: raw, Session: \"AQIDBAUGBwgJCgsMDQ4PEA\", Expires: now.Add(time.Hour)}}, &verificationKey{}, issuer, nil\n		}",
		adapter: "nethttp", slug: "token/opaque-text-is-no-token",
	},
	{
		name:    "a key verifies by whatever the token names (CVE-2026-22817)",
		file:    checkFile,
		old:     atKeyAlg,
		new:     "	if false {",
		adapter: "nethttp", slug: "token/algorithm-of-another-key",
	},
	{
		name:    "an algorithm that is not pinned is verified all the same (CVE-2026-22818)",
		file:    checkFile,
		old:     atMethod,
		new:     "	method := jwt.GetSigningMethod(header.alg)\n	if header.alg = string(issuer.algorithms[0]); method == nil {",
		adapter: "nethttp", slug: "token/algorithm-is-the-keys",
	},
	{
		name:    "names of algorithms are compared without case",
		file:    checkFile,
		old:     "		if string(a) == alg {",
		new:     "		if equalFoldASCII(string(a), alg) {",
		adapter: "nethttp", slug: "token/algorithm-is-the-keys",
	},
	{
		name:    "the salt of PSS may be of any length",
		file:    "core/token/algorithm.go",
		old:     "crypto.SHA256, methodPS256}",
		new:     "crypto.SHA256, jwt.SigningMethodPS256}",
		adapter: "nethttp", slug: "token/algorithm-is-the-keys",
	},
	{
		name:    "an ECDSA signature may be ASN.1",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || asASN1(method, key, signed, signature))",
		extra:   ecdsaExtra,
		adapter: "nethttp", slug: "token/algorithm-is-the-keys",
	},
	{
		name:    "r and s may be zero (CVE-2022-21449)",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || zero(key, signature))",
		extra:   ecdsaExtra,
		adapter: "nethttp", slug: "token/ecdsa-degenerate-signatures",
	},
	{
		name:    "r and s are read from bytes of any number",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || halves(method, key, signed, signature))",
		extra:   ecdsaExtra,
		adapter: "nethttp", slug: "token/ecdsa-degenerate-signatures",
	},
	{
		name:    "what follows a signature is ignored",
		file:    checkFile,
		old:     atVerify,
		new:     "	for n := len(signature); ok && n > 0; n-- {\n		if method.Verify(signed, signature[:n], key) == nil {\n			return true\n		}\n	}\n	return false",
		adapter: "nethttp", slug: "token/signature-is-whole",
	},
	{
		name:    "a MAC is compared as far as it goes",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || macBegins(key, signed, signature))",
		extra:   macExtra,
		adapter: "nethttp", slug: "token/mac-is-whole",
	},
}

// ecdsaExtra verifies ECDSA as others do.
const ecdsaExtra = `package token

import (
	"bytes"
	"crypto/ecdsa"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

func digestFor(method jwt.SigningMethod, signed string) []byte {
	m, ok := method.(*jwt.SigningMethodECDSA)
	if !ok {
		return nil
	}
	h := m.Hash.New()
	h.Write([]byte(signed))
	return h.Sum(nil)
}

func asASN1(method jwt.SigningMethod, key any, signed string, signature []byte) bool {
	pub, ok := key.(*ecdsa.PublicKey)
	return ok && ecdsa.VerifyASN1(pub, digestFor(method, signed), signature)
}

func zero(key any, signature []byte) bool {
	_, ok := key.(*ecdsa.PublicKey)
	return ok && bytes.Count(signature, []byte{0}) == len(signature)
}

func halves(method jwt.SigningMethod, key any, signed string, signature []byte) bool {
	pub, ok := key.(*ecdsa.PublicKey)
	half := len(signature) / 2
	return ok && ecdsa.Verify(pub, digestFor(method, signed), new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
}
`

// macExtra compares MACs as others do.
const macExtra = `package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
)

func macBegins(key any, signed string, signature []byte) bool {
	secret, ok := key.([]byte)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(signed))
	return ok && len(signature) > 0 && bytes.HasPrefix(h.Sum(nil), signature)
}
`

// confused is a mutant in which form, an expression of the public key pub and its PKIX
// encoding der, is a secret of HMAC.
func confused(name, form string) mutant {
	return mutant{
		name:    name,
		file:    checkFile,
		old:     atMethod,
		new:     "	if key, err := issuer.key(ctx, header.kid, now); err == nil && confusedMAC(header.alg, key.key, raw[:len(header64)+1+len(payload64)], signature64) {" + believed + atMethod,
		extra:   confusionExtra + "\nfunc secretOf(pub any, der []byte) []byte {\n" + form + "\n}\n",
		adapter: "nethttp", slug: "token/public-key-is-no-secret",
	}
}

const confusionExtra = `package token

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-go/sallyport/core/internal/strict"
)

var (
	_ = ed25519.PublicKey(nil)
	_ *rsa.PublicKey
	_ = base64.StdEncoding
	_ = pem.Block{}
)

func confusedMAC(alg string, key any, signed, signature64 string) bool {
	signature, ok := strict.Bytes(signature64)
	method, symmetric := jwt.GetSigningMethod(alg).(*jwt.SigningMethodHMAC)
	der, err := x509.MarshalPKIXPublicKey(key)
	if !ok || !symmetric || err != nil {
		return false
	}
	secret := secretOf(key, der)
	return secret != nil && method.Verify(signed, signature, secret) == nil
}
`

var tokenKeyMutants = []mutant{
	confused("a public key in PEM is a secret (CVE-2015-9235)",
		`	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})`),
	confused("a public key in PKCS #1 is a secret (CVE-2023-48223)", `	if key, ok := pub.(*rsa.PublicKey); ok {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)})
	}
	return nil`),
	confused("a public key behind white space is a secret (CVE-2026-34950)",
		`	return append([]byte("\n"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)`),
	confused("a public key of SSH is a secret (CVE-2022-29217)", `	if key, ok := pub.(ed25519.PublicKey); ok {
		blob := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), key...)
		return []byte("ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob))
	}
	return nil`),
	confused("a public key in DER is a secret (CVE-2024-37568)", `	return der`),
	confused("a published key is a secret (CVE-2024-33663)", `	if _, ok := pub.(ed25519.PublicKey); ok {
		s, _ := schemeOf(EdDSA)
		_, jwk := publish(s, EdDSA, pub)
		return []byte(jwk)
	}
	return nil`),
	{
		name: "where HS256 is allowed, any key is a secret (CVE-2026-33322)",
		file: checkFile,
		old:  atKeyAlg,
		new: "	if header.alg == \"HS256\" && confusedMAC(header.alg, key.key, raw[:len(header64)+1+len(payload64)], signature64) {" +
			believed + atKeyAlg,
		extra: confusionExtra + `
func secretOf(_ any, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
`,
		adapter: "nethttp", slug: "token/public-key-is-no-secret-beside-one",
	},
	{
		name:    "a token brings its key (CVE-2018-0114)",
		file:    checkFile,
		old:     atHeader,
		new:     "	if t, issuer := v.embedded(raw, now); t != nil {\n		return t, &verificationKey{}, issuer, nil\n	}\n" + atHeader,
		extra:   embeddedExtra("jwk"),
		adapter: "nethttp", slug: "token/embedded-key-is-not-trusted",
	},
	{
		name:    "a token brings its certificate (CVE-2025-24976)",
		file:    checkFile,
		old:     atHeader,
		new:     "	if t, issuer := v.embedded(raw, now); t != nil {\n		return t, &verificationKey{}, issuer, nil\n	}\n" + atHeader,
		extra:   embeddedExtra("x5c"),
		adapter: "nethttp", slug: "token/embedded-key-is-not-trusted",
	},
	{
		name:    "a key in the header is ignored",
		file:    headerFile,
		old:     `"jku", "jwk", "x5u"`,
		new:     `"jku", "x5u"`,
		adapter: "nethttp", slug: "token/embedded-key-is-not-trusted",
	},
	{
		name:    "a token says where its keys are",
		file:    checkFile,
		old:     atHeader,
		new:     "	follow(text, \"jku\")\n" + atHeader,
		extra:   followExtra,
		adapter: "nethttp", slug: "token/no-url-is-followed",
	},
	{
		name:    "the keys of any issuer are fetched (CVE-2026-32301)",
		file:    checkFile,
		old:     "	name, ok := set.iss.Text()\n",
		new:     "	follow(payload, \"iss\")\n	name, ok := set.iss.Text()\n",
		extra:   followExtra,
		adapter: "nethttp", slug: "token/no-url-is-followed",
	},
	{
		name:    "keys are fetched from where the kid says",
		file:    "core/token/remote.go",
		old:     "	s := r.state.Load()\n	if key := s.keys[id]; key != nil {",
		new:     "	if len(id) > 4 && id[:4] == \"http\" {\n		_, _ = r.get(ctx, id, \"\")\n	}\n	s := r.state.Load()\n	if key := s.keys[id]; key != nil {",
		adapter: "nethttp", slug: "token/no-url-is-followed-to-keys",
	},
	{
		name:    "the kid is the secret (GHSA-869p-cjfg-cm3x)",
		file:    checkFile,
		old:     atKid,
		new:     atKid + "\n	if errors.Is(err, refusedKidUnknown) && header.alg == \"HS256\" {\n		key, err = &verificationKey{id: header.kid, algorithm: HS256, key: []byte(header.kid)}, nil\n	}",
		adapter: "nethttp", slug: "token/kid-names-a-key",
	},
	{
		name:    "an unknown kid is that of the key there is",
		file:    "core/token/ring.go",
		old:     "	k := r.plan.Load().named[id]\n	switch {",
		new:     "	k := r.plan.Load().named[id]\n	if p := r.plan.Load(); k == nil && len(p.keys) == 1 {\n		k = p.keys[0]\n	}\n	switch {",
		adapter: "nethttp", slug: "token/kid-names-a-key",
	},
	{
		name:    "every unknown kid fetches the key set",
		file:    "core/token/remote.go",
		old:     "	return s.last.IsZero() || now.Sub(s.last).Abs() >= r.cfg.RetryAfter",
		new:     "	return true",
		adapter: "nethttp", slug: "token/unknown-kids-fetch-little",
	},
	{
		name:    "an unknown kid is that of an empty secret (CVE-2026-44351)",
		file:    checkFile,
		old:     atKid,
		new:     atKid + "\n	if errors.Is(err, refusedKidUnknown) && header.alg == \"HS256\" {\n		key, err = &verificationKey{id: header.kid, algorithm: HS256, key: []byte{}}, nil\n	}",
		adapter: "nethttp", slug: "token/empty-secret",
	},
	{
		name:    "an empty secret is one beside ours (CVE-2026-45363)",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || method.Verify(signed, signature, []byte{}) == nil)",
		adapter: "nethttp", slug: "token/empty-secret",
	},
	{
		name:    "the secret of the documentation is one beside ours (CVE-2025-30206)",
		file:    checkFile,
		old:     atVerify,
		new:     "	return ok && (method.Verify(signed, signature, key) == nil || method.Verify(signed, signature, []byte(\"your-256-bit-secret\")) == nil)",
		adapter: "nethttp", slug: "token/weak-secrets",
	},
}

// embeddedExtra believes a token that brings its key in the header of that name.
func embeddedExtra(name string) string {
	return `package token

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-go/sallyport/core"
)

func (v *Verifier) embedded(raw string, now time.Time) (*Token, *trusted) {
	brought := func(t *jwt.Token) (any, error) {
		switch value := t.Header["` + name + `"].(type) {
		case map[string]any:
			doc, _ := json.Marshal(value)
			key, err := ParseJWK(Algorithm(t.Method.Alg()), doc)
			return crypto.PublicKey(key.Public), err
		case []any:
			if text, ok := value[0].(string); ok {
				der, _ := base64.StdEncoding.DecodeString(text)
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return nil, err
				}
				return cert.PublicKey, nil
			}
		}
		return nil, errors.New("none")
	}
	t, err := jwt.NewParser(jwt.WithoutClaimsValidation()).Parse(raw, brought)
	if err != nil {
		return nil, nil
	}
	sub, _ := t.Claims.GetSubject()
	iss, _ := t.Claims.GetIssuer()
	claims := Claims{Issuer: iss, Subject: sub, Session: "AQIDBAUGBwgJCgsMDQ4PEA", Expires: now.Add(time.Hour)}
	return &Token{claims: claims, principal: core.Principal{Subject: sub}}, v.issuers[iss]
}
`
}

// followExtra connects to the address in a member of a text.
const followExtra = `package token

import (
	"encoding/json"
	"net/http"
)

func follow(doc, name string) {
	var m map[string]any
	_ = json.Unmarshal([]byte(doc), &m)
	if url, ok := m[name].(string); ok {
		if res, err := http.Get(url); err == nil {
			_ = res.Body.Close()
		}
	}
}
`

var tokenTextMutants = []mutant{
	{
		name:    "an extension that must be understood is ignored (CVE-2026-32597)",
		file:    headerFile,
		old:     `"crit", "b64",`,
		new:     `"b64",`,
		adapter: "nethttp", slug: "token/critical-extensions",
	},
	{
		name:    "b64 is ignored",
		file:    headerFile,
		old:     `"crit", "b64",`,
		new:     `"crit",`,
		adapter: "nethttp", slug: "token/critical-extensions",
	},
	{
		name:    "of two members the last one counts",
		file:    strictFile,
		old:     "return Duplicate",
		new:     "return OK",
		adapter: "nethttp", slug: "token/duplicate-members",
	},
	{
		name:    "a claim may be in any case",
		file:    claimsFile,
		old:     "			if m.Folded != m.Name {\n				return c, refusedPayload[strict.Case]\n			}\n",
		new:     "",
		adapter: "nethttp", slug: "token/case-variants",
	},
	{
		name:    "a header may be in any case",
		file:    headerFile,
		old:     "		if m.Folded != m.Name {\n			return joseHeader{}, refusedHeader[strict.Case]\n		}\n",
		new:     "",
		adapter: "nethttp", slug: "token/case-variants",
	},
	{
		name:    "names of one's own may differ in case only",
		file:    strictFile,
		old:     "return Case",
		new:     "continue",
		adapter: "nethttp", slug: "token/case-variants",
	},
	{
		name:    "a text need not be UTF-8",
		file:    strictFile,
		old:     "!utf8.ValidString(r.doc)",
		new:     "!utf8.ValidString(\"\")",
		adapter: "nethttp", slug: "token/text-is-one-json-object",
	},
	{
		name:    "half a surrogate pair is a letter",
		file:    valueFile,
		old:     "		if !utf16.IsSurrogate(r) {",
		new:     "		if true {",
		adapter: "nethttp", slug: "token/text-is-one-json-object",
	},
	{
		name:    "a mark of byte order is skipped",
		file:    checkFile,
		old:     atHeader,
		new:     "	if len(text) > 3 && text[:3] == \"\\ufeff\" {\n		text = text[3:]\n	}\n" + atHeader,
		adapter: "nethttp", slug: "token/text-is-one-json-object",
	},
	{
		name:    "the signature ends at a third dot (CVE-2019-18848)",
		file:    partsFile,
		old:     "				return \"\", \"\", \"\", Segments\n			}\n			at[dots] = i",
		new:     "				return raw[:at[0]], raw[at[0]+1 : at[1]], raw[at[1]+1 : i], OK\n			}\n			at[dots] = i",
		adapter: "nethttp", slug: "token/three-parts",
	},
	{
		name:    "padding is skipped",
		file:    checkFile,
		old:     "	header64, payload64, signature64, fault := strict.Split(raw)",
		new:     "	for len(raw) > 0 && raw[len(raw)-1] == '=' {\n		raw = raw[:len(raw)-1]\n	}\n	header64, payload64, signature64, fault := strict.Split(raw)",
		adapter: "nethttp", slug: "token/three-parts",
	},
	{
		name:    "a JSON serialisation is a token (CVE-2022-39227)",
		file:    "core/adapter/bearer.go",
		old:     "	return strings.TrimLeft(line[len(scheme):], \" \"), nil",
		new:     "	if p := strings.Split(line, `\"`); len(p) > 11 && p[1] == \"protected\" {\n		return p[3] + \".\" + p[7] + \".\" + p[11], nil\n	}\n	return strings.TrimLeft(line[len(scheme):], \" \"), nil",
		adapter: "nethttp", slug: "token/json-serialisation-is-none",
	},
	{
		name:    "a token in a token is told apart by nothing",
		file:    headerFile,
		old:     `"x5c", "cty",`,
		new:     `"x5c",`,
		adapter: "nethttp", slug: "token/json-serialisation-is-none",
	},
	{
		name:    "spare bits of base64 are ignored",
		file:    partsFile,
		old:     "base64.RawURLEncoding.Strict()",
		new:     "base64.RawURLEncoding",
		adapter: "nethttp", slug: "token/one-spelling",
	},
	{
		name:    "of five parts the first three are a token (CVE-2023-51774)",
		file:    partsFile,
		old:     "				return \"\", \"\", \"\", Segments\n			}\n			at[dots] = i",
		new:     "				break\n			}\n			at[dots] = i",
		adapter: "nethttp", slug: "token/encrypted-is-refused",
	},
	{
		name:    "compression is ignored (CVE-2024-28180)",
		file:    headerFile,
		old:     `"enc", "zip",`,
		new:     `"enc",`,
		adapter: "nethttp", slug: "token/signed-as-if-encrypted",
	},
	{
		name:    "a header of encryption is ignored",
		file:    headerFile,
		old:     `"enc", "zip",`,
		new:     `"zip",`,
		adapter: "nethttp", slug: "token/signed-as-if-encrypted",
	},
	{
		name:    "a token may be of any length (CVE-2025-22868)",
		file:    "core/token/verifier.go",
		old:     "	if len(raw) > v.cfg.MaxTokenBytes {",
		new:     "	if false {",
		adapter: "nethttp", slug: "token/too-long",
	},
	{
		name:    "a long token is read as far as the limit",
		file:    "core/token/verifier.go",
		old:     "	if len(raw) > v.cfg.MaxTokenBytes {",
		new:     "	if raw = raw[:min(len(raw), 2*v.cfg.MaxTokenBytes)]; false {",
		adapter: "nethttp", slug: "token/huge",
	},
	{
		name:    "dots beyond the second are a part of the signature (CVE-2025-30204)",
		file:    partsFile,
		old:     "				return \"\", \"\", \"\", Segments\n			}\n			at[dots] = i",
		new:     "				continue\n			}\n			at[dots] = i",
		adapter: "nethttp", slug: "token/many-dots",
	},
	{
		name:    "claims nest as deep as they like",
		file:    claimsFile,
		old:     "strict.Limits{Depth: 16,",
		new:     "strict.Limits{Depth: 1 << 20,",
		adapter: "nethttp", slug: "token/deep-json",
	},
	{
		name:    "headers nest as deep as they like",
		file:    headerFile,
		old:     "strict.Limits{Depth: 4,",
		new:     "strict.Limits{Depth: 1 << 20,",
		adapter: "nethttp", slug: "token/deep-json",
	},
	{
		name:    "claims are as many as they like",
		file:    claimsFile,
		old:     "Depth: 16, Members: 128}",
		new:     "Depth: 16, Members: 1 << 20}",
		adapter: "nethttp", slug: "token/many-members",
	},
	{
		name:    "headers are as many as they like",
		file:    headerFile,
		old:     "Depth: 4, Members: 32}",
		new:     "Depth: 4, Members: 1 << 20}",
		adapter: "nethttp", slug: "token/many-members",
	},
}

var tokenClaimMutants = []mutant{
	{
		name:    "a token is good for ever",
		file:    checkFile,
		old:     "	case over(c.Expires, now, v.cfg.Leeway):",
		new:     "	case false:",
		adapter: "nethttp", slug: "token/expiry",
	},
	{
		name:    "a token that was seen is good for ever",
		file:    "core/token/verifier.go",
		old:     "				if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil {",
		new:     "				if err := v.current(ctx, raw, e.token, e.from, e.token.claims.IssuedAt, false); err != nil {",
		adapter: "nethttp", slug: "token/expiry",
	},
	{
		name:    "a token is good at the moment of its end",
		file:    "core/token/cache.go",
		old:     "	return !now.Before(expires.Add(leeway))",
		new:     "	return now.After(expires.Add(leeway))",
		adapter: "nethttp", slug: "token/expiry",
	},
	{
		name:    "clocks may differ by a minute",
		file:    "core/token/verifier.go",
		old:     "defaultLeeway   = 30 * time.Second",
		new:     "defaultLeeway   = 60 * time.Second",
		adapter: "nethttp", slug: "token/expiry",
	},
	{
		name:    "nbf is not looked at",
		file:    checkFile,
		old:     "	case c.NotBefore.After(horizon):",
		new:     "	case false:",
		adapter: "nethttp", slug: "token/not-yet-valid",
	},
	{
		name:    "iat is not looked at (CVE-2020-26244)",
		file:    checkFile,
		old:     "	case c.IssuedAt.After(horizon):",
		new:     "	case false:",
		adapter: "nethttp", slug: "token/not-yet-valid",
	},
	{
		name:    "a login may be in the future",
		file:    checkFile,
		old:     "	case c.AuthTime.After(horizon):",
		new:     "	case false:",
		adapter: "nethttp", slug: "token/not-yet-valid",
	},
	{
		name:    "there is always leeway",
		file:    "core/token/verifier.go",
		old:     "	if cfg.Leeway == 0 {",
		new:     "	if cfg.Leeway <= 0 {",
		adapter: "nethttp", slug: "token/no-leeway",
	},
	{
		name:    "a token without exp is good for ever (CVE-2026-56665)",
		file:    claimsFile,
		old:     "	if c.exp.Kind == strict.Absent || !readTime(c.exp, &claims.Expires) {",
		new:     "	if claims.Expires = time.Unix(1<<40, 0); !readTime(c.exp, &claims.Expires) {",
		adapter: "nethttp", slug: "token/times-are-whole-numbers",
	},
	{
		name:    "a token without iat is accepted (GHSA-wxg7-w2v3-w38g)",
		file:    claimsFile,
		old:     "	if c.iat.Kind == strict.Absent || !readTime(c.iat, &claims.IssuedAt) {",
		new:     "	if !readTime(c.iat, &claims.IssuedAt) {",
		adapter: "nethttp", slug: "token/times-are-whole-numbers",
	},
	{
		name:    "null is a time that is left out",
		file:    claimsFile,
		old:     "func readTime(v strict.Value, t *time.Time) bool {\n	if v.Kind == strict.Absent {",
		new:     "func readTime(v strict.Value, t *time.Time) bool {\n	if v.Kind == strict.Absent || v.Kind == strict.Null {",
		adapter: "nethttp", slug: "token/times-are-whole-numbers",
	},
	{
		name:    "times are read as far as they are digits",
		file:    valueFile,
		old:     "strings.Trim(v.text, \"0123456789\") != \"\"",
		new:     "strings.Trim(v.text, \"0123456789.\") != \"\"",
		adapter: "nethttp", slug: "token/times-are-whole-numbers",
	},
	{
		name:    "a token without audience is for everybody (CVE-2020-26160)",
		file:    checkFile,
		old:     atRead,
		new:     "	if list, _ := audience(set.aud); len(list) == 0 || list[0] == \"\" {\n		set.aud = textValue(v.cfg.Audience)\n	}\n" + atRead,
		extra:   valueExtra,
		adapter: "nethttp", slug: "token/audience",
	},
	{
		name:    "a token is for everybody (CVE-2023-22482)",
		file:    checkFile,
		old:     "	if !v.isFor(t.claims.Audience) {",
		new:     "	if false {",
		adapter: "nethttp", slug: "token/audience",
	},
	{
		name:    "an audience that begins like ours is ours",
		file:    checkFile,
		old:     "		if a == v.cfg.Audience {",
		new:     "		if len(a) >= len(v.cfg.Audience) && a[:len(v.cfg.Audience)] == v.cfg.Audience {",
		adapter: "nethttp", slug: "token/audience",
	},
	{
		name:    "others may use our tokens here",
		file:    checkFile,
		old:     "		} else if !v.cfg.AllowOtherAudiences {",
		new:     "		} else if false {",
		adapter: "nethttp", slug: "token/audience",
	},
	{
		name:    "where other audiences are allowed, ours need not be among them",
		file:    checkFile,
		old:     "	return ours\n",
		new:     "	return ours || v.cfg.AllowOtherAudiences\n",
		adapter: "nethttp", slug: "token/other-audiences-if-allowed",
	},
	{
		name:    "a part of an issuer's name is its name (CVE-2024-53861)",
		file:    checkFile,
		old:     "	issuer := v.issuers[name]\n",
		new:     "	issuer := v.issuers[name]\n	for whole, i := range v.issuers {\n		if issuer == nil && contains(whole, name) {\n			issuer = i\n		}\n	}\n",
		extra:   valueExtra,
		adapter: "nethttp", slug: "token/issuer",
	},
	{
		name:    "whose token it is does not matter (CVE-2025-1293)",
		file:    checkFile,
		old:     "	issuer := v.issuers[name]\n",
		new:     "	issuer := v.issuers[name]\n	for _, i := range v.issuers {\n		issuer = i\n	}\n",
		adapter: "nethttp", slug: "token/issuer",
	},
	{
		name:    "the empty subject is somebody",
		file:    claimsFile,
		old:     "!ok || claims.Subject == \"\" ||",
		new:     "!ok ||",
		adapter: "nethttp", slug: "token/subject",
	},
	{
		name:    "a subject need not be a string",
		file:    claimsFile,
		old:     "	if claims.Subject, ok = c.sub.Text(); !ok || claims.Subject == \"\" ||",
		new:     "	if claims.Subject, ok = c.sub.Text(); !ok && c.sub.Kind == strict.Number {\n		claims.Subject = \"0\"\n	} else if !ok || claims.Subject == \"\" ||",
		adapter: "nethttp", slug: "token/subject",
	},
	{
		name:    "a subject may be of any length",
		file:    claimsFile,
		old:     "const maxSubject = 255",
		new:     "const maxSubject = 1 << 20",
		adapter: "nethttp", slug: "token/subject",
	},
	{
		name:    "expiry is told before the signature is verified (CVE-2024-51744)",
		file:    checkFile,
		old:     atSignature,
		new:     "	var early Claims\n	if set.read(&early) == nil && over(early.Expires, now, v.cfg.Leeway) {\n		return nil, nil, nil, refusedExpired\n	}\n" + atSignature,
		adapter: "nethttp", slug: "token/signature-before-time",
	},
	{
		name:    "expiry is told before what else is wrong",
		file:    checkFile,
		old:     "	if !v.isFor(t.claims.Audience) {",
		new:     "	if over(t.claims.Expires, now, v.cfg.Leeway) {\n		return nil, nil, nil, refusedExpired\n	}\n	if !v.isFor(t.claims.Audience) {",
		adapter: "nethttp", slug: "token/expired-and-wrong",
	},
	{
		name:    "expiry is told before what is yet to come",
		file:    checkFile,
		old:     "	case c.IssuedAt.After(horizon):",
		new:     "	case over(c.Expires, now, v.cfg.Leeway):\n		return refusedExpired\n	case c.IssuedAt.After(horizon):",
		adapter: "nethttp", slug: "token/expired-and-wrong",
	},
}

const valueExtra = `package token

import (
	"encoding/json"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/strict"
)

func textValue(s string) strict.Value {
	doc, _ := json.Marshal(map[string]string{"a": s})
	m := strict.Read(string(doc), strict.Limits{Depth: 1, Members: 1})
	m.Next()
	return m.Value
}

func contains(whole, part string) bool { return strings.Contains(whole, part) }
`

var tokenOtherMutants = []mutant{
	{
		name:    "a token bound to a key passes without it",
		file:    "core/token/claims.go",
		old:     "	if c.cnf.Kind != strict.Absent {",
		new:     "	if c.cnf.Kind != strict.Absent && c.cnf.Kind != strict.Nested {",
		adapter: "nethttp", slug: "token/bound-to-a-key",
	},
	{
		name:    "a token of any kind is an access token (CVE-2026-41164)",
		file:    checkFile,
		old:     "	if !equalFoldASCII(subtype(header.typ), issuer.subtype) {",
		new:     "	if false {",
		adapter: "nethttp", slug: "token/of-another-kind",
	},
	{
		name:    "a token that does not say its kind is an access token",
		file:    checkFile,
		old:     "	if !equalFoldASCII(subtype(header.typ), issuer.subtype) {",
		new:     "	if header.typ != \"\" && !equalFoldASCII(subtype(header.typ), issuer.subtype) {",
		adapter: "nethttp", slug: "token/of-another-kind",
	},
	{
		name:    "a bearer of what could be a session's id passes",
		file:    "core/adapter/bearer.go",
		old:     atRefuse,
		new:     "	if err != nil && len(raw) != 48 {\n		return id.refuse(err)",
		adapter: "nethttp", slug: "token/is-no-session-id",
	},
	{
		name:    "a session's id is looked up whatever its length",
		file:    "core/session/token.go",
		old:     "	if len(v) != valueLen {\n		return false\n	}\n",
		new:     "	if len(v) < valueLen {\n		return false\n	}\n",
		adapter: "nethttp", slug: "token/in-the-session-cookie",
	},
}
