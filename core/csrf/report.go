package csrf

import (
	"context"
	"errors"

	"github.com/sallyport-go/sallyport/core/audit"
)

// ErrMediaType says that Config.JSONOnly refuses the body.
var ErrMediaType = errors.New("csrf: the body is not application/json")

// Tell records that a request was refused because of err, which must not quote the
// request's token. e says whose it was; Name, Cause, Time, App and Err are set here.
func (g *Guard) Tell(ctx context.Context, e audit.Event, err error) {
	if g.audit == nil {
		return
	}
	e.Name, e.Cause, e.Err, e.Time, e.App = audit.CSRFRefused, causeOf(err), err, g.now(), g.app
	g.audit.Record(ctx, e)
}

func causeOf(err error) audit.Cause {
	switch {
	case errors.Is(err, ErrCrossSite):
		return audit.CauseCrossSite
	case errors.Is(err, ErrNoOrigin):
		return audit.CauseNoOrigin
	case errors.Is(err, ErrNoToken):
		return audit.CauseTokenMissing
	case errors.Is(err, ErrToken):
		return audit.CauseTokenInvalid
	case errors.Is(err, ErrMediaType):
		return audit.CauseMediaType
	default:
		return audit.CauseError
	}
}
