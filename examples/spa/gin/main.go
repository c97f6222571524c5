// The API of a single-page application in Gin: go run ./spa/gin, and ./spa/pages beside it
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authgin "github.com/sallyport-go/sallyport/gin"
)

var clicks = session.NewCounter("clicks")

func main() {
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8081")
	self, pages := "http://"+addr, []string{cmp.Or(os.Getenv("PAGES"), "http://127.0.0.1:3000")}
	// InsecureHTTP is for development on loopback. Behind TLS leave it out, three times.
	sessions := must(session.New(memstore.Default(), session.Config{Cookie: cookie.Config{Name: "gin", InsecureHTTP: true}}))
	keys := must(token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256}))
	issuer := must(token.NewIssuer(token.IssuerConfig{Name: self, Audience: "api", Keys: keys}))
	verifier := must(token.NewVerifier(token.VerifierConfig{Audience: "api", Issuers: []token.TrustedIssuer{{
		Name: self, Algorithms: []token.Algorithm{token.ES256}, Keys: keys, Revocations: sessions.Revocations(),
	}}}))
	rotator := must(refresh.New(sessions.Revocations(), refresh.Config{
		Issuer: issuer, Wired: []string{"api"}, PublicOrigin: self, TrustedOrigins: pages,
		Transport: refresh.Cookie, Cookie: refresh.CookieConfig{Name: "gin-refresh", InsecureHTTP: true},
	}))
	policy := must(cors.New(cors.Config{
		Origins: pages, Credentials: true, ResponseHeaders: []string{"Retry-After"},
		RequestHeaders: []string{"Authorization", "Content-Type", "X-CSRF-Token"},
	}))
	guard := must(csrf.New(csrf.Config{
		PublicOrigin: self, TrustedOrigins: pages, Cookie: cookie.Config{Name: "gin-csrf", InsecureHTTP: true},
	}))

	router := gin.Default()
	router.Use(authgin.CORS(policy)) // in front of all that asks who the client is
	router.POST("/auth/login", authgin.TokenLogin(rotator, check))
	router.POST("/auth/refresh", authgin.Refresh(rotator)) // these three guard their cookie themselves
	router.POST("/auth/logout", authgin.Logout(rotator))
	router.GET("/api/me", authgin.Bearer(verifier), func(c *gin.Context) {
		user, _ := authgin.PrincipalFrom(c) // Bearer has seen to the error
		c.JSON(http.StatusOK, gin.H{"user": user.Subject})
	})
	cookies := router.Group("/", authgin.Session(sessions), authgin.CSRF(guard))
	cookies.GET("/csrf", func(c *gin.Context) {
		t, err := authgin.CSRFToken(c)
		answer(c, gin.H{"csrf_token": t}, err)
	})
	cookies.POST("/clicks", func(c *gin.Context) {
		s := authgin.SessionFrom(c)
		err := clicks.Add(s, 1)
		n, _ := clicks.Get(s)
		answer(c, gin.H{"clicks": n}, err)
	})
	log.Fatal(http.ListenAndServe(addr, router))
}

func answer(c *gin.Context, body gin.H, err error) {
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, body)
}

func check(c *gin.Context) (refresh.Identity, error) {
	var form struct{ User, Password string }
	if err := c.ShouldBindJSON(&form); err != nil || form.User != "alice" || form.Password != "wonderland" { // yours: a hash
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
