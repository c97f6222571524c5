package refresh

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/sallyport-go/sallyport/core"
)

// Caller is a service that has authenticated itself, to revoke or to ask about tokens.
type Caller struct {
	// ID is its client_id: it may revoke the tokens that were issued to it. "" is a
	// service of the application's own, which is the client of logins without one.
	ID string
	// Audience is what it is to access tokens: it is told about those that are for it.
	Audience string
}

// ClientAuthenticator says who a service is by the id and secret that it sent (RFC 6749
// section 2.3.1). core.ErrAnonymous if they are wrong; an error that wraps
// core.ErrUnknown if that could not be found out. It is called by many goroutines.
type ClientAuthenticator func(ctx context.Context, id, secret string) (Caller, error)

// StaticClient is a service with a secret of at least 16 bytes.
type StaticClient struct {
	Caller
	// Login is the id that the service authenticates itself with; default Caller.ID.
	Login, Secret string
}

const minClientSecret = 16

// StaticClients authenticates the given services. Errors are *core.ConfigErrors.
// Secrets are compared by their hashes, so that time tells nothing about them.
func StaticClients(clients ...StaticClient) (ClientAuthenticator, error) {
	type entry struct {
		secret [sha256.Size]byte
		caller Caller
	}
	var errs []error
	known := make(map[string]entry, len(clients))
	for i, c := range clients {
		bad := func(field, value, reason string) {
			errs = append(errs, &core.ConfigError{Field: fmt.Sprintf("refresh.StaticClients[%d].%s", i, field), Value: value, Reason: reason})
		}
		if c.Login == "" {
			c.Login = c.ID
		}
		if _, twice := known[c.Login]; c.Login == "" || twice {
			bad("Login", c.Login, "must be there and be no other's")
		}
		if len(c.Secret) < minClientSecret {
			bad("Secret", fmt.Sprint(len(c.Secret), " bytes"), "must be at least 16 bytes: it can be guessed at")
		}
		known[c.Login] = entry{sha256.Sum256([]byte(c.Secret)), c.Caller}
	}
	if len(clients) == 0 {
		errs = append(errs, &core.ConfigError{Field: "refresh.StaticClients", Reason: "needs at least one service"})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return func(_ context.Context, id, secret string) (Caller, error) {
		e, ok := known[id]
		hash := sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(hash[:], e.secret[:]) != 1 || !ok {
			return Caller{}, core.ErrAnonymous
		}
		return e.caller, nil
	}, nil
}
