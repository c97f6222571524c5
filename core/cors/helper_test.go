package cors_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

const app = "https://app.example.com"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func policy(t testing.TB, cfg cors.Config) *cors.Policy {
	t.Helper()
	p, err := cors.New(cfg)
	require.NoError(t, err)
	return p
}

// events is a Sink that keeps what it gets.
type events []audit.Event

func (e *events) Record(_ context.Context, event audit.Event) { *e = append(*e, event) }

func clock() time.Time { return noon }

// simple is a request that is no preflight.
func simple(origin ...string) cors.Request { return cors.Request{Method: "GET", Origin: origin} }

// preflight asks for a method and for headers, one line each.
func preflight(origin, method string, headers ...string) cors.Request {
	return cors.Request{Method: "OPTIONS", Origin: []string{origin}, RequestMethod: []string{method}, RequestHeaders: headers}
}

// said writes an answer down, with all that is in it.
func said(a cors.Answer) []string {
	all := []string{}
	for _, h := range a.Headers() {
		all = append(all, strings.TrimPrefix(h.Name, "Access-Control-")+": "+h.Value)
	}
	return all
}

// allowed reports whether anything is; if not, it is checked that there is no header at
// all and a cause.
func allowed(t testing.TB, p *cors.Policy, r cors.Request) bool {
	t.Helper()
	a := p.Decide(r)
	require.Equal(t, a.Cause == "", len(a.Headers()) > 0, "%v %q", said(a), a.Cause)
	return a.Cause == ""
}
