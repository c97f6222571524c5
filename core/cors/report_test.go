package cors_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

// TestTell: what is told, when, and that it names what was asked for.
func TestTell(t *testing.T) {
	const page = `cors: a page of "` + app + `" `
	list := cors.Config{Origins: []string{app, "http://localhost:3000"}, Credentials: true, Methods: []string{"PUT", "PATCH"}, RequestHeaders: []string{"content-type", "x-a"}}
	private := preflight(app, "GET")
	private.PrivateNetwork = []string{"true"}
	long := strings.Repeat("a", 1<<20)
	for _, tc := range []struct {
		desc string
		cfg  cors.Config
		r    cors.Request
		want string
	}{
		{"origin", list, simple("https://evil.example"), `cors: a page of "https://evil.example" is not allowed`},
		{"null", list, simple("null"), `cors: a page of "null" is not allowed: it ` + isNull},
		{"no origin that browsers send", list, simple(app + "/"), `cors: a page of "` + app + `/" is not allowed: it ` + isNoHost},
		{"two origins", list, simple(app, "https://evil.example"), `cors: a page of "` + app + `", "https://evil.example" in 2 lines is not allowed: that is more than one`},
		{"http twin", list, simple("http://app.example.com"), `cors: a page of "http://app.example.com" is not allowed, but https://app.example.com is`},
		{"https twin", list, simple("https://localhost:3000"), `cors: a page of "https://localhost:3000" is not allowed, but http://localhost:3000 is`},
		{"empty origin", list, simple(""), `cors: a page of "" is not allowed: it ` + isNoOrigin},
		{"long origin", list, simple("https://" + long), `cors: a page of "https://` + long[:248] + `" is not allowed: it ` + isNoHost},
		{"unprintable origin", list, simple("\x1b[2j\n"), `cors: a page of "\x1b[2j\n" is not allowed: it ` + isNoOrigin},
		{"method", list, preflight(app, "DELETE"), page + `asks for the method "DELETE", which is not allowed`},
		{"case of the method", list, preflight(app, "patch"), page + `asks for the method "patch", which is not allowed, but PATCH is`},
		{"long method", list, preflight(app, long), page + `asks for the method "` + long[:256] + `", which is not allowed`},
		{"two methods", list, cors.Request{Method: "OPTIONS", Origin: []string{app}, RequestMethod: []string{"PUT", "DELETE"}},
			page + `asks for the method "PUT", "DELETE" in 2 lines, which is not allowed: that is more than one`},
		{"header", list, preflight(app, "PUT", "content-type,x-b"), page + `asks for the headers "content-type,x-b", of which "x-b" is not allowed`},
		{"case of a header", list, preflight(app, "PUT", "X-A"), page + `asks for the headers "X-A", of which "X-A" is not allowed: browsers write it in lower case`},
		{"order of headers", list, preflight(app, "PUT", "x-a,content-type"),
			page + `asks for the headers "x-a,content-type", of which "content-type" is out of order: browsers write names sorted and each of them once`},
		{"header of a later line", list, preflight(app, "PUT", "content-type", "x-a", "x-b"), page + `asks for the headers "content-type", "x-a" in 3 lines, of which "x-b" is not allowed`},
		{"commas", list, preflight(app, "PUT", strings.Repeat(",", 64<<10)), page + `asks for the headers "` + strings.Repeat(",", 256) + `", of which "" is one empty element too many`},
		{"long header", list, preflight(app, "PUT", long), page + `asks for the headers "` + long[:256] + `", of which "` + long[:15] + `" is not allowed`},
		{"authorization", public, preflight(app, "PUT", "authorization"),
			page + `asks for the headers "authorization", of which "authorization" is not allowed: the asterisk does not cover it, so name it too`},
		{"authorization without an asterisk", list, preflight(app, "PUT", "authorization"), page + `asks for the headers "authorization", of which "authorization" is not allowed`},
		{"too many headers", public, preflight(app, "PUT", long), page + `asks for the headers "` + long[:256] + `", of which "" is too much`},
		{"private network", list, private, page + `asks for a private network, and DangerouslyAllowPrivateNetwork is off`},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var told events
			tc.cfg.Debug, tc.cfg.Audit, tc.cfg.Now = true, &told, clock
			p := policy(t, tc.cfg)
			cause := p.Decide(tc.r).Cause
			require.NotEmpty(t, cause)

			from := audit.Event{Cause: cause, ClientIP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Firefox", Time: noon.Add(time.Hour), Name: "other"}
			p.Tell(t.Context(), from, tc.r)
			require.Len(t, told, 1)
			require.EqualError(t, told[0].Err, tc.want)
			want := audit.Event{Time: noon, Name: audit.CORSRefused, Cause: cause, ClientIP: from.ClientIP, UserAgent: from.UserAgent, Err: told[0].Err}
			require.Equal(t, want, told[0])
			require.Less(t, len(tc.want), 1000)
		})
	}
}

// TestTellIsSilent: without Debug, and where there was no refusal.
func TestTellIsSilent(t *testing.T) {
	var told events
	p := policy(t, cors.Config{Origins: []string{app}, Audit: &told})
	require.False(t, p.Debug())
	p.Tell(t.Context(), audit.Event{Cause: audit.CauseOrigin}, simple("null"))
	require.Empty(t, told)

	p = policy(t, cors.Config{Origins: []string{app}, Audit: &told, Debug: true})
	require.True(t, p.Debug())
	p.Tell(t.Context(), audit.Event{}, simple(app))
	require.Empty(t, told)
}

// TestTellUnderALaterPolicy: the one that refused is gone, and what is told is still true.
func TestTellUnderALaterPolicy(t *testing.T) {
	var told events
	p := policy(t, cors.Config{Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}, Debug: true, Audit: &told, Now: clock})
	r := preflight(app, "PUT", "x-a")
	for _, cause := range []audit.Cause{audit.CauseOrigin, audit.CauseMethod, audit.CauseHeader} {
		p.Tell(t.Context(), audit.Event{Cause: cause}, r)
	}
	p.Tell(t.Context(), audit.Event{Cause: audit.CauseMethod}, simple())
	var texts []string
	for _, e := range told {
		texts = append(texts, e.Err.Error())
	}
	const page = `cors: a page of "` + app + `" `
	require.Equal(t, []string{
		page + "is not allowed",
		page + `asks for the method "PUT", which is not allowed`,
		page + `asks for the headers "x-a", which were not allowed`,
		`cors: a page of none asks for the method none, which is not allowed`,
	}, texts)
}

// TestTellKeepsNothing: the request's strings may be borrowed.
func TestTellKeepsNothing(t *testing.T) {
	var told events
	p := policy(t, cors.Config{Origins: []string{app}, Debug: true, Audit: &told})
	buf := []byte("https://evil.example")
	p.Tell(t.Context(), audit.Event{Cause: audit.CauseOrigin}, simple(borrow(buf)))
	copy(buf, strings.Repeat("x", len(buf)))
	require.EqualError(t, told[0].Err, `cors: a page of "https://evil.example" is not allowed`)
}
