package token_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// remoteSet holds the key of RFC 8037 appendix A.2.
const remoteSet = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// listener is a server that counts who connects to it.
type listener struct {
	*httptest.Server
	connections atomic.Int32
}

func listen(t *testing.T, tls bool, h http.Handler) *listener {
	t.Helper()
	l := &listener{Server: httptest.NewUnstartedServer(h)}
	l.Config.ErrorLog = nil
	l.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			l.connections.Add(1)
		}
	}
	if tls {
		l.StartTLS()
	} else {
		l.Start()
	}
	t.Cleanup(l.Close)
	return l
}

func serve(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// fetchFrom fetches the set at l, in the way that change asks for.
func fetchFrom(t *testing.T, l *listener, change func(*token.RemoteKeysConfig)) error {
	t.Helper()
	cfg := token.RemoteKeysConfig{Issuer: l.URL, URL: l.URL + "/jwks", Transport: l.Client().Transport, MaxBytes: 1000}
	if change != nil {
		change(&cfg)
	}
	keys, err := token.NewRemoteKeys(cfg)
	require.NoError(t, err)
	return keys.Fetch(t.Context())
}

func fails(t *testing.T, err error, want string) {
	t.Helper()
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorContains(t, err, want)
}

func TestRemoteAnswers(t *testing.T) {
	const noSet = "not a JSON Web Key Set"
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, remoteSet)
		}
	}
	header := func(name, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(name, value)
			_, _ = io.WriteString(w, body)
		}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(remoteSet))
	require.NoError(t, z.Close())
	for _, tc := range []struct {
		desc    string
		handler http.HandlerFunc
		want    string // "": taken
	}{
		{"a set", serve(remoteSet), ""},
		{"as text", header("Content-Type", "text/plain", remoteSet), ""},
		{"coding identity", header("Content-Encoding", "Identity", remoteSet), ""},
		{"no key", serve(`{"keys":[]}`), ""},
		{"none of ours", serve(`{"keys":[{"kty":"XYZ"},{"kty":"oct","k":"AAAA","kid":"o"},7]}`), ""},
		{"201", status(201), "answered 201"},
		{"203", status(203), "answered 203"},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "answered 204"},
		{"206", status(206), "answered 206"},
		{"300", status(300), "answered 300"},
		{"304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, "answered 304"},
		{"401", status(401), "answered 401"},
		{"404", status(404), "answered 404"},
		{"500", status(500), "answered 500"},
		{"503", status(503), "answered 503"},
		{"302 to nowhere", status(302), "302"},
		{"nothing", serve(""), noSet},
		{"HTML", header("Content-Type", "text/html", "<!doctype html><title>Log in</title>"), noSet},
		{"null", serve("null"), noSet},
		{"an array", serve("[]"), noSet},
		{"no keys", serve("{}"), noSet},
		{"keys null", serve(`{"keys":null}`), noSet},
		{"keys an object", serve(`{"keys":{}}`), noSet},
		{"cut off", serve(remoteSet[:len(remoteSet)-1]), noSet},
		{"twice", serve(remoteSet + remoteSet), noSet},
		{"connection cut", header("Content-Length", "999", remoteSet), "unexpected EOF"},
		{"gzip, said", header("Content-Encoding", "gzip", zipped.String()), `the coding "gzip"`},
		{"gzip, not said", serve(zipped.String()), noSet},
		{"just fits", serve(remoteSet + strings.Repeat(" ", 1000-len(remoteSet))), ""},
		{"a byte too long", serve(remoteSet + strings.Repeat(" ", 1001-len(remoteSet))), "more than 1000 bytes"},
		{"without end", func(w http.ResponseWriter, req *http.Request) {
			for req.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 4096)); err != nil {
					return
				}
			}
		}, "more than 1000 bytes"},
		{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			err := fetchFrom(t, listen(t, true, tc.handler), nil)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			fails(t, err, tc.want)
		})
	}
}

func TestRemoteRequest(t *testing.T) {
	var seen []http.Header
	l := listen(t, true, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen = append(seen, req.Header)
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		if req.Method != http.MethodGet || req.URL.String() != "/jwks" || req.ContentLength != 0 {
			t.Errorf("got %s %s with %d bytes", req.Method, req.URL, req.ContentLength)
		}
		_, _ = io.WriteString(w, remoteSet)
	}))
	keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{Issuer: "i", URL: l.URL + "/jwks", Transport: l.Client().Transport})
	require.NoError(t, err)
	require.NoError(t, keys.Fetch(t.Context()))
	require.NoError(t, keys.Fetch(t.Context()))
	want := http.Header{
		"Accept":          {"application/jwk-set+json, application/json"},
		"Accept-Encoding": {"identity"},
		"User-Agent":      {"Go-http-client/1.1"},
	}
	require.Equal(t, []http.Header{want, want}, seen, "no cookie, nothing else")
}

// endless counts what is read of a body that never ends.
type endless struct {
	read   int64
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestRemoteBomb: a Transport that decodes by itself hands over as much as it likes.
func TestRemoteBomb(t *testing.T) {
	bomb := &endless{}
	keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{
		Issuer: "i", URL: "https://issuer.example/jwks",
		Transport: transport(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Uncompressed: true, ContentLength: -1, Body: bomb, Request: req}, nil
		}),
	})
	require.NoError(t, err)
	fails(t, keys.Fetch(t.Context()), "more than 262144 bytes")
	require.LessOrEqual(t, bomb.read, int64(256<<10+1))
	require.True(t, bomb.closed)
}

func TestRemoteSlowServer(t *testing.T) {
	left := make(chan struct{})
	l := listen(t, true, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.(http.Flusher).Flush()
		<-req.Context().Done()
		close(left)
	}))
	err := fetchFrom(t, l, func(cfg *token.RemoteKeysConfig) { cfg.Timeout = 100 * time.Millisecond })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, core.ErrUnknown)
	<-left // the connection is given up
}

// late is a body that is complete, but only after the fetch was given up.
type late struct {
	io.Reader
	ctx context.Context
}

func (l late) Read(p []byte) (int, error) {
	<-l.ctx.Done()
	return l.Reader.Read(p)
}

// TestRemoteLateBody: a server that notices the hang-up can end a chunked answer in
// due form, and the last read takes that for the end of the document.
func TestRemoteLateBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{
			Issuer: "i", URL: "https://issuer.example/jwks",
			Transport: transport(func(req *http.Request) (*http.Response, error) {
				body := io.NopCloser(late{strings.NewReader(remoteSet), req.Context()})
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: req}, nil
			}),
		})
		require.NoError(t, err)
		require.ErrorIs(t, keys.Fetch(t.Context()), context.DeadlineExceeded)
	})
}

func TestRemoteRedirects(t *testing.T) {
	const elsewhere = "a redirect to another scheme, host or port, or with credentials"
	other := listen(t, true, serve(remoteSet))
	plain := listen(t, false, serve(remoteSet))
	var own *listener
	own = listen(t, true, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host := func(name string) string { return "https://" + name + ":" + port(t, own.URL) }
		to := map[string]string{
			"/one":         "/set",
			"/two":         "/one",
			"/three":       "/two",
			"/four":        "/three",
			"/loop":        "/loop",
			"/full":        own.URL + "/set",
			"/upper":       strings.Replace(own.URL, "https", "HTTPS", 1) + "/set",
			"/other":       other.URL + "/set",
			"/other-later": "/other",
			"/plain":       plain.URL + "/set",
			"/same-plain":  strings.Replace(own.URL, "https", "http", 1) + "/set",
			"/name":        host("localhost") + "/set",
			"/user":        strings.Replace(own.URL, "https://", "https://u:p@", 1) + "/set",
			"/protocol":    strings.TrimPrefix(other.URL, "https:") + "/set",
			"/file":        "file:///etc/hosts",
		}[req.URL.Path]
		switch {
		case req.URL.Path == "/set":
			_, _ = io.WriteString(w, remoteSet)
		case to == "":
			t.Errorf("asked for %s", req.URL)
		default:
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}))
	for _, tc := range []struct{ path, want string }{
		{"/one", ""},
		{"/two", ""},
		{"/three", ""},
		{"/full", ""},
		{"/upper", ""},
		{"/four", "more than three redirects"},
		{"/loop", "more than three redirects"},
		{"/other", elsewhere},
		{"/other-later", elsewhere},
		{"/plain", elsewhere},
		{"/same-plain", elsewhere},
		{"/name", elsewhere},
		{"/user", elsewhere},
		{"/protocol", elsewhere},
		{"/file", elsewhere},
	} {
		t.Run(strings.TrimPrefix(tc.path, "/"), func(t *testing.T) {
			err := fetchFrom(t, own, func(cfg *token.RemoteKeysConfig) {
				cfg.URL = own.URL + tc.path
				cfg.InsecureHTTP = true // must make no difference
			})
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			fails(t, err, tc.want)
		})
	}
	require.Zero(t, other.connections.Load(), "connections to the other host")
	require.Zero(t, plain.connections.Load(), "connections without TLS")
}

func port(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Port()
}

// TestRemoteDefaultPort: a port that is written out and is the scheme's is no other.
func TestRemoteDefaultPort(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		want     bool
	}{
		{"https://a.localhost/", "https://a.localhost:443/set", true},
		{"https://a.localhost:443/", "https://a.localhost/set", true},
		{"http://a.localhost/", "http://A.LOCALHOST:80/set", true},
		{"http://a.localhost/", "http://a.localhost:443/set", false},
		{"https://a.localhost/", "https://a.localhost:80/set", false},
		{"http://a.localhost/", "https://a.localhost/set", false},
		{"https://a.localhost/", "https://b.localhost/set", false},
	} {
		t.Run(tc.from+" "+tc.to, func(t *testing.T) {
			keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{
				Issuer: "i", URL: tc.from, InsecureHTTP: true,
				Transport: transport(func(req *http.Request) (*http.Response, error) {
					resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(remoteSet)), Request: req}
					if req.URL.Path != "/set" {
						resp.StatusCode = http.StatusFound
						resp.Header.Set("Location", tc.to)
					}
					return resp, nil
				}),
			})
			require.NoError(t, err)
			if err := keys.Fetch(t.Context()); tc.want {
				require.NoError(t, err)
			} else {
				fails(t, err, "a redirect to another")
			}
		})
	}
}
