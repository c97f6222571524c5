package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes raw requests. Most are honest, many carry a broken credential,
// some are broken as HTTP.
type generator struct {
	r       *rand.Rand
	values  []string // session cookies that were handed out, dead ones included
	settled []string // those of them that a request which only reads leaves as they are
	tokens  []string // access tokens, expired ones included
}

const poolSize = 40

// learn keeps the credentials of answers, to be used, misused and used too late.
func (g *generator) learn(a *Answer) {
	for _, c := range a.Cookies() {
		if c.Deletes || slices.Contains(g.values, c.Value) {
			continue
		}
		if len(g.values) < poolSize {
			g.values = append(g.values, c.Value)
		} else {
			g.values[g.r.IntN(poolSize)] = c.Value
		}
	}
}

// issue adds fresh tokens to those that are there, which may have expired since.
func (g *generator) issue(k *Tokens) {
	for _, user := range []string{"alice", "bob"} {
		g.tokens = append(g.tokens, k.Issue(user).Token)
	}
	if len(g.tokens) > 6 {
		g.tokens = g.tokens[2:]
	}
}

func pick[T any](g *generator, from []T) T { return from[g.r.IntN(len(from))] }

// plain is a request that only reads the session.
func (g *generator) plain(value string) string {
	return "GET /whoami HTTP/1.1\r\nHost: app.example\r\nCookie: __Host-session=" + value + "\r\n\r\n"
}

// targets that change nothing but what a session's use changes.
var reading = []string{
	"GET /public", "GET /whoami", "GET /me", "GET /admin", "GET /fresh", "GET /note", "GET /hits", "GET /redirect",
	"HEAD /me", "GET /panic", "GET /nothing", "OPTIONS /me", "DELETE /me", "GET /me/", "GET /Me", "GET //me", "GET /me%2f",
	"GET /me?__Host-session=x", "GET /whoami?a=%00%ff",
}

var api = []string{
	"GET /api/me", "GET /api/me?access_token=x", "POST /api/me", "GET /api/optional", "GET /api/login", "GET /api/role",
	"GET /api/scope", "GET /api/fresh", "GET /api/claims",
}

var changing = []string{
	"POST /login?user=alice", "POST /login?user=bob", "POST /login?user=alice&role=admin", "POST /login?user=",
	"POST /logout", "POST /renew", "POST /note?v=x", "POST /note?v=%22%0d%0a%00", "POST /hit", "POST /flash?v=1",
	"GET /flash", "GET /set?v=y",
}

// next returns a request and, if it is broken as HTTP, of which kind.
func (g *generator) next() (raw, hostile string) {
	if g.r.IntN(10) == 0 {
		return g.broken()
	}
	target := pick(g, reading)
	if g.r.IntN(3) == 0 {
		target = pick(g, changing)
	}
	lines := g.cookies()
	if g.r.IntN(4) == 0 {
		target = pick(g, api)
		lines = append(lines, g.authorization()...)
	}
	for range g.r.IntN(4) {
		lines = append(lines, g.header())
	}
	g.r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return assemble(target, "HTTP/1.1", "Host: app.example", lines), ""
}

func assemble(target, proto, host string, lines []string) string {
	var b strings.Builder
	b.WriteString(target + " " + proto + "\r\n")
	if host != "" {
		b.WriteString(host + "\r\n")
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if strings.HasPrefix(target, "POST") || strings.HasPrefix(target, "DELETE") {
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// value is a credential: handed out, varied, or made up.
func (g *generator) value() string {
	v := strings.Repeat("A", valueLength)
	if len(g.values) > 0 {
		v = pick(g, g.values)
	}
	switch g.r.IntN(12) {
	case 0:
		return v[:g.r.IntN(len(v))]
	case 1:
		return v + pick(g, []string{"A", "=", "==", "%00", "."})
	case 2:
		b := []byte(v)
		b[g.r.IntN(len(b))] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[g.r.IntN(64)]
		return string(b)
	case 3:
		return strings.ToLower(v)
	case 4:
		return pick(g, []string{"", "x", "../../etc/passwd", "*", "a:b", `"` + v + `"`, v + "," + v, "%5F" + v[1:], "caf\xc3\xa9", "\xff\xfe", strings.Repeat("A", 5000), "a b", `a\b`, "{" + v + "}"})
	default:
		return v
	}
}

// authorization makes the Authorization lines of one request.
func (g *generator) authorization() []string {
	t := pick(g, g.tokens)
	switch g.r.IntN(8) {
	case 0:
		b := []byte(t)
		b[g.r.IntN(len(b))] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."[g.r.IntN(65)]
		return []string{"Authorization: Bearer " + string(b)}
	case 1:
		return pick(g, [][]string{
			nil, {"Authorization:"}, {"Authorization: Bearer"}, {"Authorization: Bearer "}, {"Authorization: " + t},
			{"Authorization: Basic " + t}, {"Authorization: bearer  " + t + " "}, {"authorization: BEARER " + t},
			{"Authorization:\tBearer " + t}, {"Authorization: Bearer\t" + t}, {"Authorization: Bearer " + t + ", Bearer " + t},
			{"Authorization: Bearer " + t, "Authorization: Bearer " + t}, {"Authorization: Bearer " + t, "Authorization: Basic eA=="},
			{"Authorization: Bearer " + t + "."}, {"Authorization: Bearer " + t + "="}, {"Authorization: Bearer " + t[:len(t)-1]},
			{"Authorization: Bearer caf\xc3\xa9"}, {"Authorization: Bearer " + strings.Repeat("a.", 3000)}, {"X-Authorization: Bearer " + t},
			{"Authorization: Bearer " + t, "Content-Type: application/x-www-form-urlencoded"},
		})
	default:
		return []string{"Authorization: Bearer " + t}
	}
}

// valueLength is how long a session cookie's value is.
const valueLength = 48

func (g *generator) name() string {
	if g.r.IntN(8) == 0 {
		return pick(g, []string{"__host-session", "__HOST-SESSION", "__Secure-session", "session", "__%48ost-session", "", " __Host-session", "__Host-session ", "$Version", "__Host-sessio", "__Host-session2"})
	}
	return "__Host-session"
}

// cookies makes the Cookie lines of one request.
func (g *generator) cookies() []string {
	if g.r.IntN(5) == 0 {
		return nil
	}
	n := 1
	switch g.r.IntN(10) {
	case 0:
		n = 2
	case 1:
		n = 1 + g.r.IntN(8)
	}
	var pairs []string
	for range n {
		pairs = append(pairs, g.name()+"="+g.value())
	}
	for range g.r.IntN(3) {
		junk := pick(g, []string{"a=b", "theme=dark", "x", "=nameless", `q="a; __Host-session=V; b"`, "$Path=/", "a=b=c", ";", ""})
		pairs = slices.Insert(pairs, g.r.IntN(len(pairs)+1), junk)
	}
	separator := pick(g, []string{"; ", "; ", "; ", ";", ";  ", " ; ", ", "})
	if g.r.IntN(6) == 0 && len(pairs) > 1 {
		return []string{"Cookie: " + strings.Join(pairs[:1], separator), "cookie: " + strings.Join(pairs[1:], separator)}
	}
	return []string{"Cookie: " + strings.Join(pairs, separator)}
}

func (g *generator) header() string {
	return pick(g, []string{
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.9, 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example", "Forwarded: for=127.0.0.1;proto=https", "X-Real-IP: ::1", "X-Original-URL: /me",
		"X-HTTP-Method-Override: DELETE", "X-User: admin", "Authorization: Bearer " + strings.Repeat("a", valueLength),
		"Authorization: Basic YWRtaW46YWRtaW4=", "User-Agent: caf\xc3\xa9 \xff", "User-Agent: " + strings.Repeat("u", 3000),
		"Accept: */*", "Cache-Control: no-cache", "If-None-Match: *", "Range: bytes=0-1", "Origin: https://evil.example",
		"Sec-Fetch-Site: cross-site", "Sallyport: authenticated", "Content-Type: application/json", "Vary: *", "Set-Cookie: __Host-session=x",
		fmt.Sprintf("X-Number: %d", g.r.IntN(1000)),
	})
}

// broken makes a request that a parser may refuse. It only reads: an adapter whose
// parser lets it through must not be left in another state than the others.
func (g *generator) broken() (raw, kind string) {
	value := strings.Repeat("A", valueLength)
	if len(g.settled) > 0 {
		value = pick(g, g.settled)
	}
	cookie := "Cookie: __Host-session=" + value
	target := pick(g, []string{"GET /whoami", "GET /me", "GET /public"})
	host := "Host: app.example"
	type shape struct {
		kind   string
		proto  string
		target string
		host   string
		lines  []string
	}
	s := pick(g, []shape{
		{kind: "NUL in a cookie", lines: []string{cookie + "\x00"}},
		{kind: "control character in a cookie", lines: []string{cookie + "\x01"}},
		{kind: "escape sequence in the User-Agent", lines: []string{cookie, "User-Agent: \x1b[31mred"}},
		{kind: "bare CR in a cookie", lines: []string{"Cookie: a=b\rc; __Host-session=" + value}},
		{kind: "line without a colon", lines: []string{cookie, "no colon here"}},
		{kind: "blank before the colon", lines: []string{"Cookie : __Host-session=" + value}},
		{kind: "blank in a field name", lines: []string{cookie, "X Y: a"}},
		{kind: "100 KB of cookies", lines: []string{cookie + "; a=" + strings.Repeat("x", 100<<10)}},
		{kind: "two Host lines", lines: []string{cookie, "Host: evil.example"}},
		{kind: "no Host line", host: "-", lines: []string{cookie}},
		{kind: "empty Host", host: "Host:", lines: []string{cookie}},
		{kind: "user in the Host", host: "Host: u@app.example", lines: []string{cookie}},
		{kind: "same Content-Length twice", lines: []string{cookie, "Content-Length: 0", "Content-Length: 0"}},
		{kind: "different Content-Lengths", lines: []string{cookie, "Content-Length: 0", "Content-Length: 1"}},
		{kind: "signed Content-Length", lines: []string{cookie, "Content-Length: +0"}},
		{kind: "unknown transfer coding", lines: []string{cookie, "Transfer-Encoding: identity"}},
		{kind: "HTTP/2.0 in the request line", proto: "HTTP/2.0", lines: []string{cookie}},
		{kind: "malformed version", proto: "HTTP/1", lines: []string{cookie}},
		{kind: "unknown method", target: "FOOBAR /me", lines: []string{cookie}},
		{kind: "lower-case method", target: "get /me", lines: []string{cookie}},
		{kind: "blank in the target", target: "GET /me x", lines: []string{cookie}},
		{kind: "malformed escape in the target", target: "GET /me%zz", lines: []string{cookie}},
		{kind: "target without a slash", target: "GET me", lines: []string{cookie}},
		{kind: "NUL in a token", target: "GET /api/me", lines: []string{"Authorization: Bearer a\x00b"}},
		{kind: "folded token", target: "GET /api/me", lines: []string{"Authorization: Bearer a", " b"}},
		{kind: "unmet expectation", lines: []string{cookie, "Expect: wonders"}},
	})
	if s.target != "" {
		target = s.target
	}
	if s.proto == "" {
		s.proto = "HTTP/1.1"
	}
	switch s.host {
	case "":
		s.host = host
	case "-":
		s.host = ""
	}
	return assemble(target, s.proto, s.host, s.lines), s.kind
}
