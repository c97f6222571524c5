package bench

import (
	"context"
	"io"
	"net/http"
	"testing"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/stretchr/testify/require"
)

// httpTokens is net/http alone, for which auth0's middleware is made.
func httpTokens(use func(http.Handler) http.Handler, subject func(*http.Request) (string, error)) *app {
	mux := http.NewServeMux()
	mux.Handle("GET "+readPath, use(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := subject(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, s)
	})))
	return httpApp(mux)
}

func httpTokensBare(testing.TB, *algorithm) *app {
	return httpTokens(func(next http.Handler) http.Handler { return next },
		func(*http.Request) (string, error) { return bareSubject, nil })
}

func auth0(tb testing.TB, alg *algorithm) *app {
	key := alg.key(tb)
	v, err := validator.New(func(context.Context) (any, error) { return key.Public(), nil },
		validator.SignatureAlgorithm(alg.name), issuer, []string{audience})
	require.NoError(tb, err)
	return httpTokens(jwtmiddleware.New(v.ValidateToken).CheckJWT, func(r *http.Request) (string, error) {
		c, ok := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
		if !ok {
			return "", errNoSubject
		}
		return c.RegisteredClaims.Subject, nil
	})
}
