package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// minMajor is the first Redis whose scripts can say by flags what they may do when
// memory is full.
const minMajor = 7

// errReplica says that a read went to a replica, where a session that was ended
// may still be alive.
var errReplica = errors.New("the client reads from a replica; leave ReplicaOnly and SendToReplicas unset")

// check refuses a server or client that would break what the store promises.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	// ROLE marked as a read goes wherever the client sends reads.
	role, err := s.client.Do(ctx, s.client.B().Arbitrary("ROLE").ReadOnly()).ToArray()
	if err != nil {
		return fmt.Errorf("ROLE: %w", err)
	}
	if len(role) > 0 {
		if name, err := role[0].ToString(); err == nil && name == "slave" {
			return errReplica
		}
	}
	info, err := s.client.Do(ctx, s.client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return fmt.Errorf("INFO: %w", err)
	}
	version := field(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < minMajor {
		return fmt.Errorf("the server is version %q; 7.0 or newer is needed", version)
	}
	return nil
}

// field reads one line of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
