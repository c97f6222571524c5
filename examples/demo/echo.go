package main

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
	authecho "github.com/sallyport-go/sallyport/echo"
	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

type echoRoutes struct{ app *demo.App }

func newEcho(app *demo.App) server {
	h := echoRoutes{app}
	e := echo.New()
	e.Renderer = echoPages{}
	e.Use(middleware.Recover(), authecho.CORS(app.CORS), h.headers, authecho.Session(app.Sessions, authecho.Config{ErrorHandler: h.refused}))
	e.Use(authecho.CSRF(app.Guard, authecho.Config{Skipper: h.unchecked}))
	e.StaticFS("/assets", demo.Assets())
	e.GET("/", h.home)
	e.POST("/login", h.login)
	e.POST("/logout", h.logout)
	e.POST("/cart", h.addToCart)
	e.POST("/cart/empty", h.emptyCart)
	e.POST("/gift", h.gift)
	e.GET("/csrf", h.csrf)
	e.GET("/clicks", h.clicks)
	e.POST("/click", h.click)
	e.POST("/attack/fixation", h.attack)
	e.POST("/late", h.me, h.wait, authecho.RequireLogin())
	e.GET("/events", h.events)
	e.GET("/vault", h.page(demo.VaultPage, "The vault"), authecho.RequireFresh(demo.FreshFor))
	e.GET("/admin", h.page(demo.AdminPage, "For admins"), authecho.RequireRole("admin"))
	e.GET("/me", h.me, authecho.RequireLogin())
	e.POST("/step-up", h.stepUp, authecho.RequireLogin())
	e.POST("/slow", h.slow, authecho.RequireLogin())
	e.GET("/devices", h.devices, authecho.RequireLogin())
	e.POST("/devices/revoke", h.revoke, authecho.RequireLogin())
	e.POST("/devices/revoke-others", h.revokeOthers, authecho.RequireLogin())
	e.POST("/devices/revoke-all", h.revokeAll, authecho.RequireLogin())
	e.POST("/password", h.changePassword, authecho.RequireLogin())
	e.POST("/token", h.token, authecho.RequireLogin())
	e.GET("/.well-known/jwks.json", authecho.JWKS(app.Keys))
	e.GET("/keys", h.keys)
	e.POST("/keys/rotate", h.rotate, authecho.RequireRole("admin"))
	e.POST("/keys/revoke", h.revokeKey, authecho.RequireRole("admin"))
	e.POST("/auth/login", authecho.TokenLogin(app.Rotator, h.identify))
	e.POST("/auth/refresh", authecho.Refresh(app.Rotator))
	e.POST("/auth/refresh-late", authecho.Refresh(app.Rotator), h.wait)
	e.POST("/auth/logout", authecho.Logout(app.Rotator))
	e.POST("/auth/play", h.play)
	refreshed := authecho.Bearer(app.Refreshed)
	e.GET("/auth/whoami", h.whoami, refreshed)
	e.POST("/auth/logout-everywhere", h.logoutEverywhere, refreshed)
	e.GET("/orders", h.orders)
	e.GET("/api/greeting", h.greeting, authecho.Bearer(app.Tokens, authecho.Config{Optional: true}))
	bearer := authecho.Bearer(app.Tokens)
	e.GET("/api/whoami", h.whoami, bearer)
	e.POST("/api/whoami", h.whoami, bearer)
	e.GET("/api/refunds", h.whoami, bearer, authecho.RequireScope(demo.RefundScope))
	e.GET("/api/admin", h.whoami, bearer, authecho.RequireRole("admin"))
	e.GET("/api/vault", h.whoami, bearer, authecho.RequireFresh(demo.FreshFor))
	return newHTTPServer(e)
}

type echoPages struct{}

// Render implements echo.Renderer.
func (echoPages) Render(w io.Writer, name string, data any, _ echo.Context) error {
	return demo.Pages.ExecuteTemplate(w, name, data)
}

func (echoRoutes) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		for name, value := range demo.Headers {
			c.Response().Header().Set(name, value)
		}
		return next(c)
	}
}

func (h echoRoutes) refused(c echo.Context, err error) error {
	var d *adapter.Denied
	switch {
	case !errors.As(err, &d) || c.Response().Committed:
		return err
	case demo.WantsPage(c.Request().Header.Get("Accept")):
		p := h.app.Refused(d)
		p.CSRF, _ = h.proof(c) // without one its form is refused, too
		return c.Render(d.Status, demo.RefusedPage, p)
	default:
		return c.Blob(d.Status, "application/json; charset=utf-8", d.Body())
	}
}

func (echoRoutes) unchecked(c echo.Context) bool {
	h := c.Request().Header
	return demo.Unchecked(c.Request().Method, h.Get("Origin"), h.Get("Sec-Fetch-Site"), h.Get("Referer"))
}

// proof is for the page that is answered.
func (h echoRoutes) proof(c echo.Context) (string, error) {
	if h.unchecked(c) {
		return "", nil
	}
	return authecho.CSRFToken(c)
}

func (h echoRoutes) csrf(c echo.Context) error {
	t, err := h.proof(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"csrf_token": t})
}

func (h echoRoutes) gift(c echo.Context) error {
	return h.then(c, h.app.Gift(authecho.SessionFrom(c)), "/#h-forgery")
}

func (h echoRoutes) home(c echo.Context) error { return h.showHome(c, http.StatusOK, "") }

func (h echoRoutes) showHome(c echo.Context, status int, formError string) error {
	p, err := h.app.Home(c.Request().Context(), authecho.SessionFrom(c), formError)
	if err == nil {
		p.CSRF, err = h.proof(c)
	}
	if err != nil {
		return err
	}
	return c.Render(status, demo.HomePage, p)
}

// then goes to the next page, or answers for what went wrong.
func (h echoRoutes) then(c echo.Context, err error, path string) error {
	switch {
	case err == nil:
		return c.Redirect(http.StatusSeeOther, path)
	case errors.Is(err, demo.ErrCredentials):
		return h.showHome(c, http.StatusForbidden, demo.WrongCredentials)
	case errors.Is(err, demo.ErrProduct), errors.Is(err, demo.ErrAct):
		return echo.NewHTTPError(http.StatusBadRequest, err.Error())
	default:
		return err
	}
}

// echoForm reads the body alone: c.FormValue would take a password from the URL too.
func echoForm(c echo.Context, name string) string { return c.Request().PostFormValue(name) }

func (h echoRoutes) login(c echo.Context) error {
	err := h.app.Login(c.Request().Context(), authecho.SessionFrom(c), echoForm(c, "user"), echoForm(c, "password"))
	return h.then(c, err, "/")
}

func (h echoRoutes) logout(c echo.Context) error {
	return h.then(c, h.app.Logout(c.Request().Context(), authecho.SessionFrom(c)), "/")
}

func (h echoRoutes) stepUp(c echo.Context) error {
	err := h.app.StepUp(c.Request().Context(), authecho.SessionFrom(c), echoForm(c, "password"))
	return h.then(c, err, demo.After(echoForm(c, "to")))
}

func (h echoRoutes) devices(c echo.Context) error {
	list, err := h.app.Devices(c.Request().Context(), authecho.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list)
}

func (h echoRoutes) revoke(c echo.Context) error {
	err := h.app.Revoke(c.Request().Context(), authecho.SessionFrom(c), echoForm(c, "session"))
	return h.then(c, err, "/#h-devices")
}

func (h echoRoutes) revokeOthers(c echo.Context) error {
	return h.then(c, h.app.RevokeOthers(c.Request().Context(), authecho.SessionFrom(c)), "/#h-devices")
}

func (h echoRoutes) revokeAll(c echo.Context) error {
	return h.then(c, authecho.SessionFrom(c).RevokeAll(c.Request().Context()), "/")
}

func (h echoRoutes) changePassword(c echo.Context) error {
	return h.then(c, h.app.ChangePassword(c.Request().Context(), authecho.SessionFrom(c)), "/#h-devices")
}

func (h echoRoutes) addToCart(c echo.Context) error {
	return h.then(c, h.app.AddToCart(authecho.SessionFrom(c), echoForm(c, "product")), "/#h-data")
}

func (h echoRoutes) emptyCart(c echo.Context) error {
	return h.then(c, h.app.EmptyCart(authecho.SessionFrom(c)), "/#h-data")
}

func (h echoRoutes) attack(c echo.Context) error {
	return h.then(c, h.app.Attack(c.Request().Context(), authecho.SessionFrom(c)), "/#h-fixation")
}

func (h echoRoutes) click(c echo.Context) error {
	if err := h.app.Click(authecho.SessionFrom(c)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h echoRoutes) clicks(c echo.Context) error {
	n, err := h.app.Clicks(authecho.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"clicks": n})
}

func (h echoRoutes) slow(c echo.Context) error {
	if err := h.app.Slow(c.Request().Context(), authecho.SessionFrom(c)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h echoRoutes) wait(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h.app.Wait(c.Request().Context())
		return next(c)
	}
}

func (h echoRoutes) me(c echo.Context) error {
	me, err := h.app.Me(authecho.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, me)
}

func (h echoRoutes) token(c echo.Context) error {
	t, err := h.app.Token(c.Request().Context(), authecho.SessionFrom(c), echoForm(c, "for"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, t)
}

func (h echoRoutes) identify(c echo.Context) (refresh.Identity, error) {
	var sent demo.Credentials
	if err := c.Bind(&sent); err != nil {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return h.app.Identify(sent)
}

func (h echoRoutes) logoutEverywhere(c echo.Context) error {
	p, err := authecho.PrincipalFrom(c)
	if err == nil {
		err = h.app.LogoutEverywhere(c.Request().Context(), p.Subject)
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h echoRoutes) play(c echo.Context) error {
	jar := ""
	if sent, err := c.Cookie(h.app.Rotator.Cookie().Name()); err == nil {
		jar = sent.Value
	}
	scene, err := h.app.Play(c.Request().Context(), authecho.SessionFrom(c), jar, echoForm(c, "act"), echoForm(c, "after"))
	if err != nil {
		return h.then(c, err, "")
	}
	return c.JSON(http.StatusOK, scene)
}

func (echoRoutes) whoami(c echo.Context) error {
	claims, err := authecho.ClaimsFrom[map[string]any](c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, claims)
}

func (echoRoutes) greeting(c echo.Context) error {
	p, err := authecho.PrincipalFrom(c)
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return c.JSON(http.StatusOK, echo.Map{"greeting": "Hello, whoever you are"})
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"greeting": "Hello, " + p.Subject})
}

func (h echoRoutes) keys(c echo.Context) error { return c.JSON(http.StatusOK, h.app.KeyList()) }

func (h echoRoutes) rotate(c echo.Context) error {
	return h.keysAfter(c, h.app.Keys.Rotate(c.Request().Context()))
}

func (h echoRoutes) revokeKey(c echo.Context) error {
	return h.keysAfter(c, h.app.Keys.Revoke(c.Request().Context(), echoForm(c, "kid")))
}

func (h echoRoutes) keysAfter(c echo.Context, err error) error {
	switch {
	case err == nil:
		return h.keys(c)
	case errors.Is(err, token.ErrNoKey):
		return c.NoContent(http.StatusNotFound)
	default:
		return err
	}
}

func (h echoRoutes) orders(c echo.Context) error {
	a := h.app.AskOrders(c.Request().Context(), c.Request().Header.Get("Authorization"))
	if a.Challenge != "" {
		c.Response().Header().Set("WWW-Authenticate", a.Challenge)
	}
	return c.Blob(a.Status, a.Type, a.Body)
}

func (h echoRoutes) page(name, title string) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := h.app.Plain(authecho.SessionFrom(c), title)
		if err == nil {
			p.CSRF, err = h.proof(c)
		}
		if err != nil {
			return err
		}
		return c.Render(http.StatusOK, name, p)
	}
}

func (h echoRoutes) events(c echo.Context) error {
	c.Response().Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(c.Response()).Flush
	h.app.Log.Stream(c.Request().Context(), c.Request().Header.Get("Last-Event-ID"), c.Response(), flush)
	return nil
}
