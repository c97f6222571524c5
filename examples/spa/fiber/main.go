// The API of a single-page application in Fiber: go run ./spa/fiber, and ./spa/pages beside it
package main

import (
	"cmp"
	"log"
	"os"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

var clicks = session.NewCounter("clicks")

func main() {
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8083")
	self, pages := "http://"+addr, []string{cmp.Or(os.Getenv("PAGES"), "http://127.0.0.1:3000")}
	// InsecureHTTP is for development on loopback. Behind TLS leave it out, three times.
	sessions := must(session.New(memstore.Default(), session.Config{Cookie: cookie.Config{Name: "fiber", InsecureHTTP: true}}))
	keys := must(token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256}))
	issuer := must(token.NewIssuer(token.IssuerConfig{Name: self, Audience: "api", Keys: keys}))
	verifier := must(token.NewVerifier(token.VerifierConfig{Audience: "api", Issuers: []token.TrustedIssuer{{
		Name: self, Algorithms: []token.Algorithm{token.ES256}, Keys: keys, Revocations: sessions.Revocations(),
	}}}))
	rotator := must(refresh.New(sessions.Revocations(), refresh.Config{
		Issuer: issuer, Wired: []string{"api"}, PublicOrigin: self, TrustedOrigins: pages,
		Transport: refresh.Cookie, Cookie: refresh.CookieConfig{Name: "fiber-refresh", InsecureHTTP: true},
	}))
	policy := must(cors.New(cors.Config{
		Origins: pages, Credentials: true, ResponseHeaders: []string{"Retry-After"},
		RequestHeaders: []string{"Authorization", "Content-Type", "X-CSRF-Token"},
	}))
	guard := must(csrf.New(csrf.Config{
		PublicOrigin: self, TrustedOrigins: pages, Cookie: cookie.Config{Name: "fiber-csrf", InsecureHTTP: true},
	}))

	app := fiber.New()
	app.Use(authfiber.CORS(policy)) // in front of all that asks who the client is
	app.Post("/auth/login", authfiber.TokenLogin(rotator, check))
	app.Post("/auth/refresh", authfiber.Refresh(rotator)) // these three guard their cookie themselves
	app.Post("/auth/logout", authfiber.Logout(rotator))
	app.Get("/api/me", authfiber.Bearer(verifier), func(c *fiber.Ctx) error {
		user, err := authfiber.PrincipalFrom(c)
		return answer(c, fiber.Map{"user": user.Subject}, err)
	})
	cookies := app.Group("/", authfiber.Session(sessions), authfiber.CSRF(guard))
	cookies.Get("/csrf", func(c *fiber.Ctx) error {
		t, err := authfiber.CSRFToken(c)
		return answer(c, fiber.Map{"csrf_token": t}, err)
	})
	cookies.Post("/clicks", func(c *fiber.Ctx) error {
		s := authfiber.SessionFrom(c)
		err := clicks.Add(s, 1)
		n, _ := clicks.Get(s)
		return answer(c, fiber.Map{"clicks": n}, err)
	})
	log.Fatal(app.Listen(addr))
}

func answer(c *fiber.Ctx, body fiber.Map, err error) error {
	if err != nil {
		return err // the middleware makes 503, 401 or 500 of it
	}
	return c.JSON(body)
}

func check(c *fiber.Ctx) (refresh.Identity, error) {
	var form struct{ User, Password string }
	if err := c.BodyParser(&form); err != nil || form.User != "alice" || form.Password != "wonderland" { // yours: a hash
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: form.User, Method: "password"}, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err) // every mistake at once
	}
	return v
}
