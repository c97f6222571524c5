// Package audit names what happens to sessions and identities, and carries it
// to wherever the application keeps such things.
//
// The suite logs nothing by itself: it tells a Sink. Names are those of the
// OWASP Logging Vocabulary Cheat Sheet where it has one, so that a rule written
// for another application matches here too; the others are ours in the same
// style, and say so.
//
// It imports nothing but the standard library.
package audit

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Name says what happened.
type Name string

const (
	// SessionCreated: a session got its first record in the store.
	SessionCreated Name = "session_created"
	// SessionRenewed: a session goes on under a new id. Cause says why.
	SessionRenewed Name = "session_renewed"
	// SessionExpired: a session is over, by time or by somebody's act; Cause says
	// which. It is the terminal event: exactly one for every session that ends,
	// so that created minus expired is what lives.
	SessionExpired Name = "session_expired"
	// SessionUseAfterExpire: somebody presented an id that is no longer, or never
	// was, a session. Once is a tab left open, often is a stolen or guessed id.
	SessionUseAfterExpire Name = "session_use_after_expire"
	// LoginSucceeded: somebody logged in. Method says how.
	LoginSucceeded Name = "authn_login_success"
	// AuthorizationFailed: the identity is known and may not do this. Cause says
	// which rule refused.
	AuthorizationFailed Name = "authz_fail"

	// SessionAmbiguous: a request carried several live sessions and was served as
	// anonymous; somebody may be planting cookies from a sibling host. Ours.
	SessionAmbiguous Name = "session_ambiguous"
	// SessionWriteDropped: a session was found dead at commit, and what the request
	// wanted to write into it is lost. Ours.
	SessionWriteDropped Name = "session_write_dropped"
	// SessionFingerprint: a session is used from another kind of browser or another
	// network than before; Cause says which. A signal, no proof. Ours.
	SessionFingerprint Name = "session_fingerprint_changed"
	// SessionDenied: one session was revoked by its handle, whether or not it was
	// there. Ours.
	SessionDenied Name = "session_denied"
	// SubjectRevoked: everything that the subject had was revoked, or everything
	// but the acting session; Cause says which. Each session that it ended has
	// its terminal event besides. Ours.
	SubjectRevoked Name = "subject_revoked"
	// EpochRestored: the store had forgotten a revocation, which an authentic
	// credential proved, and has it again. Look for a failover that lost writes.
	// Ours.
	EpochRestored Name = "epoch_restored"
	// LoginRefused: a login was right and the subject has as many sessions as it
	// may. Ours.
	LoginRefused Name = "login_refused"
	// TokenCreated: an access token was issued; Session says for which session.
	TokenCreated Name = "authn_token_created"
	// TokenDenied: an access token was revoked by its jti.
	TokenDenied Name = "authn_token_revoked"
	// TokenReuse: a refresh token was presented that has a successor in use; Cause says
	// in which way. The family is over: one of two holders is a thief.
	TokenReuse Name = "authn_token_reuse"
	// FamilyCreated, FamilyExpired: a refresh family began, or is over; Cause says why.
	// Ours.
	FamilyCreated Name = "refresh_family_created"
	FamilyExpired Name = "refresh_family_expired"
	// TokenRotated: a refresh token was answered; Cause says how. Ours.
	TokenRotated Name = "refresh_token_rotated"
	// RefreshRefused: a refresh token was presented and refused, and nothing was ended
	// by it; Cause says why. Ours.
	RefreshRefused Name = "refresh_token_refused"
	// TokenRefused: an access token was presented and refused; Cause says why. Ours.
	TokenRefused Name = "token_refused"
	// KeyAnnounced, KeyRevoked: a signing key was put into the ring, or taken out
	// at once; Key says which. Ours.
	KeyAnnounced Name = "key_announced"
	KeyRevoked   Name = "key_revoked"
	// KeysFailed: a new key could not be made, or an issuer's published keys not be
	// fetched. With CauseStale, the ones from before are still used. Ours.
	KeysFailed Name = "keys_failure"
	// CORSRefused: a page of another origin asked for what its origin, a method or a
	// header of its request is not allowed; Cause says which. Only with cors.Config.Debug.
	CORSRefused Name = "malicious_cors"
	// CSRFRefused: a request that changes something was refused, because it does not
	// come from a page of the application or brought no token that is good here; Cause
	// says which. Ours.
	CSRFRefused Name = "csrf_refused"
	// ConfigWarning: something was configured that is no mistake in itself and cannot
	// work with the rest. Err, a *core.ConfigError, says what. It comes once, from the
	// constructor. Ours.
	ConfigWarning Name = "config_warning"
	// StoreFailed: the store returned an error, no answer in time, or something
	// that cannot be a record. Err says what. Ours.
	StoreFailed Name = "store_failure"
)

// Cause says why. Which causes go with which Name is open: more may come.
type Cause string

const (
	// CauseLogout: the user, or the application for the user, ended the session.
	CauseLogout Cause = "logout"
	// CauseIdle: the idle timeout passed.
	CauseIdle Cause = "idle"
	// CauseAbsolute: the absolute timeout passed.
	CauseAbsolute Cause = "absolute"
	// CauseLogin: a login replaced the anonymous session.
	CauseLogin Cause = "login"
	// CauseUserSwitch: the login of another subject replaced the session.
	CauseUserSwitch Cause = "user-switch"
	// CauseEvicted: the store had no room for the session any more.
	CauseEvicted Cause = "evicted"
	// CauseLimit: the subject has as many sessions as it may.
	CauseLimit Cause = "limit"
	// CauseRevoked: the session was ended from elsewhere, by its subject or by the
	// application.
	CauseRevoked Cause = "revoked"
	// CauseAll and CauseOthers say how much was revoked.
	CauseAll    Cause = "all"
	CauseOthers Cause = "others"
	// CausePassword: the password, or another factor, was changed. CauseDisabled: the
	// account was disabled.
	CausePassword Cause = "password"
	CauseDisabled Cause = "disabled"
	// CauseFingerprint: the session's use looked like somebody else's.
	CauseFingerprint Cause = "fingerprint"
	// CauseUserAgent and CauseNetwork say what was different.
	CauseUserAgent Cause = "user-agent"
	CauseNetwork   Cause = "network"
	// CauseRenewal: the id was due for replacement by its age.
	CauseRenewal Cause = "renewal"
	// CauseStepUp: the subject proved its identity again, or by a stronger method.
	CauseStepUp Cause = "step-up"
	// CauseRoleChange: the roles of the subject changed.
	CauseRoleChange Cause = "role-change"
	// CauseUnknownID: the store knows no such id.
	CauseUnknownID Cause = "unknown-id"
	// CauseRole: the subject lacks a role. CauseScope: it lacks a scope.
	CauseRole  Cause = "role"
	CauseScope Cause = "scope"
	// CauseExpired: the token's time is over. CauseGone: a refresh token's family is.
	CauseExpired Cause = "expired"
	CauseGone    Cause = "gone"
	// CauseTransport: the request presents credentials in more than one way, or in
	// one that is not a bearer token.
	CauseTransport Cause = "transport"
	// CauseStale: the authentication is older than the route allows (RequireFresh).
	CauseStale Cause = "stale"
	// CauseOrigin, CauseMethod, CauseHeader, CausePrivateNetwork: what a policy does not
	// allow to a page of another origin.
	CauseOrigin         Cause = "origin"
	CauseMethod         Cause = "method"
	CauseHeader         Cause = "header"
	CausePrivateNetwork Cause = "private-network"
	// CauseCrossSite: the request comes from a page that is not trusted. CauseNoOrigin:
	// it does not say where it comes from.
	CauseCrossSite Cause = "cross-site"
	CauseNoOrigin  Cause = "no-origin"
	// CauseTokenMissing: there is no token against forged requests. CauseTokenInvalid:
	// there is one, and it is not good for this login.
	CauseTokenMissing Cause = "token-missing"
	CauseTokenInvalid Cause = "token-invalid"
	// CauseMediaType: the body is of a type that the route does not read.
	CauseMediaType Cause = "media-type"
	// CauseError: an error, found in Err.
	CauseError Cause = "error"
)

// Event is one thing that happened. It holds no credential: no cookie value, no
// store key, nothing that lets a reader of the log become a user. Every field
// but Time and Name may be empty.
type Event struct {
	// Time is when it happened, by the clock of the emitter.
	Time time.Time
	// Name is what happened.
	Name Name
	// Cause is why.
	Cause Cause
	// App is the name of the application that shares a store with others.
	App string
	// Subject is the user, empty for an anonymous session.
	Subject string
	// Session is the handle of the session or refresh family. It identifies, and
	// opens nothing.
	Session string
	// ClientIP is the address of the client as far as the trusted proxies tell;
	// the zero Addr means that it is not known.
	ClientIP netip.Addr
	// UserAgent is the header as sent, cut by the emitter with UserAgent. It is
	// untrusted: it can hold any bytes and be half a UTF-8 sequence at its end.
	UserAgent string
	// Method is the method of authentication, on logins.
	Method string
	// Key is the name of a signing key, its kid, on events about keys.
	Key string
	// Err is the cause below, on failures. Its text may quote untrusted input.
	Err error
}

// UserAgent cuts a User-Agent header to the 256 bytes that events keep of it. What it
// returns shares the header's memory.
func UserAgent(header string) string { return header[:min(len(header), 256)] }

// Sink takes events. Implementations are safe for concurrent use.
//
// Record is called synchronously, in the request that caused the event, so it
// must not block for long: one that talks to a network queues. It has no
// error, because a full disk must not log anybody out. ctx is the request's and
// may be cancelled; the event is to be recorded nevertheless.
type Sink interface {
	Record(ctx context.Context, e Event)
}

// SinkFunc is a function as a Sink. A nil SinkFunc drops every event.
type SinkFunc func(ctx context.Context, e Event)

// Record calls f.
func (f SinkFunc) Record(ctx context.Context, e Event) {
	if f != nil {
		f(ctx, e)
	}
}

// Tee returns a Sink that hands every event to each of sinks in order, skipping
// nil ones. With none left it drops every event. It keeps a copy of sinks.
func Tee(sinks ...Sink) Sink {
	return tee(slices.DeleteFunc(slices.Clone(sinks), func(s Sink) bool { return s == nil }))
}

type tee []Sink

func (t tee) Record(ctx context.Context, e Event) {
	for _, s := range t {
		s.Record(ctx, e)
	}
}
