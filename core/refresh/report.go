package refresh

import (
	"context"
	"errors"

	"github.com/sallyport-go/sallyport/core/audit"
)

// read and write bound a store call that may block. A write goes on when the client has
// hung up: who lost the answer must not have lost the token as well.
func (r *Rotator) read(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.local {
		return ctx, noCancel
	}
	return context.WithTimeout(ctx, r.cfg.StoreTimeout)
}

func (r *Rotator) write(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.local {
		return ctx, noCancel
	}
	return context.WithTimeout(context.WithoutCancel(ctx), r.cfg.StoreTimeout)
}

func noCancel() {}

// record tells the sink. f and l may be nil.
func (r *Rotator) record(ctx context.Context, name audit.Name, cause audit.Cause, f *Family, l *login, from From, err error) {
	if r.cfg.Audit == nil {
		return
	}
	e := audit.Event{
		Time: r.cfg.Now(), Name: name, Cause: cause, App: r.registry.App(),
		ClientIP: from.ClientIP, UserAgent: audit.UserAgent(from.UserAgent), Err: err,
	}
	if f != nil {
		e.Session = f.Handle.String()
	}
	if l != nil {
		e.Subject = l.subject
		if name == audit.LoginSucceeded {
			e.Method = l.method
		}
	}
	r.cfg.Audit.Record(ctx, e)
}

// unread tells of a token that could not be read, and returns why.
func (r *Rotator) unread(ctx context.Context, from From, err error) error {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		r.record(ctx, audit.RefreshRefused, refusal.Cause, nil, nil, from, err)
	case errors.Is(err, ErrSecret):
		r.record(ctx, audit.RefreshRefused, "secret", nil, nil, from, err)
	}
	return err
}

// prevented tells of what kept a good token from being answered, and was not the store.
func (r *Rotator) prevented(ctx context.Context, f *Family, l *login, from From, err error) error {
	r.record(ctx, audit.RefreshRefused, audit.CauseError, f, l, from, err)
	return unknown(err)
}

// undecided is what comes of a store that did not return a family.
func (r *Rotator) undecided(ctx context.Context, from From, err error) error {
	if errors.Is(err, ErrGone) {
		r.record(ctx, audit.RefreshRefused, refusedGone.Cause, nil, nil, from, refusedGone)
		return refusedGone
	}
	return r.fail(ctx, nil, nil, from, err)
}

func (r *Rotator) fail(ctx context.Context, f *Family, l *login, from From, err error) error {
	r.record(ctx, audit.StoreFailed, audit.CauseError, f, l, from, err)
	return unknown(err)
}
