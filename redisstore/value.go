package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// A value in Redis:
//
//	format 1 | version 8 | expires 13, milliseconds in decimal | subject 2+n | value
//
// The scripts read no more than the header. They compare versions for equality
// only and times as numbers: Lua compares strings by the server's locale.
const (
	format    = '1'
	timeLen   = 13
	headerLen = 1 + 8 + timeLen
)

var (
	errValue = errors.New("redisstore: the value under this key is none of ours")
	errLarge = errors.New("redisstore: the entry is larger than Config.MaxValueBytes")
)

func (s *Store) encode(e session.Entry) (string, error) {
	n := headerLen + 2 + len(e.Subject) + len(e.Value)
	if n > s.cfg.MaxValueBytes {
		return "", fmt.Errorf("%w: %d bytes", errLarge, n)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(format)
	b.WriteString(u64(e.Version))
	b.WriteString(millis(e.Expires))
	b.Write([]byte{byte(len(e.Subject) >> 8), byte(len(e.Subject))})
	b.WriteString(e.Subject)
	b.WriteString(e.Value)
	return b.String(), nil
}

// decode reads a value. Truncated or of another format it is an error, which
// means "unknown", and never an entry.
func decode(v string) (session.Entry, error) {
	if len(v) < headerLen+2 || v[0] != format {
		return session.Entry{}, errValue
	}
	ms, err := strconv.ParseInt(v[9:headerLen], 10, 64)
	if err != nil {
		return session.Entry{}, errValue
	}
	e := session.Entry{Version: binary.BigEndian.Uint64([]byte(v[1:9])), Expires: time.UnixMilli(ms)}
	v = v[headerLen:]
	n := int(v[0])<<8 | int(v[1])
	if len(v) < 2+n || e.Version == 0 {
		return session.Entry{}, errValue
	}
	e.Subject, e.Value = v[2:2+n], v[2+n:]
	return e, nil
}

// millis is a time as the scripts read it. Thirteen digits last until 2286; what
// is outside of them has expired, or is never reached.
func millis(t time.Time) string {
	const most = 9_999_999_999_999
	return fmt.Sprintf("%0*d", timeLen, min(max(t.UnixMilli(), 0), most))
}

func u64(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}
