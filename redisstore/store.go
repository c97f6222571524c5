package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts a Store. The zero value is complete.
type Config struct {
	// Prefix begins every key, so that a Redis can be shared and an ACL can
	// name what is ours. Letters, digits and . _ - : only, at most 32 bytes;
	// default "sallyport:".
	Prefix string
	// Secrets are what the fleet shares so that whoever can write to Redis
	// cannot mint a session or a refresh family: every record then carries a MAC, and one without a
	// right MAC is an error. The first secret signs, all of them verify, so a new
	// one is added last, moved to the front, and the old one dropped when no
	// record of it can be alive. Each at least 32 random bytes.
	// Default none: no MAC. All nodes must have secrets, or none.
	Secrets [][]byte
	// InsecureEviction accepts a server that evicts keys when its memory is
	// full. It then forgets revocations, and what was revoked is accepted again.
	InsecureEviction bool
	// Timeout bounds each command, beside whatever the caller's context says.
	// Default 2 s, at least 1 ms. A timer is armed only for a caller that would
	// wait longer: let it be no shorter than session.Config.StoreTimeout.
	Timeout time.Duration
	// MaxValueBytes refuses larger entries before they are sent. Default 1.1 MB,
	// which fits the largest session.Config.MaxDataBytes; at least 1 KiB.
	MaxValueBytes int
	// Now is this node's clock, by which sessions and revocations end. Redis expires
	// keys by its own; ours is asked as well, so that neither alone can lengthen a
	// life. Default time.Now.
	//
	// Refresh families go by the server's clock, so that nodes whose clocks differ
	// cannot disagree about a grace window. If Now is set it takes the place of that
	// clock too, which is for tests.
	Now func() time.Time
}

const (
	defaultPrefix   = "sallyport:"
	maxPrefix       = 32
	prefixAlphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:"
	minSecretLen    = 32
	defaultTimeout  = 2 * time.Second
	defaultMaxValue = 1_100_000
	minMaxValue     = 1 << 10
)

// Store is a Redis that Sallyport keeps its records in. Make one with New. It is
// safe for concurrent use and holds nothing but the client, which stays yours to
// close.
type Store struct {
	client  rueidis.Client
	cfg     Config
	signer  *signer // nil without Secrets
	mocked  bool    // Config.Now stands for the server's clock
	records records
}

// records implements session.Store, refresh.Store and revocation.Witness: one object,
// so that a Rotator finds its store through the registry of a session.Manager.
type records struct {
	*Store
	reports reporters
}

// New compiles cfg and looks at the servers. The error joins every mistake of the
// configuration, each a *core.ConfigError; else it says all that is wrong with the
// servers or the way to them.
func New(ctx context.Context, client rueidis.Client, cfg Config) (*Store, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "redisstore." + field, Value: value, Reason: reason})
	}
	if client == nil {
		bad("New.client", "nil", "make one with rueidis.NewClient")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if len(cfg.Prefix) > maxPrefix || strings.Trim(cfg.Prefix, prefixAlphabet) != "" {
		bad("Config.Prefix", cfg.Prefix, "must be at most 32 of A-Z a-z 0-9 . _ - :")
	}
	for i, secret := range cfg.Secrets {
		if len(secret) < minSecretLen {
			bad("Config.Secrets["+strconv.Itoa(i)+"]", strconv.Itoa(len(secret))+" bytes", "must be at least 32 random bytes")
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Timeout < time.Millisecond {
		bad("Config.Timeout", cfg.Timeout.String(), "must be at least 1 ms")
	}
	if cfg.MaxValueBytes == 0 {
		cfg.MaxValueBytes = defaultMaxValue
	}
	if cfg.MaxValueBytes < minMaxValue {
		bad("Config.MaxValueBytes", strconv.Itoa(cfg.MaxValueBytes), "must be at least 1024")
	}
	mocked := cfg.Now != nil
	if !mocked {
		cfg.Now = time.Now
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("redisstore: %w", errors.Join(errs...))
	}
	s := &Store{client: client, cfg: cfg, mocked: mocked}
	s.records.Store = s
	var err error
	if s.signer, err = newSigner(cfg.Secrets); err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	s.cfg.Secrets = nil
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return s, nil
}

// Sessions returns the store of sessions. It is a session.Reporter. The same object is
// what Refresh and Revocations return.
func (s *Store) Sessions() session.Store { return &s.records }

// Refresh returns the store of refresh families. A refresh.Rotator gets it from the
// registry that is made with Revocations, or that of the sessions' Manager.
func (s *Store) Refresh() refresh.Store { return &s.records }

// Revocations returns what Sessions and Refresh consult, for credentials that are kept
// nowhere. It is a revocation.Witness.
func (s *Store) Revocations() revocation.Store { return &s.records }

// bound gives a command its deadline. rueidis returns when the context ends, also
// while the command is still queued.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= s.cfg.Timeout {
		return ctx, func() {} // another timer would change nothing
	}
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// key names the hash of all records of a tag: prefix, tag as the cluster's hash
// tag. All parts are hexadecimal or ours, so nothing that a client sends can reach
// into another key or a pattern.
func (s *Store) key(tag [4]byte) string {
	b := make([]byte, 0, maxPrefix+10)
	b = append(b, s.cfg.Prefix...)
	b = append(b, '{')
	b = hex.AppendEncode(b, tag[:])
	b = append(b, '}')
	return rueidis.BinaryString(b) // b is not changed any more
}
