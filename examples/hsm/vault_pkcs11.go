//go:build cgo

package main

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/sallyport-go/sallyport/core/token"
)

// pkcs11Vault is a token of a PKCS#11 library. Its keys sign from any goroutine: each
// call has a session of its own out of a bounded pool.
type pkcs11Vault struct {
	ctx  *crypto11.Context
	made []crypto11.Signer
}

func openVault(module, label, pin string) (vault, error) {
	ctx, err := crypto11.Configure(&crypto11.Config{
		Path:       module,
		TokenLabel: label,
		Pin:        pin,
		// crypto.Signer has no context, so nothing else bounds how long an issuer waits
		// for an HSM whose sessions are all busy.
		MaxSessions:     8,
		PoolWaitTimeout: 2 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("token %q of %s: %w", label, module, err)
	}
	return &pkcs11Vault{ctx: ctx}, nil
}

// signsOnly are the attributes of a private key that signs, inside, and does nothing
// else. Some of them are defaults of the library; what security rests on is said.
var signsOnly = map[crypto11.AttributeType]bool{
	crypto11.CkaToken:       true, // outlives the session
	crypto11.CkaPrivate:     true, // there after a login only
	crypto11.CkaSensitive:   true,
	crypto11.CkaExtractable: false,
	crypto11.CkaSign:        true,
	crypto11.CkaDecrypt:     false, // one key, one use
	crypto11.CkaUnwrap:      false,
	crypto11.CkaDerive:      false,
}

func (v *pkcs11Vault) Generate(label string, algorithm token.Algorithm) (crypto.Signer, error) {
	return v.generate(label, algorithm, signsOnly)
}

func (v *pkcs11Vault) generate(label string, algorithm token.Algorithm, attributes map[crypto11.AttributeType]bool) (crypto.Signer, error) {
	public, err := crypto11.NewAttributeSetWithIDAndLabel([]byte(label), []byte(label))
	if err != nil {
		return nil, err
	}
	private := public.Copy()
	for attribute, value := range attributes {
		if err := private.Set(attribute, value); err != nil {
			return nil, err
		}
	}
	var key crypto11.Signer
	switch algorithm {
	case token.ES256:
		key, err = v.ctx.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256())
	case token.RS256, token.PS256:
		key, err = v.ctx.GenerateRSAKeyPairWithAttributes(public, private, 2048)
	default:
		return nil, fmt.Errorf("this program makes no keys for %s", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s: %w", algorithm, err)
	}
	v.made = append(v.made, key)
	return key, nil
}

func (v *pkcs11Vault) Find(label string) (crypto.Signer, error) {
	key, err := v.ctx.FindKeyPair(nil, []byte(label))
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", label, err)
	}
	return key, nil
}

func (v *pkcs11Vault) Protection(key crypto.Signer) (protection, error) {
	var p protection
	for attribute, field := range map[crypto11.AttributeType]*bool{
		crypto11.CkaLocal:            &p.Local,
		crypto11.CkaSensitive:        &p.Sensitive,
		crypto11.CkaAlwaysSensitive:  &p.AlwaysSensitive,
		crypto11.CkaExtractable:      &p.Extractable,
		crypto11.CkaNeverExtractable: &p.NeverExtractable,
	} {
		a, err := v.ctx.GetAttribute(key, attribute)
		if err != nil {
			return protection{}, err
		}
		*field = len(a.Value) == 1 && a.Value[0] != 0
	}

	// The private value of an EC key and the private exponent of an RSA key.
	secret := crypto11.CkaValue
	p.Asked = "CKA_VALUE"
	if _, isRSA := key.Public().(*rsa.PublicKey); isRSA {
		secret, p.Asked = crypto11.CkaPrivateExponent, "CKA_PRIVATE_EXPONENT"
	}
	_, err := v.ctx.GetAttribute(key, secret)
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)):
		p.Refusal = err
	case err != nil:
		return protection{}, err // no answer is no refusal
	}
	return p, nil
}

func (v *pkcs11Vault) Close() error {
	if v.ctx == nil {
		return nil
	}
	var errs []error
	for _, key := range v.made {
		errs = append(errs, key.Delete())
	}
	errs = append(errs, v.ctx.Close())
	v.ctx, v.made = nil, nil
	return errors.Join(errs...)
}
