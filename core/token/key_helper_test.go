package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/token"
)

// Keys of each kind, made once: RSA takes its time.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return newKey(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newKey(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	otherKey = sync.OnceValue(func() *ecdsa.PrivateKey { return newKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey    = ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", ed25519.SeedSize)))
)

func newKey[K any](key K, err error) K {
	if err != nil {
		panic(err)
	}
	return key
}

// kms hides what kind of key signs, as the client of a KMS does.
type kms struct {
	key     crypto.Signer
	asked   []crypto.SignerOpts
	instead func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (k *kms) Public() crypto.PublicKey { return k.key.Public() }

func (k *kms) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.asked = append(k.asked, opts)
	if k.instead != nil {
		return k.instead(digest, opts)
	}
	return k.key.Sign(random, digest, opts)
}

func secretKey(t *testing.T) token.Key {
	t.Helper()
	k, err := token.SharedSecretKey([]byte(strings.Repeat("s", 32)))
	require.NoError(t, err)
	return k
}

// mistakes are the ConfigErrors in err, however deep they are joined.
func mistakes(err error) (list []*core.ConfigError) {
	switch e := err.(type) {
	case nil:
		return nil
	case *core.ConfigError:
		return []*core.ConfigError{e}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, mistakes(inner)...)
		}
	case interface{ Unwrap() error }:
		return mistakes(e.Unwrap())
	}
	return list
}

// wrongFields are the fields that err names, without prefix.
func wrongFields(t *testing.T, err error, prefix string) (fields []string) {
	t.Helper()
	for _, e := range mistakes(err) {
		require.NotEmpty(t, e.Reason)
		fields = append(fields, strings.TrimPrefix(e.Field, prefix))
	}
	return fields
}

type keyClock struct {
	mu  sync.Mutex
	now time.Time
}

func newKeyClock() *keyClock { return &keyClock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *keyClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *keyClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type keySink struct {
	mu     sync.Mutex
	events []audit.Event
}

func (s *keySink) Record(_ context.Context, e audit.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// take returns what was recorded since it was last asked.
func (s *keySink) take() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	return events
}
