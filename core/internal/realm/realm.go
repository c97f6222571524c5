// Package realm turns the name of a subject into what may stand in a store: a value
// that is the same on all nodes of one application and means nothing to anybody
// without the fleet's secret.
package realm

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"sync"
)

const (
	// MaxAppLen bounds the name of an application.
	MaxAppLen    = 64
	minSecretLen = 32
	appAlphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)

// Check calls bad for each mistake in what New takes.
func Check(app string, secret []byte, bad func(field, value, reason string)) {
	if app == "" || len(app) > MaxAppLen || strings.Trim(app, appAlphabet) != "" {
		bad("App", app, "must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	if secret != nil && len(secret) < minSecretLen {
		bad("Secret", strconv.Itoa(len(secret))+" bytes", "must be at least 32 random bytes, or nil")
	}
}

// Realm is one application with its secret. It is safe for concurrent use.
type Realm struct {
	app    string
	secret []byte
	owner  *keyed
	mark   *keyed
}

// keyed makes the MACs of one key. What it takes to make one is kept for the next: a
// request that makes a single one would spend more on setting it up.
type keyed struct{ pool sync.Pool } // of *mac

type mac struct {
	hash.Hash
	in  []byte
	sum [sha256.Size]byte
}

func (r *Realm) keyed(purpose string) (*keyed, error) {
	key, err := r.Key(purpose)
	if err != nil {
		return nil, err
	}
	return &keyed{sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}, nil
}

// of returns the MAC of what write appends.
func (k *keyed) of(write func(in []byte) []byte) (sum [sha256.Size]byte) {
	m := k.pool.Get().(*mac)
	m.in = write(m.in[:0])
	m.Reset()
	m.Write(m.in)
	copy(sum[:], m.Sum(m.sum[:0]))
	if cap(m.in) <= maxKept {
		k.pool.Put(m)
	}
	return sum
}

// maxKept bounds what is kept of what somebody sent.
const maxKept = 1024

// Secret returns secret. If it is nil, the process has one of its own: two managers
// on one store in memory must know the same owners, and no other process can. With
// a random that is not nil a new one is made out of that.
func Secret(secret []byte, random io.Reader) ([]byte, error) {
	switch {
	case secret != nil:
		return secret, nil
	case random != nil:
		return newSecret(random)
	default:
		return processSecret()
	}
}

var processSecret = sync.OnceValues(func() ([]byte, error) { return newSecret(rand.Reader) })

func newSecret(random io.Reader) ([]byte, error) {
	secret := make([]byte, minSecretLen)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("no random secret: %w", err)
	}
	return secret, nil
}

// New takes what Check found right.
func New(app string, secret []byte) (*Realm, error) {
	r := &Realm{app: app, secret: secret}
	var err error
	if r.owner, err = r.keyed("owner"); err != nil {
		return nil, err
	}
	if r.mark, err = r.keyed("mark"); err != nil {
		return nil, err
	}
	return r, nil
}

// Key derives a key for one purpose, so that no two purposes share one.
func (r *Realm) Key(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, r.secret, nil, "sallyport "+purpose+" v1", sha256.Size)
}

// Owner is a keyed hash of the application and the subject. An application's name
// holds no zero byte, so no two pairs are hashed as the same bytes.
func (r *Realm) Owner(subject string) [16]byte {
	return half(r.owner.of(func(in []byte) []byte {
		in = append(in, r.app...)
		in = append(in, 0)
		return append(in, subject...)
	}))
}

// Mark is a keyed hash of the application and of parts, for one purpose. Each is hashed
// behind its length, so that no two lists are hashed as the same bytes.
func (r *Realm) Mark(purpose string, parts ...string) [16]byte {
	return half(r.mark.of(func(in []byte) []byte {
		return appendParts(appendPart(appendPart(in, r.app), purpose), parts)
	}))
}

// MAC makes whole MACs for one purpose, under a key of its own. It is safe for concurrent
// use.
type MAC struct {
	app string
	key *keyed
}

// MAC returns the one for a purpose.
func (r *Realm) MAC(purpose string) (*MAC, error) {
	key, err := r.keyed(purpose)
	if err != nil {
		return nil, err
	}
	return &MAC{r.app, key}, nil
}

// Of is the MAC of the application and of parts, hashed as Mark hashes them.
func (m *MAC) Of(parts ...string) [sha256.Size]byte {
	return m.key.of(func(in []byte) []byte { return appendParts(appendPart(in, m.app), parts) })
}

func half(sum [sha256.Size]byte) [16]byte { return [16]byte(sum[:16]) }

func appendParts(in []byte, parts []string) []byte {
	for _, part := range parts {
		in = appendPart(in, part)
	}
	return in
}

func appendPart(in []byte, part string) []byte {
	return append(binary.AppendUvarint(in, uint64(len(part))), part...)
}
