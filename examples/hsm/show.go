package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-go/sallyport/core/token"
)

// show tells the story of three keys to w. The error says how many expectations
// failed, or what made it impossible to go on.
func show(ctx context.Context, w io.Writer, v vault) error {
	s := newStory(w, v)
	defer s.stop()
	for i, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"Three key pairs, generated in the HSM, never leave it", s.generate},
		{"The first one signs; a service elsewhere knows the URL of the key set only", s.sign},
		{"Planned rotation: the second is announced, and signs an hour later", s.rotate},
		{"The first one is revoked", s.revoke},
		{"Emergency: the key that signs is revoked, and a spare was announced before", s.emergency},
		{"The HSM is lost", s.lose},
	} {
		fmt.Fprintf(w, "\n%d. %s\n", i+1, step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if s.failed > 0 {
		return fmt.Errorf("%d of %d expectations failed", s.failed, s.held+s.failed)
	}
	fmt.Fprintf(w, "\nAll %d expectations held.\n", s.held)
	return nil
}

func (s *story) generate(context.Context) error {
	run := rand.Text()[:8] // two runs in one HSM do not mix up their keys
	for _, k := range []*storyKey{
		{name: "first", algorithm: token.ES256},
		{name: "second", algorithm: token.ES256},
		{name: "spare", algorithm: token.PS256},
	} {
		label := "sallyport-" + run + "-" + k.name
		made, err := s.vault.Generate(label, k.algorithm)
		if err != nil {
			return err
		}
		// A program that starts again finds its keys by their labels.
		k.signer, err = s.vault.Find(label)
		if err != nil {
			return err
		}
		p, err := s.vault.Protection(k.signer)
		if err != nil {
			return err
		}
		public, _ := made.Public().(interface{ Equal(crypto.PublicKey) bool })
		s.expect(public != nil && public.Equal(k.signer.Public()), "%s, %s: found again by its label %s", k.name, k.algorithm, label)
		s.expect(p.Local && p.Sensitive && p.AlwaysSensitive, "%s: CKA_LOCAL %v, CKA_SENSITIVE %v, CKA_ALWAYS_SENSITIVE %v",
			k.name, p.Local, p.Sensitive, p.AlwaysSensitive)
		s.expect(!p.Extractable && p.NeverExtractable, "%s: CKA_EXTRACTABLE %v, CKA_NEVER_EXTRACTABLE %v",
			k.name, p.Extractable, p.NeverExtractable)
		s.expect(p.Refusal != nil, "%s: asked for %s, the HSM says %v", k.name, p.Asked, p.Refusal)
		s.keys[k.name] = k
	}
	return nil
}

func (s *story) sign(ctx context.Context) error {
	first, spare := s.keys["first"], s.keys["spare"]
	err := s.begin(
		token.Key{Algorithm: first.algorithm, Signer: first.signer},
		token.Key{Algorithm: spare.algorithm, Signer: spare.signer, SignFrom: s.clock().Add(30 * 24 * time.Hour)},
	)
	if err != nil {
		return err
	}
	s.learn("first", "spare")
	s.expectKeys(ctx, "first signing", "spare announced")
	raw, err := s.issue(ctx, "first")
	if err != nil {
		return err
	}
	s.expectVerdicts(ctx, "its token", raw, accepted, accepted)
	s.expectVerdicts(ctx, "the same with another subject", forge(raw), badSignature, badSignature)
	return nil
}

func (s *story) rotate(ctx context.Context) (err error) {
	second := s.keys["second"]
	err = s.ring.Add(ctx, token.Key{Algorithm: second.algorithm, Signer: second.signer, SignFrom: s.clock().Add(time.Hour)})
	if err != nil {
		return err
	}
	s.learn("second")
	s.expectKeys(ctx, "first signing", "second announced", "spare announced")
	s.pass(time.Hour - time.Second)
	if s.before, err = s.issue(ctx, "first"); err != nil {
		return err
	}
	s.pass(time.Second)
	if s.after, err = s.issue(ctx, "second"); err != nil {
		return err
	}
	s.expectKeys(ctx, "first retired", "second signing", "spare announced")
	s.expectVerdicts(ctx, "the token of the first", s.before, accepted, accepted)
	s.expectVerdicts(ctx, "the token of the second", s.after, accepted, accepted)
	return nil
}

func (s *story) revoke(ctx context.Context) error {
	if err := s.ring.Revoke(ctx, s.keys["first"].id); err != nil {
		return err
	}
	s.expectKeys(ctx, "first revoked", "second signing", "spare announced")
	s.expectVerdicts(ctx, "the token of the first, at once", s.before, keyRevoked, accepted)
	s.pass(refresh)
	s.expectVerdicts(ctx, "the same, a Refresh later", s.before, keyRevoked, kidUnknown)
	s.expectVerdicts(ctx, "the token of the second", s.after, accepted, accepted)
	return nil
}

func (s *story) emergency(ctx context.Context) (err error) {
	if err := s.ring.Revoke(ctx, s.keys["second"].id); err != nil {
		return err
	}
	s.expectKeys(ctx, "first revoked", "second revoked", "spare signing")
	if s.last, err = s.issue(ctx, "spare"); err != nil {
		return err
	}
	s.expectVerdicts(ctx, "the token of the second, at once", s.after, keyRevoked, accepted)
	s.expectVerdicts(ctx, "the token of the spare, at once", s.last, accepted, accepted)
	s.pass(refresh)
	s.expectVerdicts(ctx, "the token of the second, a Refresh later", s.after, keyRevoked, kidUnknown)
	return nil
}

func (s *story) lose(ctx context.Context) error {
	if err := s.vault.Close(); err != nil {
		return err
	}
	_, err := s.issuer.Issue(ctx, alice)
	s.expect(err != nil, "nothing can be issued: %v", err)
	s.expectVerdicts(ctx, "what was issued before", s.last, accepted, accepted)
	_, err = s.published(ctx)
	s.expect(err == nil, "the key set is still published")
	return nil
}
