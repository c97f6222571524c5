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
	// TokenExpired (401): an access token with a good signature that is past its
	// exp and the leeway.
	TokenExpired Code = "TOKEN_EXPIRED"
	// InvalidSignature (401): every other access token that does not verify. One
	// code for all, so that a forger learns nothing.
	InvalidSignature Code = "INVALID_SIGNATURE"
	// TokenRevoked (401): an authentic access token that was revoked.
	TokenRevoked Code = "TOKEN_REVOKED"
	// StepUpRequired (401): the principal proved itself too long ago (RFC 9470).
	StepUpRequired Code = "STEP_UP_REQUIRED"
	// InvalidRequest (400): the request is malformed, or presents credentials in more
	// than one way (RFC 6750 section 3.1).
	InvalidRequest Code = "INVALID_REQUEST"
	// InvalidGrant (400): a refresh token that is worth nothing: malformed, forged,
	// expired, revoked or used before. One code for all (RFC 6749 section 5.2).
	InvalidGrant Code = "INVALID_GRANT"
	// UnsupportedMediaType (415): the body is of a type that the route does not read.
	UnsupportedMediaType Code = "UNSUPPORTED_MEDIA_TYPE"
	// RateLimited (429): too many requests of one kind. Carries Retry-After.
	RateLimited Code = "RATE_LIMITED"
	// CSRFRejected (403): the request comes from a page of somebody else, or does not
	// say where it comes from.
	CSRFRejected Code = "CSRF_REJECTED"
	// Forbidden (403): the principal lacks a role.
	Forbidden Code = "FORBIDDEN"
	// InsufficientScope (403): the principal lacks a scope (RFC 6750 section 3.1).
	InsufficientScope Code = "INSUFFICIENT_SCOPE"
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
	case MissingCredentials, TokenExpired, InvalidSignature, TokenRevoked, StepUpRequired:
		return http.StatusUnauthorized
	case InvalidRequest, InvalidGrant:
		return http.StatusBadRequest
	case UnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case RateLimited:
		return http.StatusTooManyRequests
	case Forbidden, InsufficientScope, CSRFRejected:
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
	case TokenExpired:
		return "the access token has expired"
	case InvalidSignature:
		return "the access token is not valid"
	case TokenRevoked:
		return "the access token was revoked"
	case InvalidRequest:
		return "the request is malformed, or presents its credentials in more than one way"
	case InvalidGrant:
		return "the refresh token is not valid"
	case UnsupportedMediaType:
		return "the body is of a type that is not read here"
	case RateLimited:
		return "too many requests; try again shortly"
	case CSRFRejected:
		return "the request does not come from a page of this application"
	case StepUpRequired:
		return "a more recent login is required"
	case Forbidden:
		return "this identity may not do that"
	case InsufficientScope:
		return "the access granted does not reach that far"
	case StoreUnavailable:
		return "the identity could not be checked just now; try again shortly"
	default:
		return "the authentication layer failed"
	}
}
