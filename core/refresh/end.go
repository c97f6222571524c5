package refresh

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Logout ends the family of a refresh token of any generation, with its access tokens.
// ended is false if it had ended before, which is no error. A *Refusal if the token is
// none of ours, an error that wraps core.ErrUnknown if the store did not answer: then the
// family may still be alive.
func (r *Rotator) Logout(ctx context.Context, token string, from From) (ended bool, err error) {
	return r.end(ctx, token, audit.CauseLogout, from)
}

// Revoke is Logout by the client that the token was issued to (RFC 7009). For another one
// it is ErrForeign, and nothing is ended.
func (r *Rotator) Revoke(ctx context.Context, token string, from From) (ended bool, err error) {
	_, _, family, err := r.find(ctx, token)
	switch {
	case errors.Is(err, ErrGone):
		return false, nil
	case err != nil:
		return false, r.unread(ctx, from, err)
	case family.Client != from.Client:
		return false, ErrForeign
	}
	return r.end(ctx, token, audit.CauseRevoked, from)
}

func (r *Rotator) end(ctx context.Context, token string, cause audit.Cause, from From) (ended bool, err error) {
	n, err := r.ring.read(token)
	if err != nil {
		return false, r.unread(ctx, from, err)
	}
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	f, err := r.store.EndFamily(storeCtx, n.key, r.rules)
	switch {
	case errors.Is(err, ErrGone):
		return false, nil
	case err != nil:
		return false, r.fail(ctx, nil, nil, from, err)
	}
	var l login
	_ = l.decode(f.Value) // an end must not wait for who can read it
	r.record(ctx, audit.FamilyExpired, cause, &f, &l, from, nil)
	return true, nil
}

// RevokeFamily ends one family of the subject by its handle, with its access tokens.
// Doing it again is harmless. Errors as for revocation.Registry.RevokeSession.
func (r *Rotator) RevokeFamily(ctx context.Context, subject, handle string) error {
	h, ok := revocation.ParseHandle(handle)
	if !ok {
		return revocation.ErrNoHandle
	}
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	l, owner := login{subject: subject}, r.registry.Owner(subject)
	f, err := r.store.FindFamily(storeCtx, Key{owner.Tag, h})
	switch {
	case err == nil && f.Owner == owner:
		if f, err = r.store.EndFamily(storeCtx, f.Key(), r.rules); err == nil {
			r.record(ctx, audit.FamilyExpired, audit.CauseRevoked, &f, &l, From{}, nil)
			return nil
		}
	case err == nil:
		err = ErrGone // another subject's
	}
	if !errors.Is(err, ErrGone) {
		return r.fail(ctx, nil, &l, From{}, err)
	}
	// It has ended, or its store has lost it; its access tokens may be alive.
	switch err := r.store.Deny(storeCtx, owner, h, r.cfg.Now().Add(r.rules.Denied)); {
	case errors.Is(err, revocation.ErrFull):
		return err
	case err != nil:
		return r.fail(ctx, nil, &l, From{}, err)
	}
	r.record(ctx, audit.SessionDenied, "", &Family{Handle: h}, &l, From{}, nil)
	return nil
}

// FamilyInfo is what a user or a client may know of a family.
type FamilyInfo struct {
	// Handle names it. It is no credential.
	Handle string
	// Subject, Client, Device and Method are those of its login.
	Subject, Client, Device, Method string
	// Scopes were granted at the login.
	Scopes []string
	// AuthTime is when the subject proved itself. Created is when the family began;
	// Expires is when it is over unless it is used, Ends when it is over at the latest.
	AuthTime, Created, Expires, Ends time.Time
}

// Families lists the subject's live families, those that began first at first. An error
// wraps core.ErrUnknown.
func (r *Rotator) Families(ctx context.Context, subject string) ([]FamilyInfo, error) {
	storeCtx, cancel := r.read(ctx)
	defer cancel()
	families, err := r.store.Families(storeCtx, r.registry.Owner(subject))
	if err != nil {
		return nil, r.fail(ctx, nil, &login{subject: subject}, From{}, err)
	}
	list := make([]FamilyInfo, len(families))
	for i := range families {
		if list[i], err = info(&families[i]); err != nil {
			return nil, r.fail(ctx, &families[i], nil, From{}, err)
		}
	}
	return list, nil
}

// Family returns the live family that a refresh token would be answered for, and changes
// nothing. ErrGone if there is none, or the token would end it, as far as this node's
// clock tells; a *Refusal if the token is none of ours; else an error that wraps
// core.ErrUnknown.
func (r *Rotator) Family(ctx context.Context, token string) (FamilyInfo, error) {
	n, f, i, err := r.find(ctx, token)
	if err != nil {
		return FamilyInfo{}, err
	}
	p := Presented{Generation: n.generation, Binding: f.Binding, Rules: r.rules}
	if !f.verdict(&p, f.clock(r.cfg.Now().UnixMicro())).Answered() {
		return FamilyInfo{}, ErrGone
	}
	return i, nil
}

// find returns the live family of a refresh token of any generation.
func (r *Rotator) find(ctx context.Context, token string) (n name, f Family, i FamilyInfo, err error) {
	if n, err = r.ring.read(token); err != nil {
		return n, f, i, err
	}
	storeCtx, cancel := r.read(ctx)
	defer cancel()
	f, err = r.store.FindFamily(storeCtx, n.key)
	switch {
	case errors.Is(err, ErrGone):
		return n, f, i, ErrGone
	case err != nil:
		return n, f, i, r.fail(ctx, nil, nil, From{}, err)
	}
	if i, err = info(&f); err != nil {
		return n, f, i, r.fail(ctx, &f, nil, From{}, err)
	}
	return n, f, i, nil
}

func info(f *Family) (FamilyInfo, error) {
	var l login
	if err := l.decode(f.Value); err != nil {
		return FamilyInfo{}, err
	}
	return FamilyInfo{
		Handle: f.Handle.String(), Subject: l.subject, Client: l.client, Device: l.device, Method: l.method,
		Scopes: l.scopes, AuthTime: l.authTime, Created: time.UnixMicro(f.Created).UTC(),
		Expires: time.UnixMicro(f.Expires).UTC(), Ends: time.UnixMicro(f.Ends).UTC(),
	}, nil
}
