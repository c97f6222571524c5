package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// minMajor is the first Redis whose scripts can say by flags what they may do when
// memory is full.
const minMajor = 7

// probes is how many tags are tried for reads that go to a replica: enough to meet
// every shard of a cluster that is not very large.
const probes = 64

// errReplica says that a read went to a replica, where a session that was ended
// may still be alive.
var errReplica = errors.New("the client reads from a replica; leave ReplicaOnly and SendToReplicas unset")

// check refuses servers or a client that would break what the store promises, and
// says all that is wrong at once. It needs no permission but INFO.
func (s *Store) check(ctx context.Context) error {
	nodes := s.client.Nodes()
	primaries := 0
	var errs []error
	for _, addr := range slices.Sorted(maps.Keys(nodes)) {
		node := nodes[addr]
		info, err := s.info(ctx, node)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: INFO: %w", addr, err))
			continue
		}
		if field(info, "role") == "slave" {
			continue
		}
		primaries++
		for _, problem := range s.problems(info) {
			errs = append(errs, fmt.Errorf("%s: %s", addr, problem))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if primaries == 0 {
		return errReplica
	}
	return s.checkReads(ctx)
}

func (s *Store) info(ctx context.Context, node rueidis.Client) (string, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return node.Do(ctx, node.B().Info().Build()).ToString()
}

// problems reads a primary's INFO.
func (s *Store) problems(info string) (all []string) {
	version := field(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < minMajor {
		all = append(all, fmt.Sprintf("the server is version %q; 7.0 or newer is needed", version))
	}
	policy, limit := field(info, "maxmemory_policy"), field(info, "maxmemory")
	if policy != "noeviction" && limit != "0" && !s.cfg.InsecureEviction {
		all = append(all, fmt.Sprintf("maxmemory-policy is %q, which makes the server forget revocations when its memory is full; "+
			"set it to noeviction, or accept the risk with Config.InsecureEviction", policy))
	}
	return all
}

// checkReads looks where reads of our keys go. INFO takes several sections and
// skips those that it does not know: given a key, the client routes it like a read
// of that key.
func (s *Store) checkReads(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	cmds := make(rueidis.Commands, probes)
	for i := range cmds {
		key := s.key([4]byte{byte(i * 256 / probes), byte(i)})
		cmds[i] = s.client.B().Arbitrary("INFO", "replication").Keys(key).ReadOnly()
	}
	for _, r := range s.client.DoMulti(ctx, cmds...) {
		info, err := r.ToString()
		if err != nil {
			return fmt.Errorf("INFO replication: %w", err)
		}
		if field(info, "role") == "slave" {
			return errReplica
		}
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
