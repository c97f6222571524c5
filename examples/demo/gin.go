package main

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
	"github.com/sallyport-go/sallyport/examples/internal/demo"
	authgin "github.com/sallyport-go/sallyport/gin"
)

type ginRoutes struct{ app *demo.App }

func newGin(app *demo.App) server {
	gin.SetMode(gin.ReleaseMode)
	h := ginRoutes{app}
	r := gin.New()
	r.SetHTMLTemplate(demo.Pages)
	r.Use(gin.Recovery(), authgin.CORS(app.CORS), h.headers, authgin.Session(app.Sessions, authgin.Config{ErrorHandler: h.refused}))
	r.Use(authgin.CSRF(app.Guard, authgin.Config{Skip: h.unchecked}))
	r.StaticFS("/assets", &gin.OnlyFilesFS{FileSystem: http.FS(demo.Assets())})
	r.GET("/", h.home)
	r.POST("/login", h.login)
	r.POST("/logout", h.logout)
	r.POST("/cart", h.addToCart)
	r.POST("/cart/empty", h.emptyCart)
	r.POST("/gift", h.gift)
	r.GET("/csrf", h.csrf)
	r.GET("/clicks", h.clicks)
	r.POST("/click", h.click)
	r.POST("/attack/fixation", h.attack)
	r.POST("/late", h.wait, authgin.RequireLogin(), h.me)
	r.GET("/events", h.events)
	r.GET("/vault", authgin.RequireFresh(demo.FreshFor), h.page(demo.VaultPage, "The vault"))
	r.GET("/admin", authgin.RequireRole("admin"), h.page(demo.AdminPage, "For admins"))
	user := r.Group("/", authgin.RequireLogin())
	user.GET("/me", h.me)
	user.POST("/step-up", h.stepUp)
	user.POST("/slow", h.slow)
	user.GET("/devices", h.devices)
	user.POST("/devices/revoke", h.revoke)
	user.POST("/devices/revoke-others", h.revokeOthers)
	user.POST("/devices/revoke-all", h.revokeAll)
	user.POST("/password", h.changePassword)
	user.POST("/token", h.token)
	r.GET("/.well-known/jwks.json", authgin.JWKS(app.Keys))
	r.GET("/keys", h.keys)
	admin := r.Group("/keys", authgin.RequireRole("admin"))
	admin.POST("/rotate", h.rotate)
	admin.POST("/revoke", h.revokeKey)
	r.POST("/auth/login", authgin.TokenLogin(app.Rotator, h.identify))
	r.POST("/auth/refresh", authgin.Refresh(app.Rotator))
	r.POST("/auth/refresh-late", h.wait, authgin.Refresh(app.Rotator))
	r.POST("/auth/logout", authgin.Logout(app.Rotator))
	r.POST("/auth/play", h.play)
	refreshed := r.Group("/auth", authgin.Bearer(app.Refreshed))
	refreshed.GET("/whoami", h.whoami)
	refreshed.POST("/logout-everywhere", h.logoutEverywhere)
	r.GET("/orders", h.orders)
	r.GET("/api/greeting", authgin.Bearer(app.Tokens, authgin.Config{Optional: true}), h.greeting)
	api := r.Group("/api", authgin.Bearer(app.Tokens))
	api.GET("/whoami", h.whoami)
	api.POST("/whoami", h.whoami)
	api.GET("/refunds", authgin.RequireScope(demo.RefundScope), h.whoami)
	api.GET("/admin", authgin.RequireRole("admin"), h.whoami)
	api.GET("/vault", authgin.RequireFresh(demo.FreshFor), h.whoami)
	return newHTTPServer(r)
}

func (ginRoutes) headers(c *gin.Context) {
	for name, value := range demo.Headers {
		c.Header(name, value)
	}
}

func (h ginRoutes) refused(c *gin.Context, err error) {
	_ = c.Error(err)
	var d *adapter.Denied
	switch {
	case !errors.As(err, &d) || c.Writer.Written():
	case demo.WantsPage(c.GetHeader("Accept")):
		p := h.app.Refused(d)
		p.CSRF, _ = h.proof(c) // without one its form is refused, too
		c.HTML(d.Status, demo.RefusedPage, p)
	default:
		c.Data(d.Status, "application/json; charset=utf-8", d.Body())
	}
}

func (ginRoutes) unchecked(c *gin.Context) bool {
	return demo.Unchecked(c.Request.Method, c.GetHeader("Origin"), c.GetHeader("Sec-Fetch-Site"), c.GetHeader("Referer"))
}

// proof is for the page that is answered.
func (h ginRoutes) proof(c *gin.Context) (string, error) {
	if h.unchecked(c) {
		return "", nil
	}
	return authgin.CSRFToken(c)
}

func (h ginRoutes) csrf(c *gin.Context) {
	t, err := h.proof(c)
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"csrf_token": t})
}

func (h ginRoutes) gift(c *gin.Context) { h.then(c, h.app.Gift(authgin.SessionFrom(c)), "/#h-forgery") }

func (h ginRoutes) home(c *gin.Context) { h.showHome(c, http.StatusOK, "") }

func (h ginRoutes) showHome(c *gin.Context, status int, formError string) {
	p, err := h.app.Home(c.Request.Context(), authgin.SessionFrom(c), formError)
	if err == nil {
		p.CSRF, err = h.proof(c)
	}
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.HTML(status, demo.HomePage, p)
}

// then goes to the next page, or answers for what went wrong.
func (h ginRoutes) then(c *gin.Context, err error, path string) {
	switch {
	case err == nil:
		c.Redirect(http.StatusSeeOther, path)
	case errors.Is(err, demo.ErrCredentials):
		h.showHome(c, http.StatusForbidden, demo.WrongCredentials)
	case errors.Is(err, demo.ErrProduct), errors.Is(err, demo.ErrAct):
		c.String(http.StatusBadRequest, err.Error())
	default:
		authgin.Fail(c, err)
	}
}

func (h ginRoutes) login(c *gin.Context) {
	err := h.app.Login(c.Request.Context(), authgin.SessionFrom(c), c.PostForm("user"), c.PostForm("password"))
	h.then(c, err, "/")
}

func (h ginRoutes) logout(c *gin.Context) {
	h.then(c, h.app.Logout(c.Request.Context(), authgin.SessionFrom(c)), "/")
}

func (h ginRoutes) stepUp(c *gin.Context) {
	err := h.app.StepUp(c.Request.Context(), authgin.SessionFrom(c), c.PostForm("password"))
	h.then(c, err, demo.After(c.PostForm("to")))
}

func (h ginRoutes) devices(c *gin.Context) {
	list, err := h.app.Devices(c.Request.Context(), authgin.SessionFrom(c))
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, list)
}

func (h ginRoutes) revoke(c *gin.Context) {
	err := h.app.Revoke(c.Request.Context(), authgin.SessionFrom(c), c.PostForm("session"))
	h.then(c, err, "/#h-devices")
}

func (h ginRoutes) revokeOthers(c *gin.Context) {
	h.then(c, h.app.RevokeOthers(c.Request.Context(), authgin.SessionFrom(c)), "/#h-devices")
}

func (h ginRoutes) revokeAll(c *gin.Context) {
	h.then(c, authgin.SessionFrom(c).RevokeAll(c.Request.Context()), "/")
}

func (h ginRoutes) changePassword(c *gin.Context) {
	h.then(c, h.app.ChangePassword(c.Request.Context(), authgin.SessionFrom(c)), "/#h-devices")
}

func (h ginRoutes) addToCart(c *gin.Context) {
	h.then(c, h.app.AddToCart(authgin.SessionFrom(c), c.PostForm("product")), "/#h-data")
}

func (h ginRoutes) emptyCart(c *gin.Context) {
	h.then(c, h.app.EmptyCart(authgin.SessionFrom(c)), "/#h-data")
}

func (h ginRoutes) attack(c *gin.Context) {
	h.then(c, h.app.Attack(c.Request.Context(), authgin.SessionFrom(c)), "/#h-fixation")
}

func (h ginRoutes) click(c *gin.Context) {
	if err := h.app.Click(authgin.SessionFrom(c)); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (h ginRoutes) clicks(c *gin.Context) {
	n, err := h.app.Clicks(authgin.SessionFrom(c))
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"clicks": n})
}

func (h ginRoutes) slow(c *gin.Context) {
	if err := h.app.Slow(c.Request.Context(), authgin.SessionFrom(c)); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (h ginRoutes) wait(c *gin.Context) { h.app.Wait(c.Request.Context()) }

func (h ginRoutes) me(c *gin.Context) {
	me, err := h.app.Me(authgin.SessionFrom(c))
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, me)
}

func (h ginRoutes) token(c *gin.Context) {
	t, err := h.app.Token(c.Request.Context(), authgin.SessionFrom(c), c.PostForm("for"))
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, t)
}

func (h ginRoutes) identify(c *gin.Context) (refresh.Identity, error) {
	var sent demo.Credentials
	if err := c.ShouldBindJSON(&sent); err != nil {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return h.app.Identify(sent)
}

func (h ginRoutes) logoutEverywhere(c *gin.Context) {
	p, err := authgin.PrincipalFrom(c)
	if err == nil {
		err = h.app.LogoutEverywhere(c.Request.Context(), p.Subject)
	}
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (h ginRoutes) play(c *gin.Context) {
	jar, _ := c.Cookie(h.app.Rotator.Cookie().Name())
	scene, err := h.app.Play(c.Request.Context(), authgin.SessionFrom(c), jar, c.PostForm("act"), c.PostForm("after"))
	if err != nil {
		h.then(c, err, "")
		return
	}
	c.JSON(http.StatusOK, scene)
}

func (ginRoutes) whoami(c *gin.Context) {
	claims, err := authgin.ClaimsFrom[map[string]any](c)
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, claims)
}

func (ginRoutes) greeting(c *gin.Context) {
	switch p, err := authgin.PrincipalFrom(c); {
	case err == nil:
		c.JSON(http.StatusOK, gin.H{"greeting": "Hello, " + p.Subject})
	case errors.Is(err, core.ErrAnonymous):
		c.JSON(http.StatusOK, gin.H{"greeting": "Hello, whoever you are"})
	default:
		authgin.Fail(c, err)
	}
}

func (h ginRoutes) keys(c *gin.Context) { c.JSON(http.StatusOK, h.app.KeyList()) }

func (h ginRoutes) rotate(c *gin.Context) { h.keysAfter(c, h.app.Keys.Rotate(c.Request.Context())) }

func (h ginRoutes) revokeKey(c *gin.Context) {
	h.keysAfter(c, h.app.Keys.Revoke(c.Request.Context(), c.PostForm("kid")))
}

func (h ginRoutes) keysAfter(c *gin.Context, err error) {
	switch {
	case err == nil:
		h.keys(c)
	case errors.Is(err, token.ErrNoKey):
		c.Status(http.StatusNotFound)
	default:
		authgin.Fail(c, err)
	}
}

func (h ginRoutes) orders(c *gin.Context) {
	a := h.app.AskOrders(c.Request.Context(), c.GetHeader("Authorization"))
	c.Header("WWW-Authenticate", a.Challenge)
	c.Data(a.Status, a.Type, a.Body)
}

func (h ginRoutes) page(name, title string) gin.HandlerFunc {
	return func(c *gin.Context) {
		p, err := h.app.Plain(authgin.SessionFrom(c), title)
		if err == nil {
			p.CSRF, err = h.proof(c)
		}
		if err != nil {
			authgin.Fail(c, err)
			return
		}
		c.HTML(http.StatusOK, name, p)
	}
}

func (h ginRoutes) events(c *gin.Context) {
	c.Header("Content-Type", "text/event-stream")
	flush := http.NewResponseController(c.Writer).Flush
	h.app.Log.Stream(c.Request.Context(), c.GetHeader("Last-Event-ID"), c.Writer, flush)
}
