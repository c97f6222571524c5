package cors_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

// Policies that the tables share.
var (
	anonymous = cors.Config{Origins: []string{app}}
	trusting  = cors.Config{Origins: []string{app, "https://other.example"}, Credentials: true,
		Methods: []string{"PUT", "DELETE", "POST"}, RequestHeaders: []string{"X-CSRF-Token", "Content-Type", "Authorization"},
		ResponseHeaders: []string{"X-B", "ETag", "Content-Type"}, MaxAge: 10 * 60e9}
	public = cors.Config{Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}, ResponseHeaders: []string{"*"}}
	named  = cors.Config{Origins: []string{"*"}, RequestHeaders: []string{"authorization", "*"}, MaxAge: -1}
	local  = cors.Config{Origins: []string{app}, DangerouslyAllowPrivateNetwork: true}
	ours   = cors.Config{Origins: []string{app}, PublicOrigin: "https://api.example.com"}
)

// TestAnswers is the table of the package's documentation: what an answer has, and that it
// has nothing else.
func TestAnswers(t *testing.T) {
	private := func(r cors.Request, lines ...string) cors.Request {
		r.PrivateNetwork = lines
		return r
	}
	var (
		ok    = []string{"Allow-Origin: " + app}
		creds = []string{"Allow-Origin: " + app, "Allow-Credentials: true"}
		any   = []string{"Allow-Origin: *"}
		none  = []string{}
	)
	with := func(first []string, more ...string) []string { return append(first[:len(first):len(first)], more...) }
	for _, tc := range []struct {
		desc      string
		cfg       cors.Config
		r         cors.Request
		want      []string
		cause     audit.Cause
		preflight bool
	}{
		// Requests that are no preflights.
		{desc: "no origin", cfg: trusting, r: simple(), want: none},
		{desc: "allowed", cfg: anonymous, r: simple(app), want: ok},
		{desc: "allowed with credentials", cfg: trusting, r: simple(app), want: with(creds, "Expose-Headers: etag,x-b")},
		{desc: "the other", cfg: trusting, r: simple("https://other.example"),
			want: []string{"Allow-Origin: https://other.example", "Allow-Credentials: true", "Expose-Headers: etag,x-b"}},
		{desc: "X1 unlisted", cfg: trusting, r: simple("https://evil.example"), want: none, cause: "origin"},
		{desc: "X4 null", cfg: trusting, r: simple("null"), want: none, cause: "origin"},
		{desc: "two lines", cfg: anonymous, r: simple(app, app), want: none, cause: "origin"},
		{desc: "empty line", cfg: anonymous, r: simple(""), want: none, cause: "origin"},
		{desc: "any", cfg: public, r: simple(app), want: with(any, "Expose-Headers: *")},
		{desc: "any, null", cfg: public, r: simple("null"), want: with(any, "Expose-Headers: *")},
		{desc: "any, two lines", cfg: public, r: simple(app, app), want: none, cause: "origin"},
		{desc: "any, no origin", cfg: public, r: simple(), want: none},
		{desc: "own", cfg: ours, r: simple("https://api.example.com"), want: none},
		{desc: "own, twice", cfg: ours, r: simple("https://api.example.com", "https://api.example.com"), want: none, cause: "origin"},
		{desc: "own twin", cfg: ours, r: simple("http://api.example.com"), want: none, cause: "origin"},
		{desc: "method is not looked at", cfg: anonymous, r: cors.Request{Method: "PURGE", Origin: []string{app}}, want: ok},

		// X10: OPTIONS that asks for nothing.
		{desc: "X10 plain OPTIONS", cfg: trusting, r: cors.Request{Method: "OPTIONS", Origin: []string{app}, RequestHeaders: []string{"x-evil"}},
			want: with(creds, "Expose-Headers: etag,x-b")},
		{desc: "X10 plain OPTIONS, unlisted", cfg: trusting, r: cors.Request{Method: "OPTIONS", Origin: []string{"null"}}, want: none, cause: "origin"},
		{desc: "X10 no origin", cfg: trusting, r: cors.Request{Method: "OPTIONS", RequestMethod: []string{"PUT"}}, want: none},
		{desc: "X10 another method", cfg: anonymous, r: cors.Request{Method: "GET", Origin: []string{app}, RequestMethod: []string{"PUT"}}, want: ok},
		{desc: "X10 lower case", cfg: anonymous, r: cors.Request{Method: "options", Origin: []string{app}, RequestMethod: []string{"PUT"}}, want: ok},

		// Preflights.
		{desc: "preflight", cfg: anonymous, r: preflight(app, "GET"), want: ok, preflight: true},
		{desc: "preflight with everything", cfg: trusting, r: preflight(app, "PUT", "content-type,x-csrf-token"), preflight: true,
			want: with(creds, "Allow-Methods: DELETE,PUT", "Allow-Headers: authorization,content-type,x-csrf-token", "Max-Age: 600")},
		{desc: "preflight, safelisted", cfg: trusting, r: preflight(app, "POST"), want: with(creds, "Max-Age: 600"), preflight: true},
		{desc: "preflight, HEAD", cfg: anonymous, r: preflight(app, "HEAD"), want: ok, preflight: true},
		{desc: "preflight, method alone", cfg: trusting, r: preflight(app, "DELETE"), want: with(creds, "Allow-Methods: DELETE,PUT", "Max-Age: 600"), preflight: true},
		{desc: "preflight, header alone", cfg: trusting, r: preflight(app, "GET", "authorization"),
			want: with(creds, "Allow-Headers: authorization,content-type,x-csrf-token", "Max-Age: 600"), preflight: true},
		{desc: "preflight, empty list of headers", cfg: trusting, r: preflight(app, "GET", "", ", ,"), want: with(creds, "Max-Age: 600"), preflight: true},
		{desc: "X1 preflight, unlisted", cfg: trusting, r: preflight("https://evil.example", "GET"), want: none, cause: "origin", preflight: true},
		{desc: "X4 preflight, null", cfg: trusting, r: preflight("null", "GET"), want: none, cause: "origin", preflight: true},
		{desc: "preflight, own", cfg: ours, r: preflight("https://api.example.com", "GET"), want: none, cause: "origin", preflight: true},
		{desc: "preflight, two origins", cfg: anonymous, want: none, cause: "origin", preflight: true,
			r: cors.Request{Method: "OPTIONS", Origin: []string{app, app}, RequestMethod: []string{"GET"}}},
		{desc: "X8 preflight, method", cfg: trusting, r: preflight(app, "PATCH"), want: none, cause: "method", preflight: true},
		{desc: "X8 preflight, case of the method", cfg: trusting, r: preflight(app, "put"), want: none, cause: "method", preflight: true},
		{desc: "preflight, case of a safelisted method", cfg: trusting, r: preflight(app, "get"), want: none, cause: "method", preflight: true},
		{desc: "preflight, OPTIONS", cfg: trusting, r: preflight(app, "OPTIONS"), want: none, cause: "method", preflight: true},
		{desc: "preflight, empty method", cfg: anonymous, r: preflight(app, ""), want: none, cause: "method", preflight: true},
		{desc: "preflight, two methods", cfg: trusting, want: none, cause: "method", preflight: true,
			r: cors.Request{Method: "OPTIONS", Origin: []string{app}, RequestMethod: []string{"PUT", "PUT"}}},
		{desc: "preflight, list of methods", cfg: trusting, r: preflight(app, "DELETE,PUT"), want: none, cause: "method", preflight: true},
		{desc: "X8 preflight, header", cfg: trusting, r: preflight(app, "PUT", "x-evil"), want: none, cause: "header", preflight: true},
		{desc: "X8 preflight, one header of two", cfg: trusting, r: preflight(app, "PUT", "content-type,x-evil"), want: none, cause: "header", preflight: true},
		{desc: "preflight, no headers are allowed", cfg: anonymous, r: preflight(app, "GET", "content-type"), want: none, cause: "header", preflight: true},
		{desc: "preflight, the first cause", cfg: anonymous, r: private(preflight(app, "PUT", "x-evil"), "true"), want: none, cause: "method", preflight: true},

		// X9.
		{desc: "X9 private network", cfg: anonymous, r: private(preflight(app, "GET"), "true"), want: none, cause: "private-network", preflight: true},
		{desc: "X9 any value", cfg: anonymous, r: private(preflight(app, "GET"), ""), want: none, cause: "private-network", preflight: true},
		{desc: "X9 public", cfg: public, r: private(preflight(app, "GET"), "true"), want: none, cause: "private-network", preflight: true},
		{desc: "private network, allowed", cfg: local, r: private(preflight(app, "GET"), "true"), want: with(ok, "Allow-Private-Network: true"), preflight: true},
		{desc: "private network, allowed, not asked for", cfg: local, r: preflight(app, "GET"), want: ok, preflight: true},
		{desc: "private network, allowed, unlisted", cfg: local, r: private(preflight("https://evil.example", "GET"), "true"), want: none, cause: "origin", preflight: true},
		{desc: "private network, no preflight", cfg: anonymous, r: private(simple(app), "true"), want: ok},
		{desc: "private network, allowed, no preflight", cfg: local, r: private(simple(app), "true"), want: ok},

		// "*".
		{desc: "any preflight", cfg: public, r: preflight(app, "GET"), want: any, preflight: true},
		{desc: "any method", cfg: public, r: preflight("null", "PURGE"), want: with(any, "Allow-Methods: *"), preflight: true},
		{desc: "any header", cfg: public, r: preflight(app, "GET", "x-a,x-b"), want: with(any, "Allow-Headers: *"), preflight: true},
		{desc: "any header but one", cfg: public, r: preflight(app, "GET", "authorization"), want: none, cause: "header", preflight: true},
		{desc: "any header but one of two", cfg: public, r: preflight(app, "GET", "a,authorization"), want: none, cause: "header", preflight: true},
		{desc: "any two methods", cfg: public, want: none, cause: "method", preflight: true,
			r: cors.Request{Method: "OPTIONS", Origin: []string{app}, RequestMethod: []string{"PUT", "PUT"}}},
		{desc: "any header and the one", cfg: named, r: preflight(app, "GET", "authorization"), want: with(any, "Allow-Headers: *,authorization", "Max-Age: 0"), preflight: true},
		{desc: "any header, not the one", cfg: named, r: preflight(app, "GET", "x-a"), want: with(any, "Allow-Headers: *,authorization", "Max-Age: 0"), preflight: true},
		{desc: "any header, upper case", cfg: named, r: preflight(app, "GET", "Authorization"), want: none, cause: "header", preflight: true},
		{desc: "any header, no token", cfg: named, r: preflight(app, "GET", "x a"), want: none, cause: "header", preflight: true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			a := policy(t, tc.cfg).Decide(tc.r)
			require.Equal(t, tc.want, said(a))
			require.Equal(t, tc.cause, a.Cause)
			require.Equal(t, tc.preflight, a.Preflight)
			for _, h := range a.Headers() {
				require.True(t, strings.HasPrefix(h.Name, "Access-Control-"), h.Name)
			}
		})
	}
}

// TestVary: X6, at the level of the policy.
func TestVary(t *testing.T) {
	require.Equal(t, "Origin", cors.Vary("GET"))
	require.Equal(t, "Origin", cors.Vary("options"))
	require.Equal(t, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
		cors.Vary("OPTIONS"))
}

// TestOrigins: X2 and X3. What is listed is allowed, and no neighbour of it.
func TestOrigins(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for _, tc := range []struct {
		desc   string
		cfg    cors.Config
		yes    []string
		no     []string
		wanted string
	}{
		{desc: "X2 exact", cfg: cors.Config{Origins: []string{"https://example.com"}, Credentials: true},
			yes: []string{"https://example.com"},
			no: []string{
				"https://example.com.evil.com", "https://evilexample.com", "https://exampleXcom", "https://example.com:444", "https://example.com:443",
				"http://example.com", "https://EXAMPLE.com", "HTTPS://example.com", "https://example.com/", "https://user@example.com",
				"https://example.com%60.evil.com", "https://example.com_.evil.com", "https://example.com.", "https://[fe80::1%25eth0]",
				"https://example.com\x00", "https://example.com ", " https://example.com", "https://example.co", "https://example.community",
				"https://sub.example.com", "https://example.com,https://evil.com", "https://example.com https://evil.com",
				"example.com", "//example.com", "https://", "*", "null", "", "https://example.com" + long, "https://" + long + "example.com", long,
			}},
		{desc: "several", cfg: cors.Config{Origins: []string{app, "http://localhost:3000", "https://[2001:db8::7]:8443", "https://192.0.2.7"}, Credentials: true},
			yes: []string{app, "http://localhost:3000", "https://[2001:db8::7]:8443", "https://192.0.2.7"},
			no:  []string{"http://localhost", "http://localhost:3001", "http://localhost.evil", "https://localhost:3000", "https://[2001:db8:0::7]:8443", "https://192.0.2.07"}},
		{desc: "X3 pattern", cfg: cors.Config{Patterns: []string{"https://*.example.com"}, Credentials: true},
			yes: []string{"https://a.example.com", "https://xn--bcher-kva.example.com", "https://0.example.com", "https://a_b.example.com",
				"https://-.example.com", "https://" + long[:63] + ".example.com"},
			no: []string{
				"https://example.com", "https://.example.com", "https://evil-example.com", "https://evilexample.com", "https://a.b.example.com", "https://a..example.com",
				"https://a.example.com:443", "https://a.example.com:8443", "http://a.example.com", "https://a.example.com.evil.com", "https://a.example.community",
				"https://A.example.com", "https://a.Example.com", "https://a.example.com.", "https://a.example.com/", "https://a@b.example.com", "https://a/.example.com",
				"https://a?.example.com", "https://a#.example.com", "https://a%60.example.com", "https://*.example.com", "https://evil.com:.example.com", "https://b\u00fccher.example.com",
				"https://a b.example.com", "https://a", "https://", "null", "", "https://" + long[:64] + ".example.com", "https://" + long, "https://a.example.com" + long,
				"https://" + long + ".example.com",
			}},
		{desc: "X3 port of a pattern", cfg: cors.Config{Patterns: []string{"https://*.example.com:8443"}},
			yes: []string{"https://a.example.com:8443"},
			no:  []string{"https://a.example.com", "https://a.example.com:8444", "https://a.example.com:84430", "https://example.com:8443"}},
		{desc: "X3 plain http", cfg: cors.Config{Patterns: []string{"http://*.example.com"}},
			yes: []string{"http://a.example.com"},
			no:  []string{"https://a.example.com", "http://example.com", "a.example.com", "//a.example.com", "ftp://a.example.com"}},
		{desc: "GHSA-vhxv-fg4m-p2w8", cfg: cors.Config{Patterns: []string{"https://*.a.foo.com", "https://*.bar.com", "https://*.o.com", "https://*.foo.com"}},
			yes: []string{"https://x.a.foo.com", "https://x.bar.com", "https://x.o.com", "https://x.foo.com", "https://a.foo.com"},
			no: []string{"https://barfoo.com", "https://x.barfoo.com", "https://foo.com", "https://bar.com", "https://x.fooo.com", "https://x.obar.com",
				"https://x.b.foo.com", "https://x.a.o.com", "https://x.aafoo.com"}},
		{desc: "CVE-2019-25211", cfg: cors.Config{Origins: []string{"https://example.com", "http://localhost"}},
			yes: []string{"https://example.com", "http://localhost"},
			no:  []string{"https://example.community", "http://localhost.evil", "http://localhost.evil.example"}},
		{desc: "origins and patterns", cfg: cors.Config{Origins: []string{"https://example.com", "https://a.example.com"}, Patterns: []string{"https://*.example.com", "http://*.app.localhost:3000"}, Credentials: true},
			yes: []string{"https://example.com", "https://a.example.com", "https://b.example.com", "http://x.app.localhost:3000"},
			no:  []string{"http://app.localhost:3000", "http://x.localhost:3000", "https://x.app.localhost:3000", "https://a.b.example.com"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			p := policy(t, tc.cfg)
			for _, o := range tc.yes {
				a := p.Decide(simple(o))
				require.Equal(t, cors.Header{Name: "Access-Control-Allow-Origin", Value: o}, a.Headers()[0])
				require.True(t, allowed(t, p, preflight(o, "GET")), o)
			}
			for _, o := range tc.no {
				require.False(t, allowed(t, p, simple(o)), "%.100q", o)
				require.False(t, allowed(t, p, preflight(o, "GET")), "%.100q", o)
				require.False(t, allowed(t, p, simple(tc.yes[0], o)), "%.100q", o)
				require.False(t, allowed(t, p, simple(o, tc.yes[0])), "%.100q", o)
			}
		})
	}
}

// TestRequestHeaders: X7 and X8, how Access-Control-Request-Headers is read.
func TestRequestHeaders(t *testing.T) {
	var all []string
	for i := range 10_000 {
		all = append(all, "x-"+strconv.Itoa(10_000+i))
	}
	commas := strings.Repeat(",", 64<<10)
	const limit = 4096
	list := cors.Config{Origins: []string{app}, RequestHeaders: []string{"Authorization", "X-B", "content-type"}}
	big := cors.Config{Origins: []string{app}, RequestHeaders: all}
	for _, tc := range []struct {
		desc string
		cfg  cors.Config
		ask  []string
		want bool
	}{
		{"one", list, []string{"x-b"}, true},
		{"all", list, []string{"authorization,content-type,x-b"}, true},
		{"a blank behind each comma", list, []string{"authorization, content-type, x-b"}, true},
		{"a blank on each side", list, []string{" authorization , content-type\t,\tx-b "}, true},
		{"two blanks in front", list, []string{"  x-b"}, false},
		{"two blanks behind", list, []string{"x-b  "}, false},
		{"two blanks behind, and more", list, []string{"authorization  ,x-b"}, false},
		{"other white space", list, []string{"\nx-b"}, false},
		{"blank inside", list, []string{"x- b"}, false},
		{"several lines", list, []string{"authorization", "content-type,x-b"}, true},
		{"several lines, empty ones", list, []string{"", "authorization", "", "x-b", ""}, true},
		{"upper case", list, []string{"X-B"}, false},
		{"not sorted", list, []string{"x-b,authorization"}, false},
		{"not sorted, in lines", list, []string{"x-b", "authorization"}, false},
		{"twice", list, []string{"x-b,x-b"}, false},
		{"twice, in lines", list, []string{"x-b", "x-b"}, false},
		{"prefix", list, []string{"x-"}, false},
		{"longer", list, []string{"x-bb"}, false},
		{"longer than any", list, []string{"authorizations"}, false},
		{"longer than any, with a window to see it in", list, []string{"authorization" + "xyz"}, false},
		{"the longest, then blanks", list, []string{"authorization   "}, false},
		{"another separator", list, []string{"authorization;x-b"}, false},
		{"quoted", list, []string{`"x-b"`}, false},
		{"a wildcard", list, []string{"*"}, false},
		{"16 empty elements", list, []string{strings.Repeat(",", 16) + "x-b"}, true},
		{"17 empty elements", list, []string{strings.Repeat(",", 17) + "x-b"}, false},
		{"16 empty elements at the end", list, []string{"x-b" + strings.Repeat(",", 16)}, true},
		{"17 empty elements at the end", list, []string{"x-b" + strings.Repeat(",", 17)}, false},
		{"16 empty lines", list, append(make([]string, 16), "x-b"), true},
		{"17 empty lines", list, append(make([]string, 17), "x-b"), false},
		{"empty elements with blanks", list, []string{" , \t,x-b"}, true},
		{"empty element of three blanks", list, []string{"   ,x-b"}, false},
		{"64 KB of commas", list, []string{commas}, false},
		{"64 KB of commas behind", list, []string{"x-b" + commas}, false},
		{"64 KB of one name", list, []string{strings.Repeat("a", 64<<10)}, false},
		{"64 KB of blanks", list, []string{strings.Repeat(" ", 64<<10)}, false},
		{"10,000 names", list, []string{strings.Join(all, ",")}, false},
		{"10,000 lines", list, all, false},
		{"10,000 names that are allowed", big, []string{strings.Join(all, ",")}, true},
		{"24 lines that are allowed", big, all[:24], true},
		{"25 lines that are allowed", big, all[:25], false},
		{"10,000 lines that are allowed", big, all, false},
		{"10,000 names that are allowed, and one more", big, []string{strings.Join(all, ",") + ",y"}, false},
		{"none are allowed", anonymous, []string{"x-b"}, false},
		{"none are allowed, none asked for", anonymous, []string{",,"}, true},

		{"any", public, []string{"a,x-b"}, true},
		{"any, not sorted", public, []string{"x-b,a"}, false},
		{"any, twice", public, []string{"a,a"}, false},
		{"any, upper case", public, []string{"A"}, false},
		{"any, all signs of a token", public, []string{"!#$%&'*+-.^_`|~09az"}, true},
		{"any, a separator", public, []string{"x:y"}, false},
		{"any, beyond ASCII", public, []string{"x-\u00e9"}, false},
		{"any, as much as there may be", public, []string{strings.Repeat("a", limit)}, true},
		{"any, one byte more", public, []string{strings.Repeat("a", limit+1)}, false},
		{"any, one byte more in lines", public, []string{strings.Repeat("a", limit), "b"}, false},
		{"any, 17 empty elements", public, []string{strings.Repeat(",", 17) + "x-b"}, false},
		{"any, 64 KB of commas", public, []string{commas}, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			p := policy(t, tc.cfg)
			require.Equal(t, tc.want, allowed(t, p, preflight(app, "GET", tc.ask...)))
			if !tc.want {
				require.Equal(t, audit.CauseHeader, p.Decide(preflight(app, "GET", tc.ask...)).Cause)
			}
		})
	}
}

// TestMethods: a method of any length, and the asterisk where it is no wildcard.
func TestMethods(t *testing.T) {
	p := policy(t, trusting)
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true,
		"PUTT": false, "PU": false, "*": false, "PUT ": false, "PUT,DELETE": false, "delete": false, "Post": false, strings.Repeat("P", 1<<20): false,
	} {
		require.Equal(t, want, allowed(t, p, preflight(app, method)), "%.20q", method)
	}
}

// TestZeroPolicy: it allows nothing, and says so.
func TestZeroPolicy(t *testing.T) {
	var p cors.Policy
	require.Equal(t, cors.Answer{}, p.Decide(simple()))
	require.Equal(t, cors.Answer{Cause: audit.CauseOrigin}, p.Decide(simple(app)))
	require.Equal(t, cors.Answer{Cause: audit.CauseOrigin, Preflight: true}, p.Decide(preflight(app, "GET")))
	require.False(t, p.Debug())
	require.Empty(t, p.Warnings())
	p.Tell(t.Context(), audit.Event{Cause: audit.CauseOrigin}, simple(app))
	require.NoError(t, p.Replace(anonymous))
	require.True(t, allowed(t, &p, simple(app)))
}

// TestNothingIsBorrowed: what is answered does not change with the bytes of the request,
// which belong to the next request in some servers.
func TestNothingIsBorrowed(t *testing.T) {
	for _, cfg := range []cors.Config{{Origins: []string{app}}, {Patterns: []string{"https://*.example.com"}}} {
		buf := []byte(app)
		a := policy(t, cfg).Decide(simple(borrow(buf)))
		copy(buf, strings.Repeat("x", len(buf)))
		require.Equal(t, []string{"Allow-Origin: " + app}, said(a))
	}
}
