package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

var (
	errAnswer = errors.New("redisstore: the server's answer is none of ours")
	// errGrows says that the server has no memory for the entry. What is there
	// stays.
	errGrows = errors.New("redisstore: the server is out of memory and the entry would grow")
)

// answer is what a script said.
type answer struct {
	said int64
	// record is a record or an epoch. isRecord says that it was all that was said.
	record   string
	isRecord bool
	// entries are field and record each.
	entries []rueidis.RedisMessage
}

func (a answer) epoch() uint64 { return number(a.record) }

// run executes a script on the hash of tag, and reports what it found dead there.
func (s *records) run(ctx context.Context, script *rueidis.Lua, tag [4]byte, args []string) (answer, error) {
	m, err := script.Exec(ctx, s.client, []string{s.key(tag)}, args).ToMessage()
	if err != nil {
		return answer{}, err
	}
	if m.IsInt64() {
		n, err := m.AsInt64()
		return answer{said: n}, err
	}
	if m.IsString() {
		v, err := m.ToString()
		return answer{record: v, isRecord: true}, err
	}
	parts, err := m.ToArray()
	if err != nil || len(parts) < 3 {
		return answer{}, errAnswer
	}
	var a answer
	if a.said, err = parts[0].AsInt64(); err != nil {
		return answer{}, errAnswer
	}
	if a.record, err = parts[1].ToString(); err != nil {
		return answer{}, errAnswer
	}
	gone, err := parts[2].ToArray()
	if err != nil {
		return answer{}, errAnswer
	}
	if len(parts) > 3 {
		if a.entries, err = parts[3].ToArray(); err != nil || len(a.entries)%2 != 0 {
			return answer{}, errAnswer
		}
	}
	s.report(tag, gone)
	return a, nil
}

// runOr runs spare if memory is too full for script.
func (s *records) runOr(ctx context.Context, script, spare *rueidis.Lua, tag [4]byte, args []string) (answer, error) {
	a, err := s.run(ctx, script, tag, args)
	if redisErr, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(redisErr.Error(), "OOM") {
		return s.run(ctx, spare, tag, args)
	}
	return a, err
}

// want returns err if said is what was said, and else that it is no answer of ours.
func (a answer) want(said int64, err error) error {
	if a.isRecord || a.said != said {
		return fmt.Errorf("%w: %d", errAnswer, a.said)
	}
	return err
}
