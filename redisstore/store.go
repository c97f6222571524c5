package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts a Store. The zero value is complete.
type Config struct {
	// Prefix begins every key, so that a Redis can be shared and an ACL can
	// name what is ours. Letters, digits and . _ - : only, at most 32 bytes;
	// default "sallyport:".
	Prefix string
	// Timeout bounds each command, beside whatever the caller's context says.
	// Default 1 s; at least 1 ms.
	Timeout time.Duration
	// MaxValueBytes refuses larger entries before they are sent. Default 1.1 MB,
	// which fits the largest session.Config.MaxDataBytes; at least 1 KiB.
	MaxValueBytes int
	// Now is this node's clock. Redis expires keys by its own; ours is asked as
	// well, so that neither alone can lengthen a life. Default time.Now.
	Now func() time.Time
}

const (
	defaultPrefix   = "sallyport:"
	maxPrefix       = 32
	prefixAlphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:"
	defaultTimeout  = time.Second
	defaultMaxValue = 1_100_000
	minMaxValue     = 1 << 10
)

// Store is a Redis that Sallyport keeps its records in. Make one with New. It is
// safe for concurrent use and holds nothing but the client, which stays yours to
// close.
type Store struct {
	client rueidis.Client
	cfg    Config
}

// New compiles cfg and looks at the server. The error joins every mistake of the
// configuration, each a *core.ConfigError; else it says what is wrong with the
// server or the way to it.
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
		bad("Config.MaxValueBytes", fmt.Sprint(cfg.MaxValueBytes), "must be at least 1024")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("redisstore: %w", errors.Join(errs...))
	}
	s := &Store{client: client, cfg: cfg}
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return s, nil
}

// Sessions returns the store of sessions.
func (s *Store) Sessions() session.Store { return &sessions{s} }

// bound gives a command its deadline. rueidis returns when the context ends, also
// while the command is still queued.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// key is where a record stands: prefix, routing tag as the cluster's hash tag,
// hash. All parts are hexadecimal or ours, so nothing that a client sends can
// reach into another key or a pattern.
func (s *Store) key(k session.StoreKey) string { return s.cfg.Prefix + "s:" + k.String() }
