package refresh

import (
	"errors"
	"fmt"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// What a refused refresh is. Clients are told these and nothing finer.
var (
	// ErrInvalidGrant says that the refresh token is worth nothing (RFC 6749 section
	// 5.2).
	ErrInvalidGrant = errors.New("refresh: invalid grant")
	// ErrRateLimited says that the family is refreshed too often. What the request
	// did is done, and its answer comes with the next one.
	ErrRateLimited = errors.New("refresh: too many refreshes of one family")
	// ErrForeign says that a client asks for a token to be revoked that was issued to
	// another one.
	ErrForeign = errors.New("refresh: the token was issued to another client")
	// ErrSecret says that the token was made with a secret that this node does not
	// have. It wraps core.ErrUnknown.
	ErrSecret = fmt.Errorf("refresh: the token's secret is not in the ring: %w", core.ErrUnknown)
)

// Refusal is why a refresh token was refused, for the audit log. errors.Is finds
// ErrInvalidGrant. Refusals are shared and must not be changed.
type Refusal struct{ Cause audit.Cause }

func (r *Refusal) Error() string { return ErrInvalidGrant.Error() + ": " + string(r.Cause) }

// Unwrap returns ErrInvalidGrant.
func (r *Refusal) Unwrap() error { return ErrInvalidGrant }

// The refusals, made once: refusing must not cost what garbage is sent for.
var (
	refusedShape    = &Refusal{"shape"}
	refusedMAC      = &Refusal{"mac"}
	refusedGone     = &Refusal{audit.CauseGone}
	refusedDisabled = &Refusal{audit.CauseDisabled}

	refusedVerdict = map[Verdict]*Refusal{
		Reused:            {"reuse:late-after-confirm"},
		ReusedOlder:       {"reuse:older"},
		ReusedUnconfirmed: {"late-unconfirmed"},
		Misbound:          {"binding"},
	}
)

// answers are the causes of TokenRotated.
var answers = map[Verdict]audit.Cause{
	Coalesced: "coalesced", Rotated: "rotated", Repeated: "repeated", LateRepeated: "late-repeat", Recovered: "recovered",
}
