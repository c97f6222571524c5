package token

import (
	"errors"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// What a refused token is. Clients are told these and nothing finer.
var (
	// ErrInvalid: not one of our tokens, or not for us. Whatever is wrong with it
	// otherwise, a token whose signature is bad is this.
	ErrInvalid = errors.New("token: invalid")
	// ErrExpired: ours, and its time is over.
	ErrExpired = errors.New("token: expired")
	// ErrRevoked: ours, and not worth anything any more. It is revocation.ErrRevoked.
	ErrRevoked = revocation.ErrRevoked
)

// Refusal is why a token was refused, for the audit log. errors.Is finds its class.
// Refusals are shared and must not be changed.
type Refusal struct {
	// Cause is the fine reason: "signature", "aud-mismatch", "typ".
	Cause audit.Cause
	class error
}

func (r *Refusal) Error() string { return r.class.Error() + ": " + string(r.Cause) }

// Unwrap returns ErrInvalid, ErrExpired or ErrRevoked.
func (r *Refusal) Unwrap() error { return r.class }

func invalid(cause audit.Cause) *Refusal { return &Refusal{Cause: cause, class: ErrInvalid} }

// The refusals, made once: refusing must not cost what garbage is sent for.
var (
	refusedSize     = invalid("size")
	refusedAlphabet = invalid("alphabet")
	refusedSegments = invalid("segments")

	refusedHeaderText = invalid("header-base64")
	refusedHeader     = faults("header-")
	refusedAlg        = invalid("alg")
	refusedKid        = invalid("kid")
	refusedTyp        = invalid("typ")

	refusedPayloadText = invalid("claims-base64")
	refusedPayload     = faults("claims-")

	refusedIss         = invalid("iss")
	refusedIssMismatch = invalid("iss-mismatch")
	refusedKidUnknown  = invalid("kid-unknown")
	refusedKeyRevoked  = invalid("key-revoked")
	refusedKeyAlg      = invalid("key-alg")
	refusedSignature   = invalid("signature")

	refusedSub         = invalid("sub")
	refusedAud         = invalid("aud")
	refusedAudMismatch = invalid("aud-mismatch")
	refusedJti         = invalid("jti")
	refusedClientID    = invalid("client_id")
	refusedSid         = invalid("sid")
	refusedSep         = invalid("sep")
	refusedAnswer      = invalid("gen-ans")
	refusedAmr         = invalid("amr")
	refusedRoles       = invalid("roles")
	refusedScope       = invalid("scope")
	refusedCnf         = invalid("cnf")
	refusedIat         = invalid("iat")
	refusedIatFuture   = invalid("iat-future")
	refusedNbf         = invalid("nbf")
	refusedNbfFuture   = invalid("nbf-future")
	refusedAuthTime    = invalid("auth_time")
	refusedAuthFuture  = invalid("auth_time-future")
	refusedExp         = invalid("exp")
	refusedExpired     = &Refusal{Cause: audit.CauseExpired, class: ErrExpired}
	refusedRevoked     = &Refusal{Cause: audit.CauseRevoked, class: ErrRevoked}
	refusedPrincipal   = invalid("principal")
)
