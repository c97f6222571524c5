// The API of a single-page application in Echo: go run ./spa/echo, and ./spa/pages beside it
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authecho "github.com/sallyport-go/sallyport/echo"
)

var clicks = session.NewCounter("clicks")

func main() {
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8082")
	self, pages := "http://"+addr, []string{cmp.Or(os.Getenv("PAGES"), "http://127.0.0.1:3000")}
	// InsecureHTTP is for development on loopback. Behind TLS leave it out, three times.
	sessions := must(session.New(memstore.Default(), session.Config{Cookie: cookie.Config{Name: "echo", InsecureHTTP: true}}))
	keys := must(token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256}))
	issuer := must(token.NewIssuer(token.IssuerConfig{Name: self, Audience: "api", Keys: keys}))
	verifier := must(token.NewVerifier(token.VerifierConfig{Audience: "api", Issuers: []token.TrustedIssuer{{
		Name: self, Algorithms: []token.Algorithm{token.ES256}, Keys: keys, Revocations: sessions.Revocations(),
	}}}))
	rotator := must(refresh.New(sessions.Revocations(), refresh.Config{
		Issuer: issuer, Wired: []string{"api"}, PublicOrigin: self, TrustedOrigins: pages,
		Transport: refresh.Cookie, Cookie: refresh.CookieConfig{Name: "echo-refresh", InsecureHTTP: true},
	}))
	policy := must(cors.New(cors.Config{
		Origins: pages, Credentials: true, ResponseHeaders: []string{"Retry-After"},
		RequestHeaders: []string{"Authorization", "Content-Type", "X-CSRF-Token"},
	}))
	guard := must(csrf.New(csrf.Config{
		PublicOrigin: self, TrustedOrigins: pages, Cookie: cookie.Config{Name: "echo-csrf", InsecureHTTP: true},
	}))

	e := echo.New()
	e.Use(authecho.CORS(policy)) // in front of all that asks who the client is
	e.POST("/auth/login", authecho.TokenLogin(rotator, check))
	e.POST("/auth/refresh", authecho.Refresh(rotator)) // these three guard their cookie themselves
	e.POST("/auth/logout", authecho.Logout(rotator))
	e.GET("/api/me", func(c echo.Context) error {
		user, err := authecho.PrincipalFrom(c)
		return answer(c, echo.Map{"user": user.Subject}, err)
	}, authecho.Bearer(verifier))
	cookies := e.Group("", authecho.Session(sessions), authecho.CSRF(guard))
	cookies.GET("/csrf", func(c echo.Context) error {
		t, err := authecho.CSRFToken(c)
		return answer(c, echo.Map{"csrf_token": t}, err)
	})
	cookies.POST("/clicks", func(c echo.Context) error {
		s := authecho.SessionFrom(c)
		err := clicks.Add(s, 1)
		n, _ := clicks.Get(s)
		return answer(c, echo.Map{"clicks": n}, err)
	})
	log.Fatal(e.Start(addr))
}

func answer(c echo.Context, body echo.Map, err error) error {
	if err != nil {
		return err // the middleware makes 503, 401 or 500 of it
	}
	return c.JSON(http.StatusOK, body)
}

func check(c echo.Context) (refresh.Identity, error) {
	var form struct{ User, Password string }
	if err := c.Bind(&form); err != nil || form.User != "alice" || form.Password != "wonderland" { // yours: a hash
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
