package bench

import (
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
	echosession "github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core/session"
	authecho "github.com/sallyport-go/sallyport/echo"
)

// echoLibrary is a library as an Echo application uses it: for sessions, or to
// verify tokens, which needs use and get only.
type echoLibrary struct {
	use   echo.MiddlewareFunc             // nil: none
	wrap  func(http.Handler) http.Handler // nil: none
	login func(c echo.Context, user, name string) error
	get   func(c echo.Context) (string, error)
	set   func(c echo.Context, name string) error
}

func (l echoLibrary) app() *app {
	e := echo.New()
	if l.use != nil {
		e.Use(l.use)
	}
	answer := func(c echo.Context, body string, err error) error {
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, body)
	}
	set := func(c echo.Context) error { return answer(c, done, l.set(c, stamp())) }
	e.POST(loginPath, func(c echo.Context) error {
		return answer(c, done, l.login(c, c.QueryParam("user"), c.QueryParam("name")))
	})
	e.GET(readPath, func(c echo.Context) error {
		name, err := l.get(c)
		return answer(c, name, err)
	})
	e.POST(writePath, set)
	e.POST(createPath, set)
	if l.wrap != nil {
		return httpApp(l.wrap(e))
	}
	return httpApp(e)
}

func echoBare(testing.TB) *app {
	return echoLibrary{
		get: func(echo.Context) (string, error) { return loginName, nil },
		set: func(echo.Context, string) error { return nil },
	}.app()
}

func echoSallyport(m *session.Manager) *app {
	return echoLibrary{
		use: authecho.Session(m),
		login: func(c echo.Context, user, name string) error {
			return login(c.Request().Context(), authecho.SessionFrom(c), user, name)
		},
		get: func(c echo.Context) (string, error) { return get(authecho.SessionFrom(c)) },
		set: func(c echo.Context, name string) error { return nameOf.Set(authecho.SessionFrom(c), name) },
	}.app()
}

func echoSCS(m *scs.SessionManager) *app {
	return echoLibrary{
		wrap:  m.LoadAndSave,
		login: func(c echo.Context, user, name string) error { return scsLogin(c.Request().Context(), m, user, name) },
		get:   func(c echo.Context) (string, error) { return m.GetString(c.Request().Context(), nameKey), nil },
		set: func(c echo.Context, name string) error {
			m.Put(c.Request().Context(), nameKey, name)
			return nil
		},
	}.app()
}

func echoContrib(store sessions.Store) *app {
	return echoLibrary{
		use: echosession.Middleware(store),
		login: func(c echo.Context, user, name string) error {
			s, err := echosession.Get("session", c)
			if err != nil {
				return err
			}
			s.Values[userKey], s.Values[nameKey] = user, name
			return s.Save(c.Request(), c.Response())
		},
		get: func(c echo.Context) (string, error) {
			s, err := echosession.Get("session", c)
			if err != nil {
				return "", err
			}
			name, _ := s.Values[nameKey].(string)
			return name, nil
		},
		set: func(c echo.Context, name string) error {
			s, err := echosession.Get("session", c)
			if err != nil {
				return err
			}
			s.Values[nameKey] = name
			return s.Save(c.Request(), c.Response())
		},
	}.app()
}
