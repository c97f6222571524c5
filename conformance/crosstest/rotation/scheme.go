// Package rotation holds schemes of refresh rotation under one interface, for programs
// that compare them: the real one, which is package refresh on package memstore, and
// models of others, and of the real one without one of its rules.
package rotation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Server is one family under one scheme of rotation.
type Server interface {
	// Login begins the family.
	Login() Answer
	// Refresh presents a refresh token.
	Refresh(token string) (Answer, Outcome)
	// Use presents an access token and reports whether it was accepted.
	Use(access string) bool
	// Logout ends the family of a refresh token.
	Logout(token string)
	// Dead reports whether the family has ended.
	Dead() bool
}

// Answer is what a client is given. Refresh is "" if it is to keep what it has.
type Answer struct{ Access, Refresh string }

// Outcome is what a presented refresh token comes to.
type Outcome uint8

const (
	// Answered: with an Answer.
	Answered Outcome = iota
	// Refused: the client is logged out.
	Refused
	// Failed: 503, to be tried again.
	Failed
)

func (o Outcome) String() string { return [...]string{"answered", "refused", "503"}[o] }

// Scheme makes servers. Those of one clock share nothing else.
type Scheme struct {
	Name string
	New  func(clock *Clock) Server
}

// Grace is how long a request or an answer may be under way, in every scheme that
// knows such a time.
const Grace = 10 * time.Second

// Clock is a time that moves when it is told to.
type Clock struct{ now time.Time }

// NewClock returns a Clock that stands somewhere.
func NewClock() *Clock { return &Clock{time.Unix(1_700_000_000, 0).UTC()} }

// Now is for configurations.
func (c *Clock) Now() time.Time { return c.now }

// Micros is Now in microseconds since 1970.
func (c *Clock) Micros() int64 { return c.now.UnixMicro() }

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) { c.now = c.now.Add(d) }

// Claims are what an access token says, in clear text: what it belongs to is for
// everybody to read, as it is in a real one. Of the schemes whose tokens are no
// generations, Generation is the number of the refresh token that it came with.
type Claims struct {
	Generation, Stamp uint64
	// Session, Epoch and Expires are the real scheme's.
	Session string
	Epoch   uint64
	Expires int64 // in microseconds since 1970
}

func (c Claims) String() string {
	if c.Session == "" {
		return fmt.Sprintf("at.%d.%d", c.Generation, c.Stamp)
	}
	return fmt.Sprintf("at.%d.%d.%s.%d.%d", c.Generation, c.Stamp, c.Session, c.Epoch, c.Expires)
}

// ReadClaims reads what Claims.String made.
func ReadClaims(access string) (c Claims, ok bool) {
	part := strings.Split(access, ".")
	if len(part) != 3 && len(part) != 6 || part[0] != "at" {
		return c, false
	}
	var errs [4]error
	c.Generation, errs[0] = strconv.ParseUint(part[1], 10, 64)
	c.Stamp, errs[1] = strconv.ParseUint(part[2], 10, 64)
	if len(part) == 6 {
		c.Session = part[3]
		c.Epoch, errs[2] = strconv.ParseUint(part[4], 10, 64)
		c.Expires, errs[3] = strconv.ParseInt(part[5], 10, 64)
	}
	return c, errs == [4]error{}
}

// View is all that a server's further decisions depend on, besides the time.
type View struct {
	// Dead: nothing is accepted any more. The rest is then zero.
	Dead bool
	// Latest is the latest generation. 0 if the scheme's tokens are no generations.
	Latest uint64
	// Fixed and Confirmed are those of refresh.State, in microseconds.
	Fixed, Confirmed int64
	// Floors are the lowest stamps that are not void, of the latest generation and of
	// the two before it; 0 if nothing is void.
	Floors [3]uint64
	// Rest is what else there is. Times in it are ages.
	Rest string
}

// Observed is a Server for a program that has to tell its states apart.
type Observed interface {
	Server
	View() View
	// Access makes the access token of an answer with this stamp, if there was one.
	Access(generation, stamp uint64) string
}

// Crashing is a Server that can fail between its decision and its answer.
type Crashing interface {
	Server
	// Crash is Refresh, but the server fails when it has decided.
	Crash(token string) Outcome
}
