package cors_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
)

const (
	isNobody      = "names nobody, and neither does Patterns: a policy that allows nothing is no policy"
	isEverybody   = "would let every page in the world act for its visitor: with Credentials each origin must be named"
	isNotAlone    = "is every origin, so it stands alone"
	isPattern     = "is no origin: write https://*.example.com into Patterns, or name each"
	isNull        = "is what sandboxed frames, local files and some redirects say, whoever made them"
	isUpper       = "must be in lower case, as browsers send it"
	isNoOrigin    = "must be an origin such as https://app.example.com"
	isNoHost      = "must have a host in ASCII behind the scheme and no path, not even a slash, user, query or fragment"
	isDefaultPort = "must leave out the default port, as browsers do"
	isNoPort      = "must have a port from 1 to 65535 behind the colon and nothing after it"
	isNoIPv4      = "must have its IPv4 address as four decimal numbers, as browsers write it"
	isHTTP        = "must be https, or http on loopback: whoever sits on the way speaks for an http origin"
	isTwice       = "is there twice"
	isShape       = "must be as https://*.example.com: the asterisk is one whole label, the first of the host"
	isAddress     = "must have a domain behind the asterisk: an address has no hosts below it"
	isTopLevel    = "must have two labels or more behind the asterisk: anybody can have a host below a top-level domain"
	isNoWildcard  = "is a name like any other to browsers with Credentials (Fetch): name each"
	isNoToken     = "is no token (RFC 9110 section 5.6.2)"
	isPatterned   = "is no pattern: the asterisk stands for every name, and alone"
	isCovered     = "is covered by the asterisk that stands beside it"
	isForbidden   = "cannot be used by any page (Fetch, \"forbidden method\")"
	isNotPATCH    = "is another method than PATCH, and browsers do not make PATCH of it: write PATCH, here and in scripts"
	isNotSent     = "cannot be set by any script, or means nothing in a request (Fetch, \"forbidden request-header\")"
	isNotRead     = "cannot be read by any script (Fetch, \"forbidden response-header name\")"
	isProtocol    = "is said between browsers and servers, and no page has use for it"
	isTooLong     = "is more than 24 h, which no browser heeds"
	isFraction    = "is not in whole seconds, as browsers count"
	isPublic      = "would open the private network to every page in the world: name the origins"
	isUntold      = "has nobody to tell: set Audit"
	isNoCookie    = "is no cookie: make one with cookie.New, or take a Manager's or a Guard's"
	isNoOwner     = "is needed with Cookies: whether browsers send a cookie depends on whose it is"
)

func neverSent(upper string) string {
	return "is never sent: browsers make " + upper + " of it (Fetch, \"normalize a method\"), so write " + upper
}

func spec(t testing.TB, cfg cookie.Config) *cookie.Spec {
	t.Helper()
	s, err := cookie.New(cfg)
	require.NoError(t, err)
	return s
}

// mistakes are the ConfigErrors of err, which must be nothing but them.
func mistakes(t testing.TB, err error) (all []core.ConfigError) {
	t.Helper()
	require.Error(t, err)
	require.True(t, strings.HasPrefix(err.Error(), "cors: "), err.Error())
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	require.True(t, ok)
	for _, e := range joined.Unwrap() {
		ce, ok := e.(*core.ConfigError)
		require.True(t, ok, "%T", e)
		all = append(all, *ce)
	}
	return all
}

// TestMistakes: each is found, named and explained, and nothing else is complained about.
func TestMistakes(t *testing.T) {
	type want [3]string // field, value, reason
	origins := func(o ...string) cors.Config { return cors.Config{Origins: o} }
	trusted := func(o ...string) cors.Config { return cors.Config{Origins: o, Credentials: true} }
	patterns := func(p ...string) cors.Config { return cors.Config{Patterns: p} }
	with := func(change func(*cors.Config)) cors.Config {
		cfg := trusted(app)
		change(&cfg)
		return cfg
	}
	methods := func(m ...string) cors.Config { return cors.Config{Origins: []string{app}, Methods: m} }
	request := func(h ...string) cors.Config { return cors.Config{Origins: []string{app}, RequestHeaders: h} }
	response := func(h ...string) cors.Config { return cors.Config{Origins: []string{app}, ResponseHeaders: h} }
	for _, tc := range []struct {
		desc string
		cfg  cors.Config
		want []want
	}{
		{"zero", cors.Config{}, []want{{"Origins", "", isNobody}}},
		{"empty lists", cors.Config{Origins: []string{}, Patterns: []string{}, Credentials: true}, []want{{"Origins", "", isNobody}}},
		{"X5 any with credentials, CVE-2024-25124", trusted("*"), []want{{"Origins[0]", "*", isEverybody}}},
		{"any beside others", origins(app, "*"), []want{{"Origins[1]", "*", isNotAlone}}},
		{"any twice", origins("*", "*"), []want{{"Origins[0]", "*", isNotAlone}, {"Origins[1]", "*", isNotAlone}}},
		{"any beside a pattern", cors.Config{Origins: []string{"*"}, Patterns: []string{"https://*.example.com"}}, []want{{"Origins[0]", "*", isNotAlone}}},
		{"any with credentials, beside others", trusted("*", app), []want{{"Origins[0]", "*", isEverybody}, {"Origins[0]", "*", isNotAlone}}},
		{"X5 asterisk inside", origins("https://*.example.com", "https://app.example.*", "*.example.com", "https://app.example.com:*", "http*"), []want{
			{"Origins[0]", "https://*.example.com", isPattern}, {"Origins[1]", "https://app.example.*", isPattern}, {"Origins[2]", "*.example.com", isPattern},
			{"Origins[3]", "https://app.example.com:*", isPattern}, {"Origins[4]", "http*", isPattern}}},
		{"X4 null", origins("null"), []want{{"Origins[0]", "null", isNull}}},
		{"empty origin", origins(""), []want{{"Origins[0]", "", isNoOrigin}}},
		{"not as browsers send it", origins("https://App.example.com", "app.example.com", "https://app.example.com/", "https://app.example.com:443",
			"https://app.example.com:x", "ftp://app.example.com", "https://b\u00fccher.example", "https://192.0.2", "file://", "https://user@app.example.com"), []want{
			{"Origins[0]", "https://App.example.com", isUpper}, {"Origins[1]", "app.example.com", isNoOrigin}, {"Origins[2]", "https://app.example.com/", isNoHost},
			{"Origins[3]", "https://app.example.com:443", isDefaultPort}, {"Origins[4]", "https://app.example.com:x", isNoPort}, {"Origins[5]", "ftp://app.example.com", isNoOrigin},
			{"Origins[6]", "https://b\u00fccher.example", isNoHost}, {"Origins[7]", "https://192.0.2", isNoIPv4}, {"Origins[8]", "file://", isNoOrigin},
			{"Origins[9]", "https://user@app.example.com", isNoHost}}},
		{"origin twice", origins(app, "https://b.example", app), []want{{"Origins[2]", app, isTwice}}},
		{"http with credentials", trusted(app, "http://app.example.com", "http://localhost:3000"), []want{{"Origins[1]", "http://app.example.com", isHTTP}}},

		{"shape of a pattern", patterns(app, "*", "*.example.com", "https://a*.example.com", "https://*a.example.com", "https://a.*.example.com", "https://*", "https://*:8443",
			"*://app.example.com", "https://*.*.example.com", "https://*.example.com:*", "https://*.example.*", "h*://*.example.com", "https://*example.com", ""), []want{
			{"Patterns[0]", app, isShape}, {"Patterns[1]", "*", isShape}, {"Patterns[2]", "*.example.com", isShape}, {"Patterns[3]", "https://a*.example.com", isShape},
			{"Patterns[4]", "https://*a.example.com", isShape}, {"Patterns[5]", "https://a.*.example.com", isShape}, {"Patterns[6]", "https://*", isShape},
			{"Patterns[7]", "https://*:8443", isShape}, {"Patterns[8]", "*://app.example.com", isShape}, {"Patterns[9]", "https://*.*.example.com", isShape},
			{"Patterns[10]", "https://*.example.com:*", isShape}, {"Patterns[11]", "https://*.example.*", isShape}, {"Patterns[12]", "h*://*.example.com", isShape},
			{"Patterns[13]", "https://*example.com", isShape}, {"Patterns[14]", "", isShape}}},
		{"what stands behind", patterns("https://*.com", "https://*.com:8443", "https://*.localhost", "https://*.1.2.3.4", "https://*.[2001:db8::7]", "https://*.", "https://*.:8443",
			"https://*.Example.com", "https://*.example.com/", "https://*.example.com:443", "https://*.example.com.", "ftp://*.example.com", "https://*..example.com", "https://*.example.7"), []want{
			{"Patterns[0]", "https://*.com", isTopLevel}, {"Patterns[1]", "https://*.com:8443", isTopLevel}, {"Patterns[2]", "https://*.localhost", isTopLevel},
			{"Patterns[3]", "https://*.1.2.3.4", isAddress}, {"Patterns[4]", "https://*.[2001:db8::7]", isAddress}, {"Patterns[5]", "https://*.", isAddress},
			{"Patterns[6]", "https://*.:8443", isAddress}, {"Patterns[7]", "https://*.Example.com", isUpper}, {"Patterns[8]", "https://*.example.com/", isNoHost},
			{"Patterns[9]", "https://*.example.com:443", isDefaultPort}, {"Patterns[10]", "https://*.example.com.", isNoHost}, {"Patterns[11]", "ftp://*.example.com", isNoOrigin},
			{"Patterns[12]", "https://*..example.com", isNoHost}, {"Patterns[13]", "https://*.example.7", isNoIPv4}}},
		{"pattern twice", patterns("https://*.example.com", "http://*.example.com", "https://*.example.com"), []want{{"Patterns[2]", "https://*.example.com", isTwice}}},
		{"http pattern with credentials", cors.Config{Patterns: []string{"http://*.example.com", "http://*.app.localhost"}, Credentials: true}, []want{{"Patterns[0]", "http://*.example.com", isHTTP}}},

		{"X5 any of the rest with credentials", cors.Config{Origins: []string{app}, Credentials: true, Methods: []string{"*"}, RequestHeaders: []string{"*"}, ResponseHeaders: []string{"*"}}, []want{
			{"Methods[0]", "*", isNoWildcard}, {"RequestHeaders[0]", "*", isNoWildcard}, {"ResponseHeaders[0]", "*", isNoWildcard}}},
		{"no method", methods("", "PUT,DELETE", "PU T", "P\u00dcT", "PUT*", "PUT\n"), []want{{"Methods[0]", "", isNoToken}, {"Methods[1]", "PUT,DELETE", isNoToken},
			{"Methods[2]", "PU T", isNoToken}, {"Methods[3]", "P\u00dcT", isNoToken}, {"Methods[4]", "PUT*", isPatterned}, {"Methods[5]", "PUT\n", isNoToken}}},
		{"forbidden method", methods("CONNECT", "trace", "Track", "TRACE"), []want{{"Methods[0]", "CONNECT", isForbidden}, {"Methods[1]", "trace", isForbidden},
			{"Methods[2]", "Track", isForbidden}, {"Methods[3]", "TRACE", isForbidden}}},
		{"case of a method", methods("put", "Delete", "options", "get", "head", "Post"), []want{{"Methods[0]", "put", neverSent("PUT")}, {"Methods[1]", "Delete", neverSent("DELETE")},
			{"Methods[2]", "options", neverSent("OPTIONS")}, {"Methods[3]", "get", neverSent("GET")}, {"Methods[4]", "head", neverSent("HEAD")}, {"Methods[5]", "Post", neverSent("POST")}}},
		{"patch", methods("patch", "Patch"), []want{{"Methods[0]", "patch", isNotPATCH}, {"Methods[1]", "Patch", isNotPATCH}}},
		{"method twice", methods("PUT", "GET", "PUT", "GET"), []want{{"Methods[2]", "PUT", isTwice}, {"Methods[3]", "GET", isTwice}}},
		{"any method beside others", methods("PUT", "*", "GET"), []want{{"Methods[0]", "PUT", isCovered}, {"Methods[2]", "GET", isCovered}}},
		{"any method twice", methods("*", "*"), []want{{"Methods[1]", "*", isTwice}}},

		{"no request header", request("", "X Y", "x:y", "\u212aelvin", "X-*", "X-A,X-B"), []want{{"RequestHeaders[0]", "", isNoToken}, {"RequestHeaders[1]", "X Y", isNoToken},
			{"RequestHeaders[2]", "x:y", isNoToken}, {"RequestHeaders[3]", "\u212aelvin", isNoToken}, {"RequestHeaders[4]", "X-*", isPatterned}, {"RequestHeaders[5]", "X-A,X-B", isNoToken}}},
		{"request header twice", request("X-A", "x-a", "X-a"), []want{{"RequestHeaders[1]", "x-a", isTwice}, {"RequestHeaders[2]", "X-a", isTwice}}},
		{"any request header beside others", request("*", "X-A", "Authorization", "*", "authorization"), []want{{"RequestHeaders[1]", "X-A", isCovered},
			{"RequestHeaders[3]", "*", isTwice}, {"RequestHeaders[4]", "authorization", isTwice}}},

		{"no response header", response("", "X Y", "X-*"), []want{{"ResponseHeaders[0]", "", isNoToken}, {"ResponseHeaders[1]", "X Y", isNoToken}, {"ResponseHeaders[2]", "X-*", isPatterned}}},
		{"secret response header", response("Set-Cookie", "set-cookie2"), []want{{"ResponseHeaders[0]", "Set-Cookie", isNotRead}, {"ResponseHeaders[1]", "set-cookie2", isNotRead}}},
		{"response header of the protocol", response("Origin", "Access-Control-Allow-Origin", "access-control-request-method"), []want{{"ResponseHeaders[0]", "Origin", isProtocol},
			{"ResponseHeaders[1]", "Access-Control-Allow-Origin", isProtocol}, {"ResponseHeaders[2]", "access-control-request-method", isProtocol}}},
		{"response header twice", response("ETag", "etag", "Expires", "expires"), []want{{"ResponseHeaders[1]", "etag", isTwice}, {"ResponseHeaders[3]", "expires", isTwice}}},
		{"any response header beside others", response("ETag", "*", "Authorization"), []want{{"ResponseHeaders[0]", "ETag", isCovered}, {"ResponseHeaders[2]", "Authorization", isCovered}}},

		{"MaxAge above", with(func(c *cors.Config) { c.MaxAge = 24*time.Hour + 1 }), []want{{"MaxAge", "24h0m0.000000001s", isTooLong}}},
		{"MaxAge fraction", with(func(c *cors.Config) { c.MaxAge = 1500 * time.Millisecond }), []want{{"MaxAge", "1.5s", isFraction}}},
		{"MaxAge, a bare number", with(func(c *cors.Config) { c.MaxAge = 600 }), []want{{"MaxAge", "600ns", isFraction}}},
		{"private network for everybody", cors.Config{Origins: []string{"*"}, DangerouslyAllowPrivateNetwork: true}, []want{{"DangerouslyAllowPrivateNetwork", "true", isPublic}}},
		{"Debug without Audit", with(func(c *cors.Config) { c.Debug = true }), []want{{"Debug", "true", isUntold}}},
		{"Cookies without PublicOrigin", with(func(c *cors.Config) { c.Cookies = []*cookie.Spec{spec(t, cookie.Config{})} }), []want{{"PublicOrigin", "", isNoOwner}}},
		{"nil cookies", with(func(c *cors.Config) {
			c.PublicOrigin, c.Cookies = "https://api.example.com", []*cookie.Spec{nil, spec(t, cookie.Config{}), {}}
		}),
			[]want{{"Cookies[0]", "", isNoCookie}, {"Cookies[2]", "", isNoCookie}}},
		{"PublicOrigin", with(func(c *cors.Config) { c.PublicOrigin = "https://api.example.com/" }), []want{{"PublicOrigin", "https://api.example.com/", isNoHost}}},
		{"PublicOrigin over http", with(func(c *cors.Config) { c.PublicOrigin = "http://api.example.com" }), []want{{"PublicOrigin", "http://api.example.com", isHTTP}}},

		{"all at once", cors.Config{Origins: []string{"*", "null"}, Patterns: []string{"https://*.com"}, Credentials: true, Methods: []string{"patch"}, RequestHeaders: []string{"Cookie"},
			ResponseHeaders: []string{"Set-Cookie"}, MaxAge: time.Millisecond, DangerouslyAllowPrivateNetwork: true, PublicOrigin: "x", Cookies: []*cookie.Spec{nil}, Debug: true}, []want{
			{"Origins[0]", "*", isEverybody}, {"Origins[0]", "*", isNotAlone}, {"Origins[1]", "null", isNull}, {"Patterns[0]", "https://*.com", isTopLevel}, {"Methods[0]", "patch", isNotPATCH},
			{"RequestHeaders[0]", "Cookie", isNotSent}, {"ResponseHeaders[0]", "Set-Cookie", isNotRead}, {"MaxAge", "1ms", isFraction}, {"PublicOrigin", "x", isNoOrigin},
			{"Cookies[0]", "", isNoCookie}, {"DangerouslyAllowPrivateNetwork", "true", isPublic}, {"Debug", "true", isUntold}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			p, err := cors.New(tc.cfg)
			require.Nil(t, p)
			var got []want
			for _, e := range mistakes(t, err) {
				got = append(got, want{strings.TrimPrefix(e.Field, "cors.Config."), e.Value, e.Reason})
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// TestForbiddenRequestHeaders is the list of the Fetch standard ("forbidden
// request-header"), in any case.
func TestForbiddenRequestHeaders(t *testing.T) {
	for _, name := range []string{"Accept-Charset", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method",
		"Access-Control-Request-Private-Network", "Connection", "Content-Length", "Cookie", "Cookie2", "Date", "DNT", "Expect", "Host", "Keep-Alive",
		"Origin", "Referer", "Set-Cookie", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Via", "Proxy-", "Proxy-Authorization", "Sec-", "Sec-Fetch-Site",
		"Access-Control-Allow-Origin"} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			_, err := cors.New(cors.Config{Origins: []string{app}, RequestHeaders: []string{spelled}})
			require.Equal(t, []core.ConfigError{{Field: "cors.Config.RequestHeaders[0]", Value: spelled, Reason: isNotSent}}, mistakes(t, err))
		}
	}
}

// TestAccepted: what is unusual and right.
func TestAccepted(t *testing.T) {
	sink := audit.SinkFunc(nil)
	for _, tc := range []struct {
		desc string
		cfg  cors.Config
	}{
		{"plain http without credentials", cors.Config{Origins: []string{"http://app.example.com", "http://192.0.2.7:8080"}, Patterns: []string{"http://*.example.com"}}},
		{"loopback with credentials", cors.Config{Origins: []string{"http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000"}, Patterns: []string{"http://*.app.localhost:3000"}, Credentials: true}},
		{"an origin that a pattern covers", cors.Config{Origins: []string{"https://a.example.com"}, Patterns: []string{"https://*.example.com"}, Credentials: true}},
		{"the application's own origin", cors.Config{Origins: []string{app}, PublicOrigin: app}},
		{"a pattern of two labels that is a public suffix", cors.Config{Patterns: []string{"https://*.co.uk"}}},
		{"safelisted methods", cors.Config{Origins: []string{app}, Methods: []string{"GET", "HEAD", "POST", "OPTIONS"}}},
		{"methods of others", cors.Config{Origins: []string{app}, Methods: []string{"PURGE", "Purge", "PROPFIND", "m-search", "PATCH"}}},
		{"safelisted headers", cors.Config{Origins: []string{app}, RequestHeaders: []string{"Accept", "Content-Type", "Range"}, ResponseHeaders: []string{"Content-Type", "Pragma"}}},
		{"headers that only look forbidden", cors.Config{Origins: []string{app}, RequestHeaders: []string{"Proxy", "Security", "X-Sec-Y", "User-Agent", "X-HTTP-Method-Override"}}},
		{"the longest MaxAge", cors.Config{Origins: []string{app}, MaxAge: 24 * time.Hour}},
		{"never", cors.Config{Origins: []string{app}, MaxAge: -1}},
		{"never, with a fraction", cors.Config{Origins: []string{app}, MaxAge: -1500 * time.Millisecond}},
		{"Debug", cors.Config{Origins: []string{app}, Debug: true, Audit: sink}},
		{"Audit without Debug", cors.Config{Origins: []string{app}, Audit: sink}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			p, err := cors.New(tc.cfg)
			require.NoError(t, err)
			require.NotNil(t, p)
			require.Equal(t, tc.cfg.Debug, p.Debug())
		})
	}
}

// TestConfigIsCopied: what the caller does with his slices afterwards is his own affair.
func TestConfigIsCopied(t *testing.T) {
	cfg := cors.Config{Origins: []string{"https://other.example"}, Patterns: []string{"https://*.example.com"}, Credentials: true, Methods: []string{"PUT"},
		RequestHeaders: []string{"x-a"}, ResponseHeaders: []string{"x-b"}, PublicOrigin: "https://api.example.org", Cookies: []*cookie.Spec{spec(t, cookie.Config{})}}
	p := policy(t, cfg)
	r := preflight("https://other.example", "PUT", "x-a")
	answers, before := []cors.Answer{p.Decide(r), p.Decide(simple(app))}, p.Warnings()
	require.Len(t, before, 2)

	for _, list := range [][]string{cfg.Origins, cfg.Patterns, cfg.Methods, cfg.RequestHeaders, cfg.ResponseHeaders} {
		list[0] = "*"
	}
	cfg.Cookies[0] = nil
	require.Equal(t, answers, []cors.Answer{p.Decide(r), p.Decide(simple(app))})
	require.Equal(t, before, p.Warnings())

	before[0].Value, before[1] = "changed", nil
	require.Equal(t, "https://other.example", p.Warnings()[0].Value)
	require.NotNil(t, p.Warnings()[1])

	a := p.Decide(r)
	a.Headers()[0].Value = "changed"
	require.Equal(t, answers[0], p.Decide(r))
}
