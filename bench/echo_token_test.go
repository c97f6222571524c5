package bench

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	authecho "github.com/sallyport-go/sallyport/echo"
)

func echoTokensBare(testing.TB, *algorithm) *app {
	return echoLibrary{get: func(echo.Context) (string, error) { return bareSubject, nil }}.app()
}

func echoBearer(tb testing.TB, alg *algorithm) *app {
	return echoLibrary{
		use: authecho.Bearer(alg.verifier(tb, 0)),
		get: func(c echo.Context) (string, error) {
			p, err := authecho.PrincipalFrom(c)
			return p.Subject, err
		},
	}.app()
}

// echoJWT checks the algorithm, the key's name and the times. It has no setting for
// issuer and audience.
func echoJWT(tb testing.TB, alg *algorithm) *app {
	key := alg.key(tb)
	mw, err := echojwt.Config{
		SigningMethod: string(alg.name),
		SigningKeys:   map[string]any{key.id: key.Public()},
	}.ToMiddleware()
	require.NoError(tb, err)
	return echoLibrary{
		use: mw,
		get: func(c echo.Context) (string, error) {
			t, ok := c.Get("user").(*jwt.Token)
			if !ok {
				return "", errNoSubject
			}
			return t.Claims.GetSubject()
		},
	}.app()
}

func echoUntouched(tb testing.TB) *app {
	return echoLibrary{
		use: authecho.Session(memoryManager(tb)),
		login: func(c echo.Context, user, name string) error {
			return login(c.Request().Context(), authecho.SessionFrom(c), user, name)
		},
		get: func(echo.Context) (string, error) { return loginName, nil },
	}.app()
}
