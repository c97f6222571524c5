package core

import "net/http"

// Code is the coarse reason that a refused client is given. The fine reason
// goes to the audit log and never to the client.
type Code string

// The codes and their statuses. docs/errors.md says for each what causes it and
// what fixes it.
const (
	// MissingCredentials (401): no credential, or a session cookie that is
	// unknown, expired, revoked or ambiguous. One code for all, so that a
	// guesser learns nothing.
	MissingCredentials Code = "MISSING_CREDENTIALS"
	// StepUpRequired (401): the principal proved itself too long ago (RFC 9470).
	StepUpRequired Code = "STEP_UP_REQUIRED"
	// Forbidden (403): the principal lacks a role.
	Forbidden Code = "FORBIDDEN"
	// StoreUnavailable (503): the store did not answer, so nobody can say who
	// this is. Carries Retry-After.
	StoreUnavailable Code = "STORE_UNAVAILABLE"
	// AuthMiddlewareFailure (500): our own fault or the configuration's, never
	// the store's.
	AuthMiddlewareFailure Code = "AUTH_MIDDLEWARE_FAILURE"
)

// Status is the HTTP status that goes with the code. An unknown code is 500.
func (c Code) Status() int {
	switch c {
	case MissingCredentials, StepUpRequired:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case StoreUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Message is the sentence shown to the client beside the code. It says nothing
// that the code does not.
func (c Code) Message() string {
	switch c {
	case MissingCredentials:
		return "authentication is required"
	case StepUpRequired:
		return "a more recent login is required"
	case Forbidden:
		return "this identity may not do that"
	case StoreUnavailable:
		return "the identity could not be checked just now; try again shortly"
	default:
		return "the authentication layer failed"
	}
}
