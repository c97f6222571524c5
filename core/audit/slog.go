package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NewSlogSink returns a Sink that writes one record for each event to l. A nil l
// means slog.Default() as it is at each event.
//
// The message is the event's Name and the time is the event's Time. The
// attributes cause, appid, subject, session, source_ip, useragent, method, key and
// error are there when they are not empty; names are OWASP's where it has one.
// Warn is for what somebody should look at (StoreFailed, SessionAmbiguous,
// SessionUseAfterExpire, AuthorizationFailed, KeyRevoked, KeysFailed, TokenReuse,
// CSRFRefused, ConfigWarning, and TokenRefused and RefreshRefused unless the token was
// merely too old), Info for the rest. An error of the handler is dropped, see Sink.
//
// Everything unprintable in an attribute is written as a Go escape ("\n",
// "\u009b", "\xff"), so an event is one line and no terminal obeys it, whatever
// the handler. slog.JSONHandler alone would let C1 control characters through: NEL,
// which some collectors take for the end of a line, and CSI, which begins a
// terminal command.
func NewSlogSink(l *slog.Logger) Sink { return slogSink{l} }

type slogSink struct{ l *slog.Logger }

func (s slogSink) Record(ctx context.Context, e Event) {
	l := s.l
	if l == nil {
		l = slog.Default()
	}
	h, level := l.Handler(), level(e)
	if !h.Enabled(ctx, level) {
		return
	}
	// Past Logger.Log, whose time would be now and whose source this line.
	r := slog.NewRecord(e.Time, level, printable(string(e.Name)), 0)
	add := func(key, value string) {
		if value != "" {
			r.AddAttrs(slog.String(key, printable(value)))
		}
	}
	add("cause", string(e.Cause))
	add("appid", e.App)
	add("subject", e.Subject)
	add("session", e.Session)
	if e.ClientIP.IsValid() {
		add("source_ip", e.ClientIP.String()) // a zone holds any text
	}
	add("useragent", e.UserAgent)
	add("method", e.Method)
	add("key", e.Key)
	if e.Err != nil {
		add("error", fmt.Sprint(e.Err)) // survives a nil pointer in Err
	}
	_ = h.Handle(ctx, r)
}

func level(e Event) slog.Level {
	switch e.Name {
	case StoreFailed, SessionAmbiguous, SessionUseAfterExpire, AuthorizationFailed, KeyRevoked, KeysFailed, TokenReuse, CSRFRefused, ConfigWarning:
		return slog.LevelWarn
	case TokenRefused, RefreshRefused:
		// Every client comes with these, sooner or later.
		if e.Cause != CauseExpired && e.Cause != CauseGone {
			return slog.LevelWarn
		}
	}
	return slog.LevelInfo
}

// printable escapes what unicode.IsPrint refuses. A backslash stays as it is:
// the text is for people, and that "\n" may have been two characters harms none.
func printable(s string) string {
	clean := func(r rune, size int) bool {
		return unicode.IsPrint(r) && (r != utf8.RuneError || size > 1)
	}
	for i := 0; ; {
		if i == len(s) {
			return s
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !clean(r, size) {
			break
		}
		i += size
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if clean(r, size) {
			b.WriteString(s[:size])
		} else {
			q := strconv.Quote(s[:size])
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[size:]
	}
	return b.String()
}
