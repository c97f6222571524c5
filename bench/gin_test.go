package bench

import (
	"net/http"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
)

// ginLibrary is a library as a Gin application uses it: for sessions, or to
// verify tokens, which needs use and get only.
type ginLibrary struct {
	use   gin.HandlerFunc                 // nil: none
	wrap  func(http.Handler) http.Handler // nil: none
	login func(c *gin.Context, user, name string) error
	get   func(c *gin.Context) (string, error)
	set   func(c *gin.Context, name string) error
}

func (l ginLibrary) app() *app {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	if l.use != nil {
		router.Use(l.use)
	}
	answer := func(c *gin.Context, body string, err error) {
		if err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.String(http.StatusOK, body)
	}
	set := func(c *gin.Context) { answer(c, done, l.set(c, stamp())) }
	router.POST(loginPath, func(c *gin.Context) { answer(c, done, l.login(c, c.Query("user"), c.Query("name"))) })
	router.GET(readPath, func(c *gin.Context) {
		name, err := l.get(c)
		answer(c, name, err)
	})
	router.POST(writePath, set)
	router.POST(createPath, set)
	if l.wrap != nil {
		return httpApp(l.wrap(router))
	}
	return httpApp(router)
}

func ginBare(testing.TB) *app {
	return ginLibrary{
		get: func(*gin.Context) (string, error) { return loginName, nil },
		set: func(*gin.Context, string) error { return nil },
	}.app()
}

func ginSallyport(m *session.Manager) *app {
	return ginLibrary{
		use: authgin.Session(m),
		login: func(c *gin.Context, user, name string) error {
			return login(c.Request.Context(), authgin.SessionFrom(c), user, name)
		},
		get: func(c *gin.Context) (string, error) { return get(authgin.SessionFrom(c)) },
		set: func(c *gin.Context, name string) error { return nameOf.Set(authgin.SessionFrom(c), name) },
	}.app()
}

func ginSCS(m *scs.SessionManager) *app {
	return ginLibrary{
		wrap:  m.LoadAndSave,
		login: func(c *gin.Context, user, name string) error { return scsLogin(c.Request.Context(), m, user, name) },
		get:   func(c *gin.Context) (string, error) { return m.GetString(c.Request.Context(), nameKey), nil },
		set: func(c *gin.Context, name string) error {
			m.Put(c.Request.Context(), nameKey, name)
			return nil
		},
	}.app()
}

func ginContrib(store sessions.Store) *app {
	return ginLibrary{
		use: sessions.Sessions("session", store),
		login: func(c *gin.Context, user, name string) error {
			s := sessions.Default(c)
			s.Set(userKey, user)
			s.Set(nameKey, name)
			return s.Save()
		},
		get: func(c *gin.Context) (string, error) {
			name, _ := sessions.Default(c).Get(nameKey).(string)
			return name, nil
		},
		set: func(c *gin.Context, name string) error {
			s := sessions.Default(c)
			s.Set(nameKey, name)
			return s.Save()
		},
	}.app()
}
