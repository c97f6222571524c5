package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// Denied is a refusal: what the client is told, and why for the application.
// It is an error, so that it can travel a framework's own way to the
// application's error handler; there, errors.As finds it and errors.Is its cause.
type Denied struct {
	// Status and Code are what the client gets.
	Status int
	Code   core.Code

	challenge  string // WWW-Authenticate
	allow      string // Allow
	retryAfter bool
	cause      error
}

func (d *Denied) Error() string {
	if d.cause == nil {
		return "sallyport: " + string(d.Code)
	}
	return "sallyport: " + string(d.Code) + ": " + d.cause.Error()
}

// Unwrap returns the cause.
func (d *Denied) Unwrap() error { return d.cause }

// Body is the default answer: {"error":"CODE","message":"…"}. It never says why.
func (d *Denied) Body() []byte {
	b, _ := json.Marshal(struct { // two strings always encode
		Error   core.Code `json:"error"`
		Message string    `json:"message"`
	}{d.Code, d.Code.Message()})
	return b
}

// SetHeaders sets the headers that belong to the refusal, those of its body
// excepted, and removes what a handler had said about the body that it meant to
// send. An adapter does so before it hands the refusal to any error handler.
func (d *Denied) SetHeaders(x Exchange) {
	forgetBody(x)
	x.SetHeader("Cache-Control", "no-store")
	// Also without a challenge: the refusal may take the place of another one.
	x.SetHeader("WWW-Authenticate", d.challenge)
	if d.allow != "" {
		x.SetHeader("Allow", d.allow)
	}
	if d.retryAfter {
		// Jittered, or all clients of an outage come back in the same second.
		x.SetHeader("Retry-After", strconv.Itoa(1+rand.IntN(3)))
	}
}

func deny(code core.Code, cause error) *Denied {
	return &Denied{Status: code.Status(), Code: code, cause: cause, retryAfter: code == core.StoreUnavailable || code == core.RateLimited}
}

// denyFor is deny with the challenge of whoever was asked: the scheme of what the
// client should bring. id may be nil.
func denyFor(id identity, code core.Code, cause error) *Denied {
	d := deny(code, cause)
	if id != nil {
		d.challenge = id.challenge(code)
	}
	return d
}

// Refusal returns the refusal that err stands for: a *Denied in its chain, or what
// an error of a session or token comes to when a handler of the request that ctx
// belongs to passes it on. nil for every other error, which is the application's
// own.
func Refusal(ctx context.Context, err error) *Denied {
	id := identityFrom(ctx)
	var d *Denied
	switch {
	case errors.As(err, &d):
		return d
	case errors.Is(err, core.ErrUnknown):
		return deny(core.StoreUnavailable, err)
	case errors.Is(err, refresh.ErrInvalidGrant):
		return deny(core.InvalidGrant, err)
	case errors.Is(err, csrf.ErrNoToken):
		return deny(core.CSRFRejected, err)
	case errors.Is(err, refresh.ErrRateLimited):
		return deny(core.RateLimited, err)
	case errors.Is(err, session.ErrSuperseded):
		// The client has, or is about to get, the new id: trying again helps.
		return deny(core.StoreUnavailable, err)
	case errors.Is(err, core.ErrAnonymous) && id != nil:
		return denyFor(id, core.MissingCredentials, err)
	case errors.Is(err, session.ErrStepUp) && id != nil:
		return denyFor(id, core.StepUpRequired, err)
	case errors.Is(err, session.ErrLimit), errors.Is(err, revocation.ErrFull), errors.Is(err, refresh.ErrFull):
		return deny(core.Forbidden, err)
	case errors.Is(err, core.ErrNoMiddleware), errors.Is(err, core.ErrAnonymous), errors.Is(err, session.ErrFinished):
		return deny(core.AuthMiddlewareFailure, err)
	default:
		return nil
	}
}

// unstored is the refusal for an answer whose session could not be committed. What
// the store would not take is a failed write like any other, also if it was the
// data's fault: the answer claims what is not true.
func unstored(ctx context.Context, err error) *Denied {
	for _, data := range [...]error{session.ErrTooLarge, session.ErrNotNumber, session.ErrOverflow, session.ErrConflict} {
		if errors.Is(err, data) {
			return deny(core.StoreUnavailable, err)
		}
	}
	return Failure(ctx, err)
}

// Failure is Refusal for an error that must become one: what is not known to be
// anything else is our own fault or the configuration's.
func Failure(ctx context.Context, err error) *Denied {
	if d := Refusal(ctx, err); d != nil {
		return d
	}
	return deny(core.AuthMiddlewareFailure, err)
}
