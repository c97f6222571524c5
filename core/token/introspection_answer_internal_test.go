package token

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// introspectionServer is a Verifier and the server that it asks.
func introspectionServer(t *testing.T, h http.Handler, change func(*IntrospectionConfig)) (*desk, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	d := newDesk(t, func(c *VerifierConfig) {
		cfg := IntrospectionConfig{
			URL: s.URL + "/introspect", ClientID: "shop", ClientSecret: oracleSecret, Transport: s.Client().Transport, Now: c.Now,
		}
		if change != nil {
			change(&cfg)
		}
		in, err := NewIntrospection(cfg)
		require.NoError(t, err)
		c.Issuers[0].Introspection = in
	})
	return d, s
}

func TestIntrospectionRequest(t *testing.T) {
	const id, secret = "our shop: 50%+é", "p:ä&s=s +/%41"
	var seen []http.Header
	var bodies []string
	d, _ := introspectionServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || req.URL.String() != "/introspect?tenant=1" {
			t.Errorf("got %s %s", req.Method, req.URL)
		}
		gotID, gotSecret, ok := req.BasicAuth()
		gotID, idErr := url.QueryUnescape(gotID)
		gotSecret, secretErr := url.QueryUnescape(gotSecret)
		if !ok || idErr != nil || secretErr != nil || gotID != id || gotSecret != secret {
			t.Errorf("got %q %q", gotID, gotSecret)
		}
		req.Header.Del("Authorization")
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		seen, bodies = append(seen, req.Header), append(bodies, string(body))
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		_, _ = io.WriteString(w, isActive)
	}), func(cfg *IntrospectionConfig) {
		cfg.URL += "?tenant=1"
		cfg.ClientID, cfg.ClientSecret, cfg.CacheFor = id, secret, -1
	})
	raw := d.good(t)
	for range 2 {
		_, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	body := "token=" + raw + "&token_type_hint=access_token"
	require.Equal(t, []string{body, body}, bodies)
	for _, h := range seen {
		require.NotEmpty(t, h.Get("Content-Length"))
		h.Del("Content-Length")
	}
	want := http.Header{
		"Accept":          {"application/json"},
		"Accept-Encoding": {"identity"},
		"Content-Type":    {"application/x-www-form-urlencoded"},
		"User-Agent":      {"Go-http-client/1.1"},
	}
	require.Equal(t, []http.Header{want, want}, seen, "no cookie, nothing else")
}

// TestIntrospectionServerAnswers: whatever is not an answer is neither yes nor no,
// whatever its body says.
func TestIntrospectionServerAnswers(t *testing.T) {
	header := func(status int, name, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(name, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	serve := func(body string) http.HandlerFunc { return header(200, "Content-Type", "application/json", body) }
	status := func(code int, body string) http.HandlerFunc {
		return header(code, "Content-Type", "application/json", body)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(isActive))
	require.NoError(t, z.Close())
	const noAnswer = "not one JSON object"
	for _, tc := range []struct {
		desc    string
		handler http.HandlerFunc
		class   error  // nil: active
		want    string // of an error that is unknown
	}{
		{"active", serve(isActive), nil, ""},
		{"inactive", serve(isInactive), ErrRevoked, ""},
		{"just fits", serve(isActive + strings.Repeat(" ", maxAnswer-len(isActive))), nil, ""},
		{"inactive, just fits", serve(isInactive + strings.Repeat(" ", maxAnswer-len(isInactive))), ErrRevoked, ""},
		{"coding identity", header(200, "Content-Encoding", "identity", isActive), nil, ""},
		{"201", status(201, isActive), nil, "answered 201"},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, nil, "answered 204"},
		{"206", status(206, isActive), nil, "answered 206"},
		{"304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, nil, "answered 304"},
		{"400", status(400, isInactive), nil, "answered 400"},
		{"401", status(401, isInactive), nil, "answered 401"},
		{"401, active", status(401, isActive), nil, "answered 401"},
		{"403", status(403, isInactive), nil, "answered 403"},
		{"404", status(404, isInactive), nil, "answered 404"},
		{"429", status(429, isInactive), nil, "answered 429"},
		{"500", status(500, isActive), nil, "answered 500"},
		{"503", status(503, isInactive), nil, "answered 503"},
		{"nothing", serve(""), nil, noAnswer},
		{"HTML", header(200, "Content-Type", "text/html", "<!doctype html><title>Log in</title>"), nil, noAnswer},
		{"cut off", serve(isActive[:len(isActive)-1]), nil, noAnswer},
		{"a byte too long", serve(isActive + strings.Repeat(" ", maxAnswer+1-len(isActive))), nil, "more than 65536 bytes"},
		{"inactive, a byte too long", serve(isInactive + strings.Repeat(" ", maxAnswer+1-len(isInactive))), nil, "more than 65536 bytes"},
		{"connection cut", header(200, "Content-Length", "999", isActive), nil, "unexpected EOF"},
		{"gzip, said", header(200, "Content-Encoding", "gzip", zipped.String()), nil, `the coding "gzip"`},
		{"gzip, not said", serve(zipped.String()), nil, noAnswer},
		{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "EOF"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			d, _ := introspectionServer(t, tc.handler, nil)
			_, err := d.Verify(t.Context(), d.good(t))
			if tc.want != "" {
				isUnknown(t, err)
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.ErrorIs(t, err, tc.class)
		})
	}
}

// TestIntrospectionRedirects: neither the token nor the secret goes anywhere else, and
// what is answered there counts for nothing (CVE-2026-49478).
func TestIntrospectionRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var asked atomic.Int32
		d, _ := introspectionServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked.Add(1)
			if req.URL.Path == "/introspect" {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}
			_, _ = io.WriteString(w, isActive)
		}), nil)
		_, err := d.Verify(t.Context(), d.good(t))
		isUnknown(t, err)
		require.ErrorContains(t, err, "answered 30")
		require.EqualValues(t, 1, asked.Load())
	}
}

func TestIntrospectionUntrustedServer(t *testing.T) {
	d, _ := introspectionServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was asked")
	}), func(cfg *IntrospectionConfig) { cfg.Transport = &http.Transport{} })
	_, err := d.Verify(t.Context(), d.good(t))
	isUnknown(t, err)
	require.ErrorContains(t, err, "certificate")
}

func TestIntrospectionSlowServer(t *testing.T) {
	left := make(chan struct{})
	d, _ := introspectionServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		w.(http.Flusher).Flush()
		<-req.Context().Done()
		close(left)
	}), func(cfg *IntrospectionConfig) { cfg.Timeout = 100 * time.Millisecond })
	_, err := d.Verify(t.Context(), d.good(t))
	isUnknown(t, err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-left // the connection is given up
}

// TestIntrospectionClosedConnection: a server may close an idle connection at the moment
// at which it is used again. That is no failure of the server.
func TestIntrospectionClosedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var connections atomic.Int32
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Context().Value(used{}).(*atomic.Int32).Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, isActive)
		}),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			connections.Add(1)
			return context.WithValue(ctx, used{}, &atomic.Int32{})
		},
	}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	in, err := NewIntrospection(IntrospectionConfig{
		URL: "http://" + l.Addr().String(), InsecureHTTP: true, ClientID: "a", ClientSecret: "b", CacheFor: -1, Transport: &http.Transport{},
	})
	require.NoError(t, err)
	d := newDesk(t, func(c *VerifierConfig) { c.Issuers[0].Introspection = in })
	raw := d.good(t)
	for range 3 {
		_, err = d.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	require.EqualValues(t, 3, connections.Load())
}

// used is the context key of how often a connection was used.
type used struct{}

// theClaims are those of claimsOf.
var theClaims = Claims{
	Issuer: theIssuer, Subject: "ann", Audience: []string{theAudience, "https://other.example"},
	ID: "6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11", ClientID: "web", Expires: time.Unix(theTime+900, 0).UTC(),
}

const (
	otherToken = "the answer is about another token: "
	noDocument = "not one JSON object whose members occur once each, in one spelling"
	noVerdict  = "active is neither true nor false"
)

var introspectionAnswers = []struct {
	desc, doc string
	active    bool
	want      string // the error
}{
	{"active", `{"active":true}`, true, ""},
	{"inactive", `{"active":false}`, false, ""},
	{"with blanks", " {\n\"active\" :\ttrue } ", true, ""},
	{"escaped name", `{"\u0061ctive":true}`, true, ""},
	{"of our own suite", `{"active":true,"scope":"read write","client_id":"web","token_type":"Bearer","exp":1700000900,"iat":1700000000,` +
		`"sub":"ann","aud":"https://api.example","iss":"https://auth.example","jti":"6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11","sid":"AQIDBAUGBwgJCgsMDQ4PEA"}`, true, ""},
	{"of others", `{"active":true,"username":"ann","realm_access":{"roles":["a"]},"nbf":null,"ext":[{"a":{}}]}`, true, ""},
	{"inactive, whatever it says besides", `{"active":false,"sub":"eve","exp":null}`, false, ""},

	{"active absent", `{}`, false, noVerdict},
	{"active null", `{"active":null}`, false, noVerdict},
	{"active 1", `{"active":1}`, false, noVerdict},
	{"active a string", `{"active":"true"}`, false, noVerdict},
	{"active false as a string", `{"active":"false"}`, false, noVerdict},
	{"active 0", `{"active":0}`, false, noVerdict},
	{"active an array", `{"active":[true]}`, false, noVerdict},
	{"active an object", `{"active":{"active":true}}`, false, noVerdict},
	{"active deeper", `{"token":{"active":true}}`, false, noVerdict},
	{"active upper case", `{"Active":true}`, false, noDocument},
	{"active in two cases", `{"active":true,"ACTIVE":false}`, false, noDocument},
	{"active twice", `{"active":true,"active":true}`, false, noDocument},
	{"active twice, contradicting", `{"active":false,"active":true}`, false, noDocument},
	{"sub in another case", `{"active":true,"Sub":"ann"}`, false, noDocument},
	{"sub with a long s", `{"active":true,"ſub":"ann"}`, false, noDocument},
	{"sub twice", `{"active":true,"sub":"ann","sub":"ann"}`, false, noDocument},
	{"inactive and malformed", `{"active":false`, false, noDocument},
	{"an array", `[{"active":true}]`, false, noDocument},
	{"true", `true`, false, noDocument},
	{"empty", ``, false, noDocument},
	{"two documents", `{"active":true}{"active":true}`, false, noDocument},
	{"not UTF-8", "{\"active\":true,\"x\":\"\xff\"}", false, noDocument},
	{"too deep", `{"active":true,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, false, noDocument},
	{"too many members", `{"active":true` + strings.Join(numbered(`,"%d":0`, 1024), "") + `}`, false, noDocument},

	{"iss", `{"active":true,"iss":"https://evil.example"}`, false, otherToken + "iss"},
	{"iss null", `{"active":true,"iss":null}`, false, otherToken + "iss"},
	{"sub", `{"active":true,"sub":"eve"}`, false, otherToken + "sub"},
	{"sub in upper case", `{"active":true,"sub":"Ann"}`, false, otherToken + "sub"},
	{"sub empty", `{"active":true,"sub":""}`, false, otherToken + "sub"},
	{"sub null", `{"active":true,"sub":null}`, false, otherToken + "sub"},
	{"sub a number", `{"active":true,"sub":7}`, false, otherToken + "sub"},
	{"sub escaped", `{"active":true,"sub":"\u0061nn"}`, true, ""},
	{"aud", `{"active":true,"aud":"https://evil.example"}`, false, otherToken + "aud"},
	{"aud, one of two", `{"active":true,"aud":"https://other.example"}`, true, ""},
	{"aud, both", `{"active":true,"aud":["https://other.example","https://api.example"]}`, true, ""},
	{"aud, one more", `{"active":true,"aud":["https://api.example","https://evil.example"]}`, false, otherToken + "aud"},
	{"aud, none", `{"active":true,"aud":[]}`, false, otherToken + "aud"},
	{"aud empty", `{"active":true,"aud":""}`, false, otherToken + "aud"},
	{"aud null", `{"active":true,"aud":null}`, false, otherToken + "aud"},
	{"exp", `{"active":true,"exp":1700000901}`, false, otherToken + "exp"},
	{"exp earlier", `{"active":true,"exp":1700000899}`, false, otherToken + "exp"},
	{"exp the same", `{"active":true,"exp":1700000900}`, true, ""},
	{"exp null", `{"active":true,"exp":null}`, false, otherToken + "exp"},
	{"exp a string", `{"active":true,"exp":"1700000900"}`, false, otherToken + "exp"},
	{"jti", `{"active":true,"jti":"another"}`, false, otherToken + "jti"},
	{"jti null", `{"active":true,"jti":null}`, false, otherToken + "jti"},
	{"client_id", `{"active":true,"client_id":"evil"}`, false, otherToken + "client_id"},
	{"client_id null", `{"active":true,"client_id":null}`, false, otherToken + "client_id"},
}

func TestReadActive(t *testing.T) {
	for _, tc := range introspectionAnswers {
		t.Run(tc.desc, func(t *testing.T) {
			active, err := readActive(tc.doc, &theClaims)
			require.Equal(t, tc.active, active)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
	t.Run("of a token that says less", func(t *testing.T) {
		c := theClaims
		c.ID, c.ClientID = "", ""
		active, err := readActive(`{"active":true,"client_id":"web"}`, &c)
		require.True(t, active)
		require.NoError(t, err, "others call it azp")
		_, err = readActive(`{"active":true,"jti":"6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11"}`, &c)
		require.ErrorContains(t, err, otherToken+"jti")
	})
}

// FuzzReadActive: what is taken for an answer says the same to encoding/json, and an
// answer that is taken for one token is not taken for another that differs in what it
// says.
func FuzzReadActive(f *testing.F) {
	for _, tc := range introspectionAnswers {
		f.Add(tc.doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		active, err := readActive(doc, &theClaims)
		if err != nil {
			require.False(t, active)
			return
		}
		var said map[string]any
		d := json.NewDecoder(strings.NewReader(doc))
		d.UseNumber()
		require.NoError(t, d.Decode(&said))
		require.Equal(t, active, said["active"])
		var folded struct {
			Active bool
			Sub    any
		}
		require.NoError(t, json.Unmarshal([]byte(doc), &folded))
		require.Equal(t, active, folded.Active)
		require.Equal(t, said["sub"], folded.Sub)
		if !active {
			return
		}
		for name, want := range map[string]any{
			"iss": theClaims.Issuer, "sub": theClaims.Subject, "exp": json.Number("1700000900"), "jti": theClaims.ID, "client_id": theClaims.ClientID,
		} {
			if got, ok := said[name]; ok {
				require.Equal(t, want, got, name)
			}
		}
		for name, change := range map[string]func(*Claims){
			"iss": func(c *Claims) { c.Issuer += "x" }, "sub": func(c *Claims) { c.Subject += "x" },
			"aud": func(c *Claims) { c.Audience = []string{"x"} }, "exp": func(c *Claims) { c.Expires = c.Expires.Add(time.Second) },
			"jti": func(c *Claims) { c.ID += "x" }, "client_id": func(c *Claims) { c.ClientID += "x" },
		} {
			another := theClaims
			change(&another)
			active, err := readActive(doc, &another)
			_, ok := said[name]
			require.Equal(t, !ok, active, name)
			require.Equal(t, ok, err != nil, name)
		}
	})
}

func TestNewVerifierIntrospection(t *testing.T) {
	in, err := NewIntrospection(IntrospectionConfig{URL: oracleURL, ClientID: "a", ClientSecret: "b"})
	require.NoError(t, err)
	registry, err := revocation.New(memstore.Default(), revocation.Config{})
	require.NoError(t, err)
	issuer := func(name string, in *Introspection) TrustedIssuer {
		return TrustedIssuer{Name: name, Algorithms: []Algorithm{ES256}, Keys: &fakeKeys{}, Introspection: in}
	}
	beside := issuer("i", in)
	beside.Revocations = registry
	for desc, row := range map[string]struct {
		issuers []TrustedIssuer
		want    []string
	}{
		"one":                {[]TrustedIssuer{issuer("i", in)}, nil},
		"beside Revocations": {[]TrustedIssuer{beside}, []string{"Issuers[0].Introspection"}},
		"zero":               {[]TrustedIssuer{issuer("i", &Introspection{})}, []string{"Issuers[0].Introspection"}},
		"of two":             {[]TrustedIssuer{issuer("i", in), issuer("j", in)}, []string{"Issuers[1].Introspection"}},
		"none of two":        {[]TrustedIssuer{issuer("i", nil), issuer("j", nil)}, nil},
	} {
		t.Run(desc, func(t *testing.T) {
			_, err := NewVerifier(VerifierConfig{Audience: "a", Issuers: row.issuers})
			if row.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, row.want, mistakes(t, err))
		})
	}
}

// BenchmarkIntrospection is a request with a token that was seen before: what an answer
// costs that still counts, beside what the token itself does.
func BenchmarkIntrospection(b *testing.B) {
	refuse := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("asked") })
	for _, row := range []struct {
		desc string
		with bool
	}{{"without", false}, {"cached", true}} {
		var in *Introspection
		d := newDeskOf(b, newPen(b, ES256, "k1"), func(c *VerifierConfig) {
			c.Now = time.Now
			if row.with {
				var err error
				in, err = NewIntrospection(IntrospectionConfig{URL: oracleURL, ClientID: "a", ClientSecret: "b", CacheFor: time.Minute, Transport: refuse})
				require.NoError(b, err)
				c.Issuers[0].Introspection = in
			}
		})
		raw := d.good(b, "exp", "9999999999", "tenant", `"`+strings.Repeat("t", 30)+`"`)
		answered := func() {
			if row.with {
				q := &question{raw: raw, at: time.Now(), done: make(chan struct{}), active: true}
				close(q.done)
				in.mu.Lock()
				in.questions[raw] = q
				in.mu.Unlock()
			}
		}
		answered()
		_, err := d.Verify(b.Context(), raw)
		require.NoError(b, err)
		run := func(b *testing.B, verify func() error) {
			answered()
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(); err != nil {
					b.Fatal(err)
				}
			}
		}
		verify := func() error {
			_, err := d.Verify(b.Context(), raw)
			return err
		}
		b.Run(row.desc, func(b *testing.B) { run(b, verify) })
		b.Run(row.desc+"/parallel", func(b *testing.B) {
			answered()
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := verify(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
