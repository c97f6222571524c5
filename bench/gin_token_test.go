package bench

import (
	"errors"
	"testing"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
	jwtv4 "github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
	authgin "github.com/sallyport-go/sallyport/gin"
)

var errNoSubject = errors.New("the request has no subject")

func ginTokensBare(testing.TB, *algorithm) *app {
	return ginLibrary{get: func(*gin.Context) (string, error) { return bareSubject, nil }}.app()
}

func ginBearer(tb testing.TB, alg *algorithm) *app { return ginBearerOf(alg.verifier(tb, 0)) }

func ginBearerOf(v *token.Verifier) *app {
	return ginLibrary{
		use: authgin.Bearer(v),
		get: func(c *gin.Context) (string, error) {
			p, err := authgin.PrincipalFrom(c)
			return p.Subject, err
		},
	}.app()
}

// ginJWT takes its key by KeyFunc, without which gin-jwt knows HMAC and RSA only. It
// is on golang-jwt v4, whose parser has no option for issuer and audience.
func ginJWT(tb testing.TB, alg *algorithm) *app {
	key := alg.key(tb)
	mw, err := ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm:            "bench",
		SigningAlgorithm: string(alg.name),
		KeyFunc: func(t *jwtv4.Token) (any, error) {
			if t.Header["kid"] != key.id {
				return nil, errors.New("unknown key")
			}
			return key.Public(), nil
		},
		ParseOptions:    []jwtv4.ParserOption{jwtv4.WithValidMethods([]string{string(alg.name)})},
		IdentityKey:     "sub",
		IdentityHandler: func(c *gin.Context) any { return ginjwt.ExtractClaims(c)["sub"] },
		TokenLookup:     "header: Authorization",
		TokenHeadName:   "Bearer",
		TimeFunc:        time.Now,
	})
	require.NoError(tb, err)
	return ginLibrary{
		use: mw.MiddlewareFunc(),
		get: func(c *gin.Context) (string, error) {
			subject, ok := c.Get("sub")
			if s, isString := subject.(string); ok && isString {
				return s, nil
			}
			return "", errNoSubject
		},
	}.app()
}

func ginUntouched(tb testing.TB) *app {
	return ginLibrary{
		use: authgin.Session(memoryManager(tb)),
		login: func(c *gin.Context, user, name string) error {
			return login(c.Request.Context(), authgin.SessionFrom(c), user, name)
		},
		get: func(*gin.Context) (string, error) { return loginName, nil },
	}.app()
}
