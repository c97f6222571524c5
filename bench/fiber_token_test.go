package bench

import (
	"strings"
	"testing"

	jwtware "github.com/gofiber/contrib/jwt"
	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"

	authfiber "github.com/sallyport-go/sallyport/fiber"
)

func fiberTokensBare(testing.TB, *algorithm) *app {
	return fiberLibrary{get: func(*fiber.Ctx) (string, error) { return bareSubject, nil }}.app()
}

func fiberBearer(tb testing.TB, alg *algorithm) *app {
	return fiberLibrary{
		use: authfiber.Bearer(alg.verifier(tb, 0)),
		get: func(c *fiber.Ctx) (string, error) {
			p, err := authfiber.PrincipalFrom(c)
			return p.Subject, err
		},
	}.app()
}

// fiberJWT checks the algorithm, the key's name and the times. It has no setting for
// issuer and audience.
func fiberJWT(tb testing.TB, alg *algorithm) *app {
	key := alg.key(tb)
	return fiberLibrary{
		use: jwtware.New(jwtware.Config{
			SigningKeys: map[string]jwtware.SigningKey{key.id: {JWTAlg: string(alg.name), Key: key.Public()}},
		}),
		get: func(c *fiber.Ctx) (string, error) {
			t, ok := c.Locals("user").(*jwt.Token)
			if !ok {
				return "", errNoSubject
			}
			return t.Claims.GetSubject()
		},
	}.app()
}

func fiberUntouched(tb testing.TB) *app {
	return fiberLibrary{
		use: authfiber.Session(memoryManager(tb)),
		login: func(c *fiber.Ctx, user, name string) error {
			return login(c.UserContext(), authfiber.SessionFrom(c), strings.Clone(user), strings.Clone(name))
		},
		get: func(*fiber.Ctx) (string, error) { return loginName, nil },
	}.app()
}
