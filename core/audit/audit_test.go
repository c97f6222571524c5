package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		got  audit.Name
		want string
	}{
		{audit.SessionCreated, "session_created"},
		{audit.SessionRenewed, "session_renewed"},
		{audit.SessionExpired, "session_expired"},
		{audit.SessionUseAfterExpire, "session_use_after_expire"},
		{audit.LoginSucceeded, "authn_login_success"},
		{audit.AuthorizationFailed, "authz_fail"},
		{audit.SessionAmbiguous, "session_ambiguous"},
		{audit.SessionWriteDropped, "session_write_dropped"},
		{audit.SessionFingerprint, "session_fingerprint_changed"},
		{audit.SessionDenied, "session_denied"},
		{audit.SubjectRevoked, "subject_revoked"},
		{audit.EpochRestored, "epoch_restored"},
		{audit.LoginRefused, "login_refused"},
		{audit.TokenCreated, "authn_token_created"},
		{audit.TokenDenied, "authn_token_revoked"},
		{audit.TokenReuse, "authn_token_reuse"},
		{audit.FamilyCreated, "refresh_family_created"},
		{audit.FamilyExpired, "refresh_family_expired"},
		{audit.TokenRotated, "refresh_token_rotated"},
		{audit.RefreshRefused, "refresh_token_refused"},
		{audit.TokenRefused, "token_refused"},
		{audit.KeyAnnounced, "key_announced"},
		{audit.KeyRevoked, "key_revoked"},
		{audit.KeysFailed, "keys_failure"},
		{audit.CORSRefused, "malicious_cors"},
		{audit.ConfigWarning, "config_warning"},
		{audit.StoreFailed, "store_failure"},
	} {
		t.Run(tc.want, func(t *testing.T) { require.Equal(t, tc.want, string(tc.got)) })
	}
}

func TestTee(t *testing.T) {
	type key struct{}
	var got []string
	named := func(name string) audit.Sink {
		return audit.SinkFunc(func(ctx context.Context, e audit.Event) {
			got = append(got, name+" "+string(e.Name)+" "+ctx.Value(key{}).(string))
		})
	}
	ctx := context.WithValue(t.Context(), key{}, "ctx")
	e := audit.Event{Name: audit.SessionCreated}

	sinks := []audit.Sink{nil, named("a"), nil, audit.SinkFunc(nil), named("b"), nil}
	s := audit.Tee(sinks...)
	require.NotNil(t, sinks[1], "input changed")
	require.Nil(t, sinks[5], "input changed")
	sinks[1] = named("mutated")
	s.Record(ctx, e)
	require.Equal(t, []string{"a session_created ctx", "b session_created ctx"}, got)

	audit.Tee().Record(ctx, e)
	audit.Tee(nil, nil).Record(ctx, e)
	require.Len(t, got, 2)
}

func TestSlogFull(t *testing.T) {
	var out bytes.Buffer
	audit.NewSlogSink(slog.New(slog.NewJSONHandler(&out, nil))).Record(t.Context(), audit.Event{
		Time:      noon,
		Name:      audit.SessionExpired,
		Cause:     audit.CauseLogout,
		App:       "shop",
		Subject:   "user-1",
		Session:   "handle",
		ClientIP:  netip.MustParseAddr("192.0.2.7"),
		UserAgent: "Mozilla/5.0 (\"x\")",
		Method:    "password",
		Key:       "kid",
		Err:       errors.New("broken"),
	})
	require.Equal(t, `{"time":"2026-01-02T12:00:00Z","level":"INFO","msg":"session_expired","cause":"logout","appid":"shop",`+
		`"subject":"user-1","session":"handle","source_ip":"192.0.2.7","useragent":"Mozilla/5.0 (\"x\")",`+
		`"method":"password","key":"kid","error":"broken"}`+"\n", out.String())
}

func TestSlogEmptyFieldsAreLeftOut(t *testing.T) {
	var out bytes.Buffer
	audit.NewSlogSink(slog.New(slog.NewTextHandler(&out, nil))).Record(t.Context(), audit.Event{Time: noon, Name: audit.SessionCreated})
	require.Equal(t, "time=2026-01-02T12:00:00.000Z level=INFO msg=session_created\n", out.String())
}

func TestSlogLevels(t *testing.T) {
	for _, tc := range []struct {
		name  audit.Name
		cause audit.Cause
		want  slog.Level
	}{
		{audit.SessionCreated, "", slog.LevelInfo},
		{audit.SessionRenewed, "", slog.LevelInfo},
		{audit.SessionExpired, "", slog.LevelInfo},
		{audit.SessionUseAfterExpire, "", slog.LevelWarn},
		{audit.LoginSucceeded, "", slog.LevelInfo},
		{audit.AuthorizationFailed, "", slog.LevelWarn},
		{audit.SessionAmbiguous, "", slog.LevelWarn},
		{audit.SessionWriteDropped, "", slog.LevelInfo},
		{audit.TokenCreated, "", slog.LevelInfo},
		{audit.TokenDenied, "", slog.LevelInfo},
		{audit.TokenReuse, "reuse:older", slog.LevelWarn},
		{audit.FamilyCreated, "", slog.LevelInfo},
		{audit.FamilyExpired, audit.CauseLogout, slog.LevelInfo},
		{audit.TokenRotated, "late-repeat", slog.LevelInfo},
		{audit.RefreshRefused, "shape", slog.LevelWarn},
		{audit.RefreshRefused, "mac", slog.LevelWarn},
		{audit.RefreshRefused, audit.CauseGone, slog.LevelInfo},
		{audit.TokenRefused, "signature", slog.LevelWarn},
		{audit.TokenRefused, audit.CauseExpired, slog.LevelInfo},
		{audit.KeyAnnounced, "", slog.LevelInfo},
		{audit.KeyRevoked, "", slog.LevelWarn},
		{audit.KeysFailed, "", slog.LevelWarn},
		{audit.CORSRefused, audit.CauseOrigin, slog.LevelInfo},
		{audit.ConfigWarning, "", slog.LevelWarn},
		{audit.StoreFailed, "", slog.LevelWarn},
		{"of_a_later_version", "", slog.LevelInfo},
	} {
		t.Run(strings.TrimSuffix(string(tc.name)+" "+string(tc.cause), " "), func(t *testing.T) {
			said, event := "", audit.Event{Name: tc.name, Cause: tc.cause}
			if tc.cause != "" {
				said = " cause=" + string(tc.cause)
			}
			var out bytes.Buffer
			audit.NewSlogSink(slog.New(slog.NewTextHandler(&out, nil))).Record(t.Context(), event)
			require.Equal(t, "level="+tc.want.String()+" msg="+string(tc.name)+said+"\n", out.String())

			out.Reset()
			above := &slog.HandlerOptions{Level: tc.want + 1}
			audit.NewSlogSink(slog.New(slog.NewTextHandler(&out, above))).Record(t.Context(), event)
			require.Empty(t, out.String())
		})
	}
}

func TestSlogNilIsDefault(t *testing.T) {
	s := audit.NewSlogSink(nil)
	old := slog.Default()
	t.Cleanup(func() { slog.SetDefault(old) })
	var out bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	s.Record(t.Context(), audit.Event{Name: audit.SessionCreated})
	require.Equal(t, "level=INFO msg=session_created\n", out.String())
}

func TestSlogKeepsGroupsAndAttrs(t *testing.T) {
	var out bytes.Buffer
	l := slog.New(slog.NewTextHandler(&out, nil)).With("service", "web").WithGroup("auth")
	audit.NewSlogSink(l).Record(t.Context(), audit.Event{Name: audit.SessionCreated, Cause: audit.CauseLogin})
	require.Equal(t, "level=INFO msg=session_created service=web auth.cause=login\n", out.String())
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestSlogNilPointerError(t *testing.T) {
	var out bytes.Buffer
	var err *nilError
	audit.NewSlogSink(slog.New(slog.NewTextHandler(&out, nil))).Record(t.Context(), audit.Event{Name: audit.StoreFailed, Err: err})
	require.Equal(t, "level=WARN msg=store_failure error=<nil>\n", out.String())
}

type failing struct{ slog.Handler }

func (failing) Handle(context.Context, slog.Record) error { return errors.New("disk full") }

func TestSlogHandlerErrorIsDropped(t *testing.T) {
	s := audit.NewSlogSink(slog.New(failing{slog.NewTextHandler(io.Discard, nil)}))
	require.NotPanics(t, func() { s.Record(t.Context(), audit.Event{Name: audit.SessionCreated}) })
}

// raw writes attributes as they are: a careless handler of somebody's own.
type raw struct {
	slog.Handler
	w io.Writer
}

func (h raw) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.Key + "=" + a.Value.String(); return true })
	_, err := io.WriteString(h.w, line+"\n")
	return err
}

var handlers = []struct {
	desc string
	make func(io.Writer) slog.Handler
}{
	{"json", func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }},
	{"text", func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }},
	{"raw", func(w io.Writer) slog.Handler { return raw{slog.NewTextHandler(w, nil), w} }},
}

func everywhere(s string) audit.Event {
	return audit.Event{
		Time: noon, Name: audit.StoreFailed, Cause: audit.Cause(s), App: s, Subject: s, Session: s,
		ClientIP:  netip.MustParseAddr("fe80::1").WithZone(s),
		UserAgent: s, Method: s, Err: errors.New(s),
	}
}

// requireOneLine holds what any event must look like in any log: one line of
// valid UTF-8 in which no byte commands a terminal or a collector.
func requireOneLine(t *testing.T, out string) {
	t.Helper()
	require.True(t, strings.HasSuffix(out, "\n"))
	line := strings.TrimSuffix(out, "\n")
	require.True(t, utf8.ValidString(line))
	require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
}

func TestSlogHostileText(t *testing.T) {
	for _, tc := range []struct{ desc, text, want string }{
		{"CR LF", "a\r\nlevel=INFO msg=authn_login_success", `a\r\nlevel=INFO msg=authn_login_success`},
		{"NUL", "a\x00b", `a\x00b`},
		{"ANSI escape", "\x1b[2J\x1b]0;x\x07", `\x1b[2J\x1b]0;x\a`},
		{"CSI of C1", "\u009b2J", `\u009b2J`},
		{"DEL", "a\x7f", `a\x7f`},
		{"NEL", "a\u0085b", `a\u0085b`},
		{"line separator", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"right-to-left override", "a\u202eb", `a\u202eb`},
		{"invalid UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"replacement character", "a\ufffd", "a\ufffd"},
		{"quotes and braces", `","msg":"x"}`, `","msg":"x"}`},
		{"other scripts", "Zoë Ωμέγα 日本 👍", "Zoë Ωμέγα 日本 👍"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			for _, h := range handlers {
				t.Run(h.desc, func(t *testing.T) {
					var out bytes.Buffer
					audit.NewSlogSink(slog.New(h.make(&out))).Record(t.Context(), everywhere(tc.text))
					requireOneLine(t, out.String())
					if h.desc != "json" {
						return
					}
					var got map[string]string
					require.NoError(t, json.Unmarshal(out.Bytes(), &got))
					require.Equal(t, map[string]string{
						"time": "2026-01-02T12:00:00Z", "level": "WARN", "msg": "store_failure",
						"cause": tc.want, "appid": tc.want, "subject": tc.want, "session": tc.want,
						"source_ip": "fe80::1%" + tc.want, "useragent": tc.want, "method": tc.want, "error": tc.want,
					}, got)
				})
			}
		})
	}
}

// Every event is one line, whatever the text, and printable text arrives as it is.
func FuzzSlogText(f *testing.F) {
	f.Add("Mozilla/5.0")
	f.Add("a\r\nb\x00\x1b[0m\u009b\u0085\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, h := range handlers {
			var out bytes.Buffer
			audit.NewSlogSink(slog.New(h.make(&out))).Record(t.Context(), everywhere(s))
			requireOneLine(t, out.String())
		}
		hostile := !utf8.ValidString(s) || strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0
		var out bytes.Buffer
		audit.NewSlogSink(slog.New(slog.NewJSONHandler(&out, nil))).Record(t.Context(), audit.Event{UserAgent: s})
		var got struct{ Useragent string }
		require.NoError(t, json.Unmarshal(out.Bytes(), &got))
		require.Equal(t, hostile, got.Useragent != s)
	})
}

func TestSlogConcurrent(t *testing.T) {
	var out bytes.Buffer
	s := audit.Tee(audit.NewSlogSink(slog.New(slog.NewJSONHandler(&out, nil))), audit.NewSlogSink(slog.New(slog.DiscardHandler)))
	done := make(chan struct{})
	for range 8 {
		go func() {
			for range 50 {
				s.Record(context.Background(), everywhere("a\nb"))
			}
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	require.Equal(t, 400, strings.Count(out.String(), "\n"))
}

func TestUserAgent(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256} {
		require.Equal(t, strings.Repeat("a", n), audit.UserAgent(strings.Repeat("a", n)))
	}
	require.Equal(t, strings.Repeat("a", 256), audit.UserAgent(strings.Repeat("a", 257)))
	require.Equal(t, strings.Repeat("a", 256), audit.UserAgent(strings.Repeat("a", 1<<20)))
}
