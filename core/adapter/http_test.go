package adapter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// serve starts a real server, whose rules about headers no recorder knows.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = nil
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func fetch(t *testing.T, srv *httptest.Server, lines ...string) (*http.Response, string) {
	t.Helper()
	r := get(lines...)
	r.RequestURI = ""
	var err error
	r.URL, err = r.URL.Parse(srv.URL)
	require.NoError(t, err)
	res, err := srv.Client().Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// plainReader hides WriteTo, so that io.Copy asks the writer for ReadFrom.
type plainReader struct{ io.Reader }

// senders are all ways to make headers leave, with the status and body that they
// leave with.
var senders = map[string]struct {
	send   func(g *gate) error
	status int
	body   string
}{
	"nothing":     {func(*gate) error { return nil }, 200, ""},
	"WriteHeader": {func(g *gate) error { g.WriteHeader(204); return nil }, 204, ""},
	"WriteHeader twice": {func(g *gate) error {
		g.WriteHeader(201)
		_, err := g.Write([]byte("a"))
		return err
	}, 201, "a"},
	"Write":            {func(g *gate) error { _, err := g.Write([]byte("a")); return err }, 200, "a"},
	"Write of nothing": {func(g *gate) error { _, err := g.Write(nil); return err }, 200, ""},
	"WriteString":      {func(g *gate) error { _, err := g.WriteString("a"); return err }, 200, "a"},
	"io.WriteString":   {func(g *gate) error { _, err := io.WriteString(g, "a"); return err }, 200, "a"},
	"ReadFrom":         {func(g *gate) error { _, err := g.ReadFrom(strings.NewReader("a")); return err }, 200, "a"},
	"io.Copy":          {func(g *gate) error { _, err := io.Copy(g, plainReader{strings.NewReader("a")}); return err }, 200, "a"},
	"fmt.Fprint":       {func(g *gate) error { _, err := fmt.Fprint(g, "a"); return err }, 200, "a"},
	"json.Encoder":     {func(g *gate) error { return json.NewEncoder(g).Encode(1) }, 200, "1\n"},
	"Flush":            {func(g *gate) error { g.Flush(); return nil }, 200, ""},
	"FlushError":       {func(g *gate) error { return g.FlushError() }, 200, ""},
	"controller flush": {func(g *gate) error { return http.NewResponseController(g).Flush() }, 200, ""},
	"http.Error":       {func(g *gate) error { http.Error(g, "a", 418); return nil }, 418, "a\n"},
	"http.Redirect":    {func(g *gate) error { http.Redirect(g, g.r, "/b", 303); return nil }, 303, "<a href=\"/b\">See Other</a>.\n\n"},
	"http.ServeContent": {func(g *gate) error {
		http.ServeContent(g, g.r, "a.txt", time.Time{}, strings.NewReader("a"))
		return nil
	}, 200, "a"},
	"flush, then write": {func(g *gate) error { g.Flush(); _, err := g.Write([]byte("a")); return err }, 200, "a"},
}

func TestEveryWayToSendCommitsOnce(t *testing.T) {
	for name, tt := range senders {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, newFaulty())
			srv := serve(t, mount(m, func(g *gate) {
				if g.Replaced() || !g.Committed() {
					panic("not committed")
				}
				if err := g.Commit(); err != nil {
					panic(err)
				}
			}, func(g *gate, s *session.Session) {
				login(t, s, session.Identity{Subject: "ada"})
				if g.Committed() {
					panic("committed too early")
				}
				if err := tt.send(g); err != nil {
					panic(err)
				}
				if err := s.Logout(context.Background()); g.Committed() != errors.Is(err, session.ErrHeadersSent) {
					panic("a session whose headers have left must refuse, and no other")
				}
			}))
			srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res, body := fetch(t, srv)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.body, body)
			if name == "nothing" { // logged out again before anything left
				return
			}
			require.Len(t, res.Header.Values("Set-Cookie"), 1)
			require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))
			require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
		})
	}
}

func TestRefusedCommitReplacesTheAnswer(t *testing.T) {
	for name, tt := range senders {
		t.Run(name, func(t *testing.T) {
			store := newFaulty()
			m := newManager(t, store)
			cookie := loggedIn(t, m, session.Identity{Subject: "ada"})
			store.noWrite.Store(true)
			var sent error
			srv := serve(t, mount(m, func(g *gate) {
				if g.Replaced() != (name != "nothing") || len(g.denied) > 1 {
					panic("replaced more or less than once")
				}
			}, func(g *gate, s *session.Session) {
				if err := note.Set(s, "x"); err != nil {
					panic(err)
				}
				h := g.Header()
				for _, n := range []string{
					"ETag", "Content-Encoding", "Last-Modified", "Location", "Content-Disposition", "Content-Range", "Accept-Ranges",
				} {
					h.Set(n, "handler")
				}
				h.Set("Content-Type", "text/html")
				h.Set("Cache-Control", "public, max-age=60")
				h.Set("Vary", "Origin")
				h.Set("Access-Control-Allow-Origin", "https://a.example")
				h.Set("X-Request-Id", "7")
				if name != "http.ServeContent" {
					h.Set("Content-Length", "1")
				}
				sent = tt.send(g)
				if name == "nothing" {
					return
				}
				if _, err := g.Write([]byte("a")); !errors.Is(err, adapter.ErrReplaced) {
					panic("Write after the refusal")
				}
				if _, err := g.WriteString("a"); !errors.Is(err, adapter.ErrReplaced) {
					panic("WriteString after the refusal")
				}
				if _, err := g.ReadFrom(strings.NewReader("a")); !errors.Is(err, adapter.ErrReplaced) {
					panic("ReadFrom after the refusal")
				}
				if err := g.FlushError(); !errors.Is(err, adapter.ErrReplaced) {
					panic("Flush after the refusal")
				}
				if _, _, err := g.Hijack(); !errors.Is(err, adapter.ErrReplaced) {
					panic("Hijack after the refusal")
				}
				g.WriteHeader(200)
				g.WriteHeader(103)
			}))
			res, body := fetch(t, srv, cookie)
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.Equal(t, `{"error":"STORE_UNAVAILABLE","message":"the identity could not be checked just now; try again shortly"}`, body)
			require.Contains(t, []string{"1", "2", "3"}, res.Header.Get("Retry-After"))
			res.Header.Del("Retry-After")
			res.Header.Del("Date")
			res.Header.Del("X-Content-Type-Options") // of http.Error
			require.Equal(t, http.Header{
				"Access-Control-Allow-Origin": {"https://a.example"}, "Cache-Control": {"no-store"}, "Content-Length": {"103"},
				"Content-Type": {"application/json"}, "Vary": {"Origin", "Cookie"}, "X-Request-Id": {"7"},
			}, res.Header)
			switch name {
			case "nothing", "WriteHeader", "Flush", "http.Error", "http.Redirect", "http.ServeContent":
			default:
				require.ErrorIs(t, sent, adapter.ErrReplaced, "the handler is told")
			}
		})
	}
}

func TestRefusedCommitKeepsTheCookieOfAStoredTransition(t *testing.T) {
	store := newFaulty()
	m := newManager(t, store)
	res := record(mount(m, nil, func(g *gate, s *session.Session) {
		login(t, s, session.Identity{Subject: "ada"})
		require.NoError(t, note.Set(s, "x"))
		store.noWrite.Store(true)
		_, err := g.Write([]byte("welcome"))
		require.ErrorIs(t, err, adapter.ErrReplaced)
	}), get())
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))
}

func TestSwitchingProtocolsCommits(t *testing.T) {
	m := newManager(t, newFaulty())
	w := httptest.NewRecorder()
	mount(m, nil, func(g *gate, s *session.Session) {
		login(t, s, session.Identity{Subject: "ada"})
		g.WriteHeader(http.StatusSwitchingProtocols)
		require.True(t, g.Committed())
	}).ServeHTTP(w, get())
	require.Equal(t, http.StatusSwitchingProtocols, w.Code)
	require.Len(t, w.Result().Cookies(), 1)
}

func TestEarlyHintsCarryNoCookie(t *testing.T) {
	m := newManager(t, newFaulty())
	srv := serve(t, mount(m, nil, func(g *gate, s *session.Session) {
		login(t, s, session.Identity{Subject: "ada"})
		g.Header().Set("Link", "</a.css>; rel=preload")
		g.WriteHeader(http.StatusEarlyHints)
		g.WriteHeader(http.StatusProcessing)
		if g.Committed() {
			panic("an informational answer committed")
		}
		_, _ = g.Write([]byte("a"))
	}))
	var hints []textproto.MIMEHeader
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hints = append(hints, h); return nil },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	res, err := srv.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, []textproto.MIMEHeader{{"Link": {"</a.css>; rel=preload"}}, {"Link": {"</a.css>; rel=preload"}}}, hints)
	require.Len(t, res.Cookies(), 1)
}

func TestHijackCommitsData(t *testing.T) {
	m := newManager(t, newFaulty())
	cookie := loggedIn(t, m, session.Identity{Subject: "ada"})
	srv := serve(t, mount(m, nil, func(g *gate, s *session.Session) {
		if err := note.Set(s, "kept"); err != nil {
			panic(err)
		}
		conn, _, err := g.Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: close\r\n\r\n"))
		if err := note.Set(s, "too late"); !errors.Is(err, session.ErrFinished) {
			panic(err)
		}
		if _, err := s.Principal(); err != nil {
			panic(err) // what was learnt stays readable on the socket
		}
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", cookie)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: close\r\n\r\n", string(answer))

	var got string
	record(mount(m, nil, func(_ *gate, s *session.Session) { got, _, err = note.Get(s) }), get(cookie))
	require.NoError(t, err)
	require.Equal(t, "kept", got)
}

func TestHijackWithPendingCookieIsRefused(t *testing.T) {
	m := newManager(t, newFaulty())
	srv := serve(t, mount(m, nil, func(g *gate, s *session.Session) {
		g.Header().Add("Set-Cookie", "theme=dark")
		login(t, s, session.Identity{Subject: "ada"})
		for range 2 { // no matter how often it is tried
			if _, _, err := g.Hijack(); !errors.Is(err, adapter.ErrCookiePending) {
				panic(err)
			}
		}
		g.WriteHeader(http.StatusEarlyHints) // would carry the cookie that waits
		g.WriteHeader(http.StatusUpgradeRequired)
	}))
	var hints int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	res, err := srv.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUpgradeRequired, res.StatusCode)
	require.Len(t, res.Cookies(), 2)
	require.Zero(t, hints)
}

func TestHijackAfterTheCookieLeft(t *testing.T) {
	m := newManager(t, newFaulty())
	srv := serve(t, mount(m, nil, func(g *gate, s *session.Session) {
		login(t, s, session.Identity{Subject: "ada"})
		_, _, err := g.Hijack()
		if !errors.Is(err, adapter.ErrCookiePending) {
			panic(err)
		}
		g.Header().Set("Connection", "close")
		g.WriteHeader(http.StatusOK)
		g.Flush()
		conn, _, err := g.Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.Close()
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(answer), "Set-Cookie: "))
}

func TestHijackNotSupported(t *testing.T) {
	m := newManager(t, newFaulty())
	record(mount(m, nil, func(g *gate, _ *session.Session) {
		_, _, err := g.Hijack()
		require.ErrorIs(t, err, http.ErrNotSupported)
		require.ErrorIs(t, g.Push("/a.css", nil), http.ErrNotSupported)
	}), get())
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	m := newManager(t, newFaulty())
	srv := serve(t, mount(m, nil, func(g *gate, _ *session.Session) {
		rc := http.NewResponseController(g)
		for _, err := range []error{
			rc.SetReadDeadline(time.Now().Add(time.Hour)), rc.SetWriteDeadline(time.Now().Add(time.Hour)), rc.EnableFullDuplex(),
		} {
			if err != nil {
				panic(err)
			}
		}
		if g.Committed() {
			panic("a deadline committed")
		}
	}))
	res, _ := fetch(t, srv)
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestHTTP2(t *testing.T) {
	m := newManager(t, newFaulty())
	srv := httptest.NewUnstartedServer(mount(m, nil, func(g *gate, s *session.Session) {
		if got, _, err := note.Get(s); err != nil || got != "" {
			_, _ = g.Write([]byte(got))
			return
		}
		if err := note.Set(s, "hello"); err != nil {
			panic(err)
		}
		if _, _, err := g.Hijack(); err == nil {
			panic("HTTP/2 cannot be hijacked")
		}
		g.Flush()
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	res, _ := fetch(t, srv)
	require.Equal(t, 2, res.ProtoMajor)
	require.Len(t, res.Cookies(), 1)
	_, body := fetch(t, srv, "Cookie: a=1", "Cookie: "+res.Cookies()[0].Name+"="+res.Cookies()[0].Value)
	require.Equal(t, "hello", body)
}

func TestAbandonDiscardsDataAndKeepsTransitions(t *testing.T) {
	m := newManager(t, newFaulty())
	recovering := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if v := recover(); v != nil {
					http.Error(w, fmt.Sprint(v), http.StatusInternalServerError)
				}
			}()
			h.ServeHTTP(w, r)
		})
	}
	res := record(recovering(mount(m, nil, func(_ *gate, s *session.Session) {
		login(t, s, session.Identity{Subject: "ada"})
		require.NoError(t, note.Set(s, "discarded"))
		panic("boom")
	})), get())
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.Len(t, res.Cookies(), 1)

	var found bool
	var who string
	record(mount(m, nil, func(_ *gate, s *session.Session) {
		p, err := s.Principal()
		require.NoError(t, err)
		who = p.Subject
		_, found, err = note.Get(s)
		require.NoError(t, err)
	}), get("Cookie: "+res.Cookies()[0].Name+"="+res.Cookies()[0].Value))
	require.Equal(t, "ada", who)
	require.False(t, found)
}

func TestAbandonAfterHeadersLeftDoesNothing(t *testing.T) {
	m := newManager(t, newFaulty())
	w := httptest.NewRecorder()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		mount(m, nil, func(g *gate, s *session.Session) {
			login(t, s, session.Identity{Subject: "ada"})
			g.Flush()
			panic(http.ErrAbortHandler)
		}).ServeHTTP(w, get())
	})
	require.Len(t, w.Header()["Set-Cookie"], 1)
}

func TestGateInsideGate(t *testing.T) {
	outer := managerWith(t, newFaulty(), session.Config{App: "outer"})
	store := newFaulty()
	inner := managerWith(t, store, session.Config{App: "inner"})
	serveBoth := func(r *http.Request, handler func(g *gate, s *session.Session)) *http.Response {
		return record(mount(outer, nil, func(og *gate, os *session.Session) {
			login(t, os, session.Identity{Subject: "ada"})
			in := &gate{w: og, r: og.r}
			in.Init(og, og.r, nil, netip.Addr{}, in)
			require.Nil(t, in.Begin(inner))
			handler(in, &in.Session)
			if d := in.End(); d != nil {
				in.answer(d)
			}
		}), r)
	}
	t.Run("both commit", func(t *testing.T) {
		res := serveBoth(get(), func(g *gate, s *session.Session) {
			login(t, s, session.Identity{Subject: "bob"})
			_, err := g.Write([]byte("a"))
			require.NoError(t, err)
		})
		require.Len(t, res.Header.Values("Set-Cookie"), 2)
	})
	t.Run("the inner one is refused", func(t *testing.T) {
		store.noWrite.Store(true)
		res := serveBoth(get(), func(g *gate, s *session.Session) {
			require.NoError(t, note.Set(s, "x"))
			_, err := g.Write([]byte("a"))
			require.ErrorIs(t, err, adapter.ErrReplaced)
		})
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Len(t, res.Header.Values("Set-Cookie"), 1)
	})
}
