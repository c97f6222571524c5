// Sessions, access tokens and refresh tokens in an Echo application: go run ./echo
//
//	proof=$(curl -s -c jar 127.0.0.1:8082/csrf | cut -d'"' -f4)
//	curl -b jar -c jar -H "X-CSRF-Token: $proof" -d 'user=alice&password=wonderland' 127.0.0.1:8082/login
//	curl -b jar 127.0.0.1:8082/me
package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

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
	authecho "github.com/sallyport-go/sallyport/echo"
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
		// ends TLS, name the proxy in authecho.Config.TrustProxy.
		Cookie: cookie.Config{Name: "echo", InsecureHTTP: true},
		// Logging out ends the access tokens of the session, too.
		AccessTokens: 15 * time.Minute,
		Audit:        audit.NewSlogSink(nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8082")
	t, err := makeTokens("http://"+addr, sessions.Revocations())
	if err != nil {
		log.Fatal(err)
	}
	guard, errGuard := csrf.New(csrf.Config{Cookie: cookie.Config{Name: "echo-csrf", InsecureHTTP: true}})
	policy, errPolicy := cors.New(cors.Config{
		Origins: []string{"http://127.0.0.1:3000"}, RequestHeaders: []string{"Authorization"},
	})
	if err := errors.Join(errGuard, errPolicy); err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Server.ReadHeaderTimeout = 5 * time.Second
	e.Use(middleware.Recover(), authecho.CORSGroups(map[string]*cors.Policy{"/api": policy})) // what pages of that origin may use
	web := e.Group("", authecho.Session(sessions), authecho.CSRF(guard))                      // browsers: a cookie, and proof that it is meant
	web.GET("/", home)
	web.GET("/csrf", proof)
	web.POST("/login", login)
	web.POST("/logout", logout, authecho.RequireLogin())
	web.GET("/me", me, authecho.RequireLogin())
	web.POST("/language", change, authecho.RequireFresh(5*time.Minute))
	web.POST("/token", issue(t.issuer), authecho.RequireLogin())
	e.GET("/.well-known/jwks.json", authecho.JWKS(t.keys))
	e.POST("/auth/login", authecho.TokenLogin(t.rotator, check))
	e.POST("/auth/refresh", authecho.Refresh(t.rotator))
	e.POST("/auth/logout", authecho.Logout(t.rotator))
	api := e.Group("/api", authecho.Bearer(t.verifier)) // knows tokens and no cookie
	api.GET("/orders", orders, authecho.RequireScope("orders:read"))
	api.POST("/logout-everywhere", logoutEverywhere(t.revocations))
	log.Fatal(e.Start(addr))
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

func home(c echo.Context) error {
	s := authecho.SessionFrom(c)
	errAdd := visits.Add(s, 1)
	n, errGet := visits.Get(s)
	shown, errTake := notices.Take(s) // each is shown once
	if err := errors.Join(errAdd, errGet, errTake); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"visits": n, "notices": shown})
}

// proof is what a page sends along with each POST, as X-CSRF-Token or the field csrf_token.
func proof(c echo.Context) error {
	t, err := authecho.CSRFToken(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"csrf_token": t})
}

func login(c echo.Context) error {
	user, password := c.Request().PostFormValue("user"), c.Request().PostFormValue("password")
	if !correct(user, password) {
		return echo.NewHTTPError(http.StatusForbidden, "wrong user or password")
	}
	s := authecho.SessionFrom(c)
	alice := session.Identity{Subject: user, Roles: []string{"admin"}, Scopes: []string{"orders:read"}, Method: "password"}
	if err := s.Login(c.Request().Context(), alice); err != nil { // always under a new id
		return err
	}
	if err := notices.Add(s, "Welcome, "+user); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/")
}

func logout(c echo.Context) error {
	if err := authecho.SessionFrom(c).Logout(c.Request().Context()); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// check says who logs in with a program, which gets tokens and no session.
func check(c echo.Context) (refresh.Identity, error) {
	var form struct{ User, Password, Device string }
	if err := c.Bind(&form); err != nil || !correct(form.User, form.Password) {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: form.User, Scopes: []string{"orders:read"}, Method: "password", Device: form.Device}, nil
}

// logoutEverywhere ends all sessions and tokens of whoever's token this is.
func logoutEverywhere(revocations *revocation.Registry) echo.HandlerFunc {
	return func(c echo.Context) error {
		user, err := authecho.PrincipalFrom(c)
		if err != nil {
			return err
		}
		if err := revocations.LogoutEverywhere(c.Request().Context(), user.Subject); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// issue answers with a token for the session: curl keeps the cookie, a program the
// token.
func issue(issuer *token.Issuer) echo.HandlerFunc {
	return func(c echo.Context) error {
		user, err := authecho.PrincipalFrom(c)
		if err != nil {
			return err
		}
		issued, err := issuer.Issue(c.Request().Context(), token.Grant{Principal: user})
		if err != nil {
			return err
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.JSON(http.StatusOK, echo.Map{"access_token": issued.Token, "token_type": "Bearer", "expires": issued.Expires})
	}
}

func orders(c echo.Context) error {
	user, err := authecho.PrincipalFrom(c) // of the token
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"user": user.Subject, "orders": []string{"Tea", "Honey"}})
}

func me(c echo.Context) error {
	user, errUser := authecho.PrincipalFrom(c)
	chosen, _, errGet := language.Get(authecho.SessionFrom(c))
	if err := errors.Join(errUser, errGet); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{"user": user.Subject, "roles": user.Roles, "language": chosen})
}

func change(c echo.Context) error {
	if err := language.Set(authecho.SessionFrom(c), c.Request().PostFormValue("language")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// correct stands in for your user table, which holds no passwords but their hashes
// (argon2id, bcrypt). Like here, what it takes must not tell which part was wrong.
func correct(user, password string) bool {
	got, want := sha256.Sum256([]byte(user+"\x00"+password)), sha256.Sum256([]byte("alice\x00wonderland"))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
