// Sessions, access tokens and refresh tokens in a Fiber application: go run ./fiber
//
//	proof=$(curl -s -c jar 127.0.0.1:8083/csrf | cut -d'"' -f4)
//	curl -b jar -c jar -H "X-CSRF-Token: $proof" -d 'user=alice&password=wonderland' 127.0.0.1:8083/login
//	curl -b jar 127.0.0.1:8083/me
package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

var (
	language = session.NewKey[string]("language") // any type that JSON can carry
	visits   = session.NewCounter("visits")
	notices  = session.NewFlash[string]("notices")
)

func main() {
	sessions, err := session.New(memstore.Default(), session.Config{
		// InsecureHTTP is for development: it lets the cookie travel without TLS, and
		// serves loopback only. In production leave Cookie out; behind a proxy that
		// ends TLS, name the proxy in authfiber.Config.TrustProxy.
		Cookie: cookie.Config{Name: "fiber", InsecureHTTP: true},
		// Logging out ends the access tokens of the session, too.
		AccessTokens: 15 * time.Minute,
		Audit:        audit.NewSlogSink(nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8083")
	t, err := makeTokens("http://"+addr, sessions.Revocations())
	if err != nil {
		log.Fatal(err)
	}
	guard, errGuard := csrf.New(csrf.Config{Cookie: cookie.Config{Name: "fiber-csrf", InsecureHTTP: true}})
	policy, errPolicy := cors.New(cors.Config{
		Origins: []string{"http://127.0.0.1:3000"}, RequestHeaders: []string{"Authorization"},
	})
	if err := errors.Join(errGuard, errPolicy); err != nil {
		log.Fatal(err)
	}
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Use(recover.New(), authfiber.CORSGroups(map[string]*cors.Policy{"/api": policy})) // what pages of that origin may use
	app.Get("/.well-known/jwks.json", authfiber.JWKS(t.keys))
	app.Post("/auth/login", authfiber.TokenLogin(t.rotator, check))
	app.Post("/auth/refresh", authfiber.Refresh(t.rotator))
	app.Post("/auth/logout", authfiber.Logout(t.rotator))
	api := app.Group("/api", authfiber.Bearer(t.verifier)) // knows tokens and no cookie
	api.Get("/orders", authfiber.RequireScope("orders:read"), orders)
	api.Post("/logout-everywhere", logoutEverywhere(t.revocations))
	// Last: what Fiber mounts on "/" runs for all routes after it. These are for browsers,
	// which send a cookie, and prove that it is meant.
	web := app.Group("/", authfiber.Session(sessions), authfiber.CSRF(guard))
	web.Get("/", home)
	web.Get("/csrf", proof)
	web.Post("/login", login)
	web.Post("/logout", authfiber.RequireLogin(), logout)
	web.Get("/me", authfiber.RequireLogin(), me)
	web.Post("/language", authfiber.RequireFresh(5*time.Minute), change)
	web.Post("/token", authfiber.RequireLogin(), issue(t.issuer))
	log.Fatal(app.Listen(addr))
}

// tokens is all that it takes to give tokens out and to take them.
type tokens struct {
	keys        *token.KeyRing
	issuer      *token.Issuer
	verifier    *token.Verifier
	rotator     *refresh.Rotator
	revocations *revocation.Registry
}

// makeTokens keeps refresh tokens where the sessions are, so that one act ends both.
func makeTokens(name string, revocations *revocation.Registry) (t tokens, err error) {
	const audience = "orders"
	t.revocations = revocations
	// A key in memory dies with the process, and its tokens with it. In production
	// Keys come from a KMS or a file, the same on every node.
	if t.keys, err = token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256}); err != nil {
		return t, err
	}
	if t.issuer, err = token.NewIssuer(token.IssuerConfig{Name: name, Audience: audience, Keys: t.keys}); err != nil {
		return t, err
	}
	t.verifier, err = token.NewVerifier(token.VerifierConfig{
		Audience: audience,
		Issuers: []token.TrustedIssuer{{
			Name: name, Algorithms: []token.Algorithm{token.ES256}, Keys: t.keys, Revocations: revocations,
		}},
	})
	if err != nil {
		return t, err
	}
	t.rotator, err = refresh.New(revocations, refresh.Config{
		Issuer: t.issuer, Wired: []string{audience}, Audit: audit.NewSlogSink(nil),
	})
	return t, err
}

// Errors of session calls are returned as they are: the middleware turns them into
// 503, 401 or 500.

func home(c *fiber.Ctx) error {
	s := authfiber.SessionFrom(c)
	errAdd := visits.Add(s, 1)
	n, errGet := visits.Get(s)
	shown, errTake := notices.Take(s) // each is shown once
	if err := errors.Join(errAdd, errGet, errTake); err != nil {
		return err
	}
	return c.JSON(fiber.Map{"visits": n, "notices": shown})
}

// proof is what a page sends along with each POST, as X-CSRF-Token or the field csrf_token.
func proof(c *fiber.Ctx) error {
	t, err := authfiber.CSRFToken(c)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"csrf_token": t})
}

func login(c *fiber.Ctx) error {
	user, password := form(c, "user"), form(c, "password")
	if !correct(user, password) {
		return fiber.NewError(fiber.StatusForbidden, "wrong user or password")
	}
	s := authfiber.SessionFrom(c)
	alice := session.Identity{Subject: user, Roles: []string{"admin"}, Scopes: []string{"orders:read"}, Method: "password"}
	if err := s.Login(c.UserContext(), alice); err != nil { // always under a new id
		return err
	}
	if err := notices.Add(s, "Welcome, "+user); err != nil {
		return err
	}
	return c.Redirect("/", fiber.StatusSeeOther)
}

func logout(c *fiber.Ctx) error {
	if err := authfiber.SessionFrom(c).Logout(c.UserContext()); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// check says who logs in with a program, which gets tokens and no session.
func check(c *fiber.Ctx) (refresh.Identity, error) {
	var form struct{ User, Password, Device string }
	if err := c.BodyParser(&form); err != nil || !correct(form.User, form.Password) {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: form.User, Scopes: []string{"orders:read"}, Method: "password", Device: form.Device}, nil
}

// logoutEverywhere ends all sessions and tokens of whoever's token this is.
func logoutEverywhere(revocations *revocation.Registry) fiber.Handler {
	return func(c *fiber.Ctx) error {
		user, err := authfiber.PrincipalFrom(c)
		if err != nil {
			return err
		}
		if err := revocations.LogoutEverywhere(c.UserContext(), user.Subject); err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusNoContent)
	}
}

// issue answers with a token for the session: curl keeps the cookie, a program the
// token.
func issue(issuer *token.Issuer) fiber.Handler {
	return func(c *fiber.Ctx) error {
		user, err := authfiber.PrincipalFrom(c)
		if err != nil {
			return err
		}
		issued, err := issuer.Issue(c.UserContext(), token.Grant{Principal: user})
		if err != nil {
			return err
		}
		c.Set("Cache-Control", "no-store")
		return c.JSON(fiber.Map{"access_token": issued.Token, "token_type": "Bearer", "expires": issued.Expires})
	}
}

func orders(c *fiber.Ctx) error {
	user, err := authfiber.PrincipalFrom(c) // of the token
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"user": user.Subject, "orders": []string{"Tea", "Honey"}})
}

func me(c *fiber.Ctx) error {
	user, errUser := authfiber.PrincipalFrom(c)
	chosen, _, errGet := language.Get(authfiber.SessionFrom(c))
	if err := errors.Join(errUser, errGet); err != nil {
		return err
	}
	return c.JSON(fiber.Map{"user": user.Subject, "roles": user.Roles, "language": chosen})
}

func change(c *fiber.Ctx) error {
	if err := language.Set(authfiber.SessionFrom(c), form(c, "language")); err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// form copies, because what c.FormValue returns is overwritten by the next request
// and a session outlives this one. (It would also accept a password in the URL.)
func form(c *fiber.Ctx, name string) string { return string(c.Context().PostArgs().Peek(name)) }

// correct stands in for your user table, which holds no passwords but their hashes
// (argon2id, bcrypt). Like here, what it takes must not tell which part was wrong.
func correct(user, password string) bool {
	got, want := sha256.Sum256([]byte(user+"\x00"+password)), sha256.Sum256([]byte("alice\x00wonderland"))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
