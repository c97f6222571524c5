package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// Refresh answers a refresh token. scopes, if not nil, are all that the access token is
// to have of those that the login was granted (RFC 6749 section 6).
//
// A *Refusal is ErrInvalidGrant: the token is worth nothing, or its family has been
// ended because of it. ErrRateLimited. Every other error wraps core.ErrUnknown: the store
// did not answer or something after it failed. Nothing is lost then: the client tries
// again with the same token.
func (r *Rotator) Refresh(ctx context.Context, token string, scopes []string, from From) (Tokens, error) {
	n, err := r.ring.read(token)
	if err != nil {
		return Tokens{}, r.unread(ctx, from, err)
	}
	pre, err := r.prepare(ctx, &n, scopes, from)
	if err != nil {
		return Tokens{}, err
	}
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	out, err := r.store.Rotate(storeCtx, n.key, &Presented{
		Generation: n.generation, Secret: n.secret, Signing: r.ring[0].id, Binding: r.binding(from), Rules: r.rules,
	})
	if err != nil {
		return Tokens{}, r.undecided(ctx, from, err)
	}
	f := &out.Family
	var l login
	err = l.decode(f.Value)
	if !out.Verdict.Answered() { // and is over, whoever can read it
		refusal := refusedVerdict[out.Verdict]
		r.record(ctx, audit.TokenReuse, refusal.Cause, f, &l, from, refusal)
		r.record(ctx, audit.FamilyExpired, refusal.Cause, f, &l, from, nil)
		return Tokens{}, refusal
	}
	if err != nil {
		return Tokens{}, r.fail(ctx, f, nil, from, err)
	}
	if r.ending(f) {
		return Tokens{}, r.undecided(ctx, from, ErrGone)
	}
	r.record(ctx, audit.TokenRotated, answers[out.Verdict], f, &l, from, nil)
	// Behind the decision: a thief who is quick must not be able to hide behind a
	// limit.
	if r.cfg.Limiter != nil && !r.cfg.Limiter.Allow(ctx, n.key) {
		return Tokens{}, ErrRateLimited
	}
	withRefresh := out.Verdict != Coalesced && out.Verdict != Recovered
	if pre.signed != nil {
		return r.attach(*pre.signed, f, withRefresh)
	}
	p := r.principal(f, &l)
	pre.narrow(&p)
	tokens, err := r.answer(ctx, f, p, l.client, withRefresh)
	if err != nil {
		return Tokens{}, r.prevented(ctx, f, &l, from, err)
	}
	return tokens, nil
}

// ending reports whether the family has less than the shortest life of an access token
// left: it is over a second early, or a client that can do nothing but log in again would
// be told to wait.
func (r *Rotator) ending(f *Family) bool {
	return time.UnixMicro(f.Ends).Sub(r.cfg.Now()) < time.Second
}

// prepared is what is known before the store decides.
type prepared struct {
	status *Status  // nil: nobody is asked
	scopes []string // nil: all
	signed *Tokens  // nil: to be signed afterwards
}

// narrow makes p what the subject may have now and the client asked for.
func (pre *prepared) narrow(p *core.Principal) {
	keep := func(list []string) {
		p.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(s string) bool { return !slices.Contains(list, s) })
	}
	if pre.status != nil {
		p.Roles = slices.Clone(pre.status.Roles)
		keep(pre.status.Scopes)
	}
	if pre.scopes != nil {
		keep(pre.scopes)
	}
}

// prepare does what must come before the decision: it asks the application, and signs
// what could not be asked for again if signing failed after it.
func (r *Rotator) prepare(ctx context.Context, n *name, scopes []string, from From) (*prepared, error) {
	pre := &prepared{scopes: scopes}
	if r.wired && r.cfg.SubjectStatus == nil {
		return pre, nil
	}
	storeCtx, cancel := r.read(ctx)
	defer cancel()
	f, err := r.store.FindFamily(storeCtx, n.key)
	if err != nil {
		return nil, r.undecided(ctx, from, err)
	}
	var l login
	if err := l.decode(f.Value); err != nil {
		return nil, r.fail(ctx, &f, nil, from, err)
	}
	if r.cfg.SubjectStatus != nil {
		status, err := r.cfg.SubjectStatus(ctx, l.subject)
		if err != nil {
			return nil, r.prevented(ctx, &f, &l, from, err)
		}
		if status.Disabled {
			return nil, r.disabled(ctx, &f, &l, from)
		}
		pre.status = &status
	}
	if r.wired {
		return pre, nil
	}
	if r.ending(&f) {
		return nil, r.undecided(ctx, from, ErrGone)
	}
	p := r.principal(&f, &l)
	pre.narrow(&p)
	signed, err := r.answer(ctx, &f, p, l.client, false)
	if err != nil {
		return nil, r.prevented(ctx, &f, &l, from, err)
	}
	pre.signed = &signed
	return pre, nil
}

// disabled ends the family of a subject that may not have one any more.
func (r *Rotator) disabled(ctx context.Context, f *Family, l *login, from From) error {
	storeCtx, cancel := r.write(ctx)
	defer cancel()
	switch _, err := r.store.EndFamily(storeCtx, f.Key(), r.rules); {
	case err == nil:
		r.record(ctx, audit.FamilyExpired, audit.CauseDisabled, f, l, from, nil)
	case !errors.Is(err, ErrGone):
		return r.fail(ctx, f, l, from, err)
	}
	return refusedDisabled
}

// unknown is err as one of the third kind: what failed on our side is no verdict about
// the client.
func unknown(err error) error {
	if errors.Is(err, core.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", core.ErrUnknown, err)
}
