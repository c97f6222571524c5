package core

import (
	"slices"
	"time"
)

// Principal is an authenticated identity and how it came to be one. The zero
// value is no identity: its Subject is empty, and nothing in the suite ever
// hands one out together with a nil error.
//
// A Principal is a value. Roles and Scopes are private to the receiver, who may
// change them without changing what the session holds.
type Principal struct {
	// Subject names the account. Never empty for an authenticated principal.
	Subject string
	// Roles and Scopes are what the subject was granted when it logged in.
	Roles  []string
	Scopes []string
	// Session is the device handle of the session: a name for it, no
	// credential. It may be shown to the user and written to logs.
	Session string
	// Epoch is the subject's epoch when it logged in, see package revocation. An
	// access token that is issued for the principal carries it on.
	Epoch uint64
	// AuthTime is when the subject last proved who it is.
	AuthTime time.Time
	// Method is how it did so, as the application named it at login
	// ("password", "webauthn"). It may be empty.
	Method string
}

// HasRole reports whether role is among the principal's roles, compared byte
// for byte.
func (p Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// HasScope reports whether scope is among the principal's scopes, compared byte
// for byte.
func (p Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }
