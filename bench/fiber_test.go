package bench

import (
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	fibersession "github.com/gofiber/fiber/v2/middleware/session"

	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

// fiberLibrary is a library as a Fiber application uses it: for sessions, or to
// verify tokens, which needs use and get only.
type fiberLibrary struct {
	use   fiber.Handler // nil: none
	login func(c *fiber.Ctx, user, name string) error
	get   func(c *fiber.Ctx) (string, error)
	set   func(c *fiber.Ctx, name string) error
}

func (l fiberLibrary) app() *app {
	router := fiber.New(fiber.Config{DisableStartupMessage: true})
	if l.use != nil {
		router.Use(l.use)
	}
	answer := func(c *fiber.Ctx, body string, err error) error {
		if err != nil {
			return err
		}
		return c.SendString(body)
	}
	set := func(c *fiber.Ctx) error { return answer(c, done, l.set(c, stamp())) }
	router.Post(loginPath, func(c *fiber.Ctx) error { return answer(c, done, l.login(c, c.Query("user"), c.Query("name"))) })
	router.Get(readPath, func(c *fiber.Ctx) error {
		name, err := l.get(c)
		return answer(c, name, err)
	})
	router.Post(writePath, set)
	router.Post(createPath, set)
	return fiberApp(router.Handler())
}

func fiberBare(testing.TB) *app {
	return fiberLibrary{
		get: func(*fiber.Ctx) (string, error) { return loginName, nil },
		set: func(*fiber.Ctx, string) error { return nil },
	}.app()
}

func fiberSallyport(m *session.Manager) *app {
	return fiberLibrary{
		use: authfiber.Session(m),
		// Fiber's query string is a view of a buffer that the next request reuses.
		login: func(c *fiber.Ctx, user, name string) error {
			return login(c.UserContext(), authfiber.SessionFrom(c), strings.Clone(user), strings.Clone(name))
		},
		get: func(c *fiber.Ctx) (string, error) { return get(authfiber.SessionFrom(c)) },
		set: func(c *fiber.Ctx, name string) error { return nameOf.Set(authfiber.SessionFrom(c), name) },
	}.app()
}

func fiberOwn(store *fibersession.Store) *app {
	return fiberLibrary{
		login: func(c *fiber.Ctx, user, name string) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			s.Set(userKey, user)
			s.Set(nameKey, name)
			return s.Save()
		},
		get: func(c *fiber.Ctx) (string, error) {
			s, err := store.Get(c)
			if err != nil {
				return "", err
			}
			name, _ := s.Get(nameKey).(string)
			return name, nil
		},
		set: func(c *fiber.Ctx, name string) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			s.Set(nameKey, name)
			return s.Save()
		},
	}.app()
}
