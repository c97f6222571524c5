package csrf_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

const csrfDay = 24 * time.Hour

func TestTell(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var got []audit.Event
	g := newGuard(t, csrf.Config{
		App: "bank", Now: func() time.Time { return noon },
		Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = append(got, e) }),
	})
	for _, tc := range []struct {
		err  error
		want audit.Cause
	}{
		{csrf.ErrCrossSite, audit.CauseCrossSite}, {csrf.ErrNoOrigin, audit.CauseNoOrigin}, {csrf.ErrNoToken, audit.CauseTokenMissing},
		{csrf.ErrToken, audit.CauseTokenInvalid}, {csrf.ErrMediaType, audit.CauseMediaType}, {errors.New("other"), audit.CauseError},
		{fmt.Errorf("%w: body", csrf.ErrNoToken), audit.CauseTokenMissing},
	} {
		got = nil
		g.Tell(t.Context(), audit.Event{Subject: "ann", Cause: "x", Name: "x", App: "x"}, tc.err)
		require.Equal(t, []audit.Event{{Time: noon, Name: audit.CSRFRefused, Cause: tc.want, App: "bank", Subject: "ann", Err: tc.err}}, got)
	}
	before := time.Now()
	g = newGuard(t, csrf.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = []audit.Event{e} })})
	g.Tell(t.Context(), audit.Event{}, csrf.ErrToken)
	require.False(t, got[0].Time.Before(before))
	require.Equal(t, "app", got[0].App)
	newGuard(t, csrf.Config{}).Tell(t.Context(), audit.Event{}, csrf.ErrToken) // nobody listens
}
