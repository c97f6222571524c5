package bench

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// A tokenLibrary is a JWT middleware as its documentation mounts it. The handler
// behind it answers with the subject.
type tokenLibrary struct {
	name string
	app  func(tb testing.TB, alg *algorithm) *app
	// first: every request brings a token that the library never saw. Without it,
	// the same one comes again and again, which only a cache can tell from that.
	first bool
	// admits names the alterations with which it takes a token for good.
	admits []string
}

// bareSubject is whom a floor answers with: one token is all that it gets to see.
var bareSubject = user(0)

// The first library of each framework is the floor, which takes everything. Peers
// check what they can be configured to check; admits says what that leaves.
var tokenRows = []struct {
	name      string
	libraries []tokenLibrary
}{
	{"gin", []tokenLibrary{
		{name: "bare", app: ginTokensBare},
		{name: "sallyport", app: ginBearer},
		{name: "sallyport-first", app: ginBearer, first: true},
		{name: "gin-jwt", app: ginJWT, admits: []string{"audience", "issuer", "type", "crit"}},
	}},
	{"echo", []tokenLibrary{
		{name: "bare", app: echoTokensBare},
		{name: "sallyport", app: echoBearer},
		{name: "sallyport-first", app: echoBearer, first: true},
		{name: "echo-jwt", app: echoJWT, admits: []string{"no-exp", "audience", "issuer", "type", "crit"}},
	}},
	{"fiber", []tokenLibrary{
		{name: "bare", app: fiberTokensBare},
		{name: "sallyport", app: fiberBearer},
		{name: "sallyport-first", app: fiberBearer, first: true},
		{name: "fiber-jwt", app: fiberJWT, admits: []string{"no-exp", "audience", "issuer", "type", "crit"}},
	}},
	{"http", []tokenLibrary{
		{name: "bare", app: httpTokensBare},
		{name: "auth0", app: auth0, admits: []string{"no-exp", "type"}},
	}},
}

func (a *app) bearer(c credential) caller {
	return a.request(http.MethodGet, readPath, "Authorization", c.value)
}

// An alteration makes a token of alg that ought to be refused.
type alteration struct {
	name string
	make func(tb testing.TB, alg *algorithm) string
}

func altered(name string, f func(header map[string]any, c jwt.MapClaims)) alteration {
	return alteration{name, func(tb testing.TB, alg *algorithm) string {
		header, c := alg.header(tb), claims(0)
		f(header, c)
		return alg.sign(tb, header, c)
	}}
}

var alterations = []alteration{
	{"signature", forged},
	altered("expired", func(_ map[string]any, c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
	altered("no-exp", func(_ map[string]any, c jwt.MapClaims) { delete(c, "exp") }),
	altered("audience", func(_ map[string]any, c jwt.MapClaims) { c["aud"] = "https://other.example" }),
	altered("issuer", func(_ map[string]any, c jwt.MapClaims) { c["iss"] = "https://other.example" }),
	altered("type", func(header map[string]any, _ jwt.MapClaims) { header["typ"] = "rt+jwt" }),
	altered("crit", func(header map[string]any, _ jwt.MapClaims) {
		header["crit"], header["exp-of-mine"] = []string{"exp-of-mine"}, true
	}),
}

// forged has a signature of the right form, made for other claims.
func forged(tb testing.TB, alg *algorithm) string {
	mine, other := alg.sign(tb, alg.header(tb), claims(0)), alg.sign(tb, alg.header(tb), claims(1))
	return mine[:strings.LastIndexByte(mine, '.')] + other[strings.LastIndexByte(other, '.'):]
}

// TestTokenRows runs every row once, and shows that each library checks what the
// documentation says it does: a middleware that lets everything through is fast.
func TestTokenRows(t *testing.T) {
	for _, fw := range tokenRows {
		for _, lib := range fw.libraries {
			for _, alg := range algorithms {
				t.Run(fw.name+"/"+lib.name+"/"+string(alg.name), func(t *testing.T) {
					a := lib.app(t, alg)
					good := alg.issue(t, 1)[0]
					c := a.bearer(good)
					c.call()
					require.NoError(t, c.answered(good.subject))
					if lib.name == "bare" {
						return
					}
					none := a.request(http.MethodGet, readPath, "Authorization", "")
					none.call()
					require.Error(t, none.answered(good.subject), "no token")
					for _, x := range alterations {
						c := a.bearer(credential{value: bearer + x.make(t, alg)})
						c.call()
						admitted := c.answered(good.subject) == nil
						require.Equal(t, slices.Contains(lib.admits, x.name), admitted, x.name)
					}
				})
			}
		}
	}
}

// newTokens is how many tokens a library that caches meets for the first time before
// it is made anew, with the clock stopped.
const newTokens = 256

// BenchmarkToken sends requests with a token through each framework's middleware.
func BenchmarkToken(b *testing.B) {
	for _, fw := range tokenRows {
		for _, lib := range fw.libraries {
			for _, alg := range algorithms {
				b.Run(fw.name+"/"+lib.name+"/"+string(alg.name), func(b *testing.B) {
					if lib.first {
						firstSight(b, lib, alg)
					} else {
						sameToken(b, lib.app(b, alg), alg)
					}
				})
			}
		}
	}
}

func sameToken(b *testing.B, a *app, alg *algorithm) {
	cred := alg.issue(b, 1)[0]
	c := a.bearer(cred)
	c.call()
	require.NoError(b, c.answered(cred.subject))
	// The next request has its own memory: comparing a string with itself is free.
	c.carry(strings.Clone(cred.value))
	runtime.GC()
	b.ReportAllocs()
	for b.Loop() {
		c.call()
		if err := c.answered(cred.subject); err != nil {
			b.Fatal(err)
		}
	}
}

func firstSight(b *testing.B, lib tokenLibrary, alg *algorithm) {
	creds := alg.issue(b, newTokens)
	c := lib.app(b, alg).bearer(creds[0])
	runtime.GC()
	b.ReportAllocs()
	next := 0
	for b.Loop() {
		if next == len(creds) {
			b.StopTimer()
			c, next = lib.app(b, alg).bearer(creds[0]), 0
			b.StartTimer()
		}
		cred := creds[next]
		next++
		c.carry(cred.value)
		c.call()
		if err := c.answered(cred.subject); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUntouched is a request with the cookie of a session at which the handler
// does not look: what the token rows' allocations are measured against.
func BenchmarkUntouched(b *testing.B) {
	for _, row := range []struct {
		name string
		app  func(testing.TB) *app
	}{{"gin", ginUntouched}, {"echo", echoUntouched}, {"fiber", fiberUntouched}} {
		b.Run(row.name, func(b *testing.B) {
			a := row.app(b)
			cookie, err := a.login(0, loginName)
			require.NoError(b, err)
			c := a.caller(read.method, read.path, cookie)
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				c.call()
				if err := c.answered(loginName); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
