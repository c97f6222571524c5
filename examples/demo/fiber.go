package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/filesystem"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
	"github.com/sallyport-go/sallyport/examples/internal/demo"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

type fiberRoutes struct{ app *demo.App }

func newFiber(app *demo.App) server {
	h := fiberRoutes{app}
	f := fiber.New(fiber.Config{
		Views:                 fiberPages{},
		DisableStartupMessage: true,
		BodyLimit:             demo.MaxBody,
		ReadTimeout:           10 * time.Second,
		IdleTimeout:           time.Minute,
		// No WriteTimeout: it would end the stream of events.
	})
	f.Use(recover.New(), authfiber.CORS(app.CORS), h.headers, authfiber.Session(app.Sessions, authfiber.Config{ErrorHandler: h.refused}))
	f.Use(authfiber.CSRF(app.Guard, authfiber.Config{Next: h.unchecked}))
	f.Use("/assets", filesystem.New(filesystem.Config{Root: http.FS(demo.Assets())}))
	f.Get("/", h.home)
	f.Post("/login", h.login)
	f.Post("/logout", h.logout)
	f.Post("/cart", h.addToCart)
	f.Post("/cart/empty", h.emptyCart)
	f.Post("/gift", h.gift)
	f.Get("/csrf", h.csrf)
	f.Get("/clicks", h.clicks)
	f.Post("/click", h.click)
	f.Post("/attack/fixation", h.attack)
	f.Post("/late", h.wait, authfiber.RequireLogin(), h.me)
	f.Get("/events", h.events)
	f.Get("/vault", authfiber.RequireFresh(demo.FreshFor), h.page(demo.VaultPage, "The vault"))
	f.Get("/admin", authfiber.RequireRole("admin"), h.page(demo.AdminPage, "For admins"))
	f.Get("/me", authfiber.RequireLogin(), h.me)
	f.Post("/step-up", authfiber.RequireLogin(), h.stepUp)
	f.Post("/slow", authfiber.RequireLogin(), h.slow)
	f.Get("/devices", authfiber.RequireLogin(), h.devices)
	f.Post("/devices/revoke", authfiber.RequireLogin(), h.revoke)
	f.Post("/devices/revoke-others", authfiber.RequireLogin(), h.revokeOthers)
	f.Post("/devices/revoke-all", authfiber.RequireLogin(), h.revokeAll)
	f.Post("/password", authfiber.RequireLogin(), h.changePassword)
	f.Post("/token", authfiber.RequireLogin(), h.token)
	f.Get("/.well-known/jwks.json", authfiber.JWKS(app.Keys))
	f.Get("/keys", h.keys)
	f.Post("/keys/rotate", authfiber.RequireRole("admin"), h.rotate)
	f.Post("/keys/revoke", authfiber.RequireRole("admin"), h.revokeKey)
	f.Post("/auth/login", authfiber.TokenLogin(app.Rotator, h.identify))
	f.Post("/auth/refresh", authfiber.Refresh(app.Rotator))
	f.Post("/auth/refresh-late", h.wait, authfiber.Refresh(app.Rotator))
	f.Post("/auth/logout", authfiber.Logout(app.Rotator))
	f.Post("/auth/play", h.play)
	refreshed := authfiber.Bearer(app.Refreshed)
	f.Get("/auth/whoami", refreshed, h.whoami)
	f.Post("/auth/logout-everywhere", refreshed, h.logoutEverywhere)
	f.Get("/orders", h.orders)
	f.Get("/api/greeting", authfiber.Bearer(app.Tokens, authfiber.Config{Optional: true}), h.greeting)
	api := f.Group("/api", authfiber.Bearer(app.Tokens))
	api.Get("/whoami", h.whoami)
	api.Post("/whoami", h.whoami)
	api.Get("/refunds", authfiber.RequireScope(demo.RefundScope), h.whoami)
	api.Get("/admin", authfiber.RequireRole("admin"), h.whoami)
	api.Get("/vault", authfiber.RequireFresh(demo.FreshFor), h.whoami)
	return fiberServer{f}
}

type fiberServer struct{ f *fiber.App }

func (s fiberServer) Serve(l net.Listener) error         { return s.f.Listener(l) }
func (s fiberServer) Shutdown(ctx context.Context) error { return s.f.ShutdownWithContext(ctx) }

type fiberPages struct{}

// Load implements fiber.Views.
func (fiberPages) Load() error { return nil }

// Render implements fiber.Views.
func (fiberPages) Render(w io.Writer, name string, data any, _ ...string) error {
	return demo.Pages.ExecuteTemplate(w, name, data)
}

func (fiberRoutes) headers(c *fiber.Ctx) error {
	for name, value := range demo.Headers {
		c.Set(name, value)
	}
	return c.Next()
}

func (h fiberRoutes) refused(c *fiber.Ctx, err error) error {
	var d *adapter.Denied
	if !errors.As(err, &d) {
		return err
	}
	c.Status(d.Status)
	if demo.WantsPage(c.Get("Accept")) {
		p := h.app.Refused(d)
		p.CSRF, _ = h.proof(c) // without one its form is refused, too
		return c.Render(demo.RefusedPage, p)
	}
	c.Set("Content-Type", "application/json; charset=utf-8")
	return c.Send(d.Body())
}

func (fiberRoutes) unchecked(c *fiber.Ctx) bool {
	return demo.Unchecked(c.Method(), c.Get("Origin"), c.Get("Sec-Fetch-Site"), c.Get("Referer"))
}

// proof is for the page that is answered.
func (h fiberRoutes) proof(c *fiber.Ctx) (string, error) {
	if h.unchecked(c) {
		return "", nil
	}
	return authfiber.CSRFToken(c)
}

func (h fiberRoutes) csrf(c *fiber.Ctx) error {
	t, err := h.proof(c)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"csrf_token": t})
}

func (h fiberRoutes) gift(c *fiber.Ctx) error {
	return h.then(c, h.app.Gift(authfiber.SessionFrom(c)), "/#h-forgery")
}

func (h fiberRoutes) home(c *fiber.Ctx) error { return h.showHome(c, fiber.StatusOK, "") }

func (h fiberRoutes) showHome(c *fiber.Ctx, status int, formError string) error {
	p, err := h.app.Home(c.UserContext(), authfiber.SessionFrom(c), formError)
	if err == nil {
		p.CSRF, err = h.proof(c)
	}
	if err != nil {
		return err
	}
	return c.Status(status).Render(demo.HomePage, p)
}

// then goes to the next page, or answers for what went wrong.
func (h fiberRoutes) then(c *fiber.Ctx, err error, path string) error {
	switch {
	case err == nil:
		return c.Redirect(path, fiber.StatusSeeOther)
	case errors.Is(err, demo.ErrCredentials):
		return h.showHome(c, fiber.StatusForbidden, demo.WrongCredentials)
	case errors.Is(err, demo.ErrProduct), errors.Is(err, demo.ErrAct):
		return fiber.NewError(fiber.StatusBadRequest, err.Error())
	default:
		return err
	}
}

// fiberForm reads the body alone, and copies: what Fiber hands out belongs to the
// next request as soon as this one is over.
func fiberForm(c *fiber.Ctx, name string) string { return string(c.Context().PostArgs().Peek(name)) }

func (h fiberRoutes) login(c *fiber.Ctx) error {
	err := h.app.Login(c.UserContext(), authfiber.SessionFrom(c), fiberForm(c, "user"), fiberForm(c, "password"))
	return h.then(c, err, "/")
}

func (h fiberRoutes) logout(c *fiber.Ctx) error {
	return h.then(c, h.app.Logout(c.UserContext(), authfiber.SessionFrom(c)), "/")
}

func (h fiberRoutes) stepUp(c *fiber.Ctx) error {
	err := h.app.StepUp(c.UserContext(), authfiber.SessionFrom(c), fiberForm(c, "password"))
	return h.then(c, err, demo.After(fiberForm(c, "to")))
}

func (h fiberRoutes) devices(c *fiber.Ctx) error {
	list, err := h.app.Devices(c.UserContext(), authfiber.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(list)
}

func (h fiberRoutes) revoke(c *fiber.Ctx) error {
	err := h.app.Revoke(c.UserContext(), authfiber.SessionFrom(c), fiberForm(c, "session"))
	return h.then(c, err, "/#h-devices")
}

func (h fiberRoutes) revokeOthers(c *fiber.Ctx) error {
	return h.then(c, h.app.RevokeOthers(c.UserContext(), authfiber.SessionFrom(c)), "/#h-devices")
}

func (h fiberRoutes) revokeAll(c *fiber.Ctx) error {
	return h.then(c, authfiber.SessionFrom(c).RevokeAll(c.UserContext()), "/")
}

func (h fiberRoutes) changePassword(c *fiber.Ctx) error {
	return h.then(c, h.app.ChangePassword(c.UserContext(), authfiber.SessionFrom(c)), "/#h-devices")
}

func (h fiberRoutes) addToCart(c *fiber.Ctx) error {
	return h.then(c, h.app.AddToCart(authfiber.SessionFrom(c), fiberForm(c, "product")), "/#h-data")
}

func (h fiberRoutes) emptyCart(c *fiber.Ctx) error {
	return h.then(c, h.app.EmptyCart(authfiber.SessionFrom(c)), "/#h-data")
}

func (h fiberRoutes) attack(c *fiber.Ctx) error {
	return h.then(c, h.app.Attack(c.UserContext(), authfiber.SessionFrom(c)), "/#h-fixation")
}

func (h fiberRoutes) click(c *fiber.Ctx) error {
	if err := h.app.Click(authfiber.SessionFrom(c)); err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

func (h fiberRoutes) clicks(c *fiber.Ctx) error {
	n, err := h.app.Clicks(authfiber.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"clicks": n})
}

func (h fiberRoutes) slow(c *fiber.Ctx) error {
	if err := h.app.Slow(c.UserContext(), authfiber.SessionFrom(c)); err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

func (h fiberRoutes) wait(c *fiber.Ctx) error {
	h.app.Wait(c.UserContext())
	return c.Next()
}

func (h fiberRoutes) me(c *fiber.Ctx) error {
	me, err := h.app.Me(authfiber.SessionFrom(c))
	if err != nil {
		return err
	}
	return c.JSON(me)
}

func (h fiberRoutes) token(c *fiber.Ctx) error {
	t, err := h.app.Token(c.UserContext(), authfiber.SessionFrom(c), fiberForm(c, "for"))
	if err != nil {
		return err
	}
	return c.JSON(t)
}

func (h fiberRoutes) identify(c *fiber.Ctx) (refresh.Identity, error) {
	var sent demo.Credentials
	if err := c.BodyParser(&sent); err != nil {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return h.app.Identify(sent)
}

func (h fiberRoutes) logoutEverywhere(c *fiber.Ctx) error {
	p, err := authfiber.PrincipalFrom(c)
	if err == nil {
		err = h.app.LogoutEverywhere(c.UserContext(), p.Subject)
	}
	if err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

func (h fiberRoutes) play(c *fiber.Ctx) error {
	// A copy: the session holds on to what the thief takes for longer than this request.
	jar := strings.Clone(c.Cookies(h.app.Rotator.Cookie().Name()))
	scene, err := h.app.Play(c.UserContext(), authfiber.SessionFrom(c), jar, fiberForm(c, "act"), fiberForm(c, "after"))
	if err != nil {
		return h.then(c, err, "")
	}
	return c.JSON(scene)
}

func (fiberRoutes) whoami(c *fiber.Ctx) error {
	claims, err := authfiber.ClaimsFrom[map[string]any](c)
	if err != nil {
		return err
	}
	return c.JSON(claims)
}

func (fiberRoutes) greeting(c *fiber.Ctx) error {
	p, err := authfiber.PrincipalFrom(c)
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return c.JSON(fiber.Map{"greeting": "Hello, whoever you are"})
	case err != nil:
		return err
	}
	return c.JSON(fiber.Map{"greeting": "Hello, " + p.Subject})
}

func (h fiberRoutes) keys(c *fiber.Ctx) error { return c.JSON(h.app.KeyList()) }

func (h fiberRoutes) rotate(c *fiber.Ctx) error {
	return h.keysAfter(c, h.app.Keys.Rotate(c.UserContext()))
}

func (h fiberRoutes) revokeKey(c *fiber.Ctx) error {
	return h.keysAfter(c, h.app.Keys.Revoke(c.UserContext(), fiberForm(c, "kid")))
}

func (h fiberRoutes) keysAfter(c *fiber.Ctx, err error) error {
	switch {
	case err == nil:
		return h.keys(c)
	case errors.Is(err, token.ErrNoKey):
		return c.SendStatus(fiber.StatusNotFound)
	default:
		return err
	}
}

func (h fiberRoutes) orders(c *fiber.Ctx) error {
	// A copy: net/http may hold on to what it sends for longer than this request.
	a := h.app.AskOrders(c.UserContext(), strings.Clone(c.Get("Authorization")))
	if a.Challenge != "" {
		c.Set("WWW-Authenticate", a.Challenge)
	}
	c.Set("Content-Type", a.Type)
	return c.Status(a.Status).Send(a.Body)
}

func (h fiberRoutes) page(name, title string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		p, err := h.app.Plain(authfiber.SessionFrom(c), title)
		if err == nil {
			p.CSRF, err = h.proof(c)
		}
		if err != nil {
			return err
		}
		return c.Render(name, p)
	}
}

func (h fiberRoutes) events(c *fiber.Ctx) error {
	c.Set("Content-Type", "text/event-stream")
	last := string(c.Request().Header.Peek("Last-Event-ID")) // a copy, for the stream outlives c
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		h.app.Log.Stream(context.Background(), last, w, w.Flush)
	})
	return nil
}
