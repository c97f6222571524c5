// Sessions, access tokens and refresh tokens in a Gin application: go run ./gin
//
//	proof=$(curl -s -c jar 127.0.0.1:8081/csrf | cut -d'"' -f4)
//	curl -b jar -c jar -H "X-CSRF-Token: $proof" -d 'user=alice&password=wonderland' 127.0.0.1:8081/login
//	curl -b jar 127.0.0.1:8081/me
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

	"github.com/gin-gonic/gin"

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
	authgin "github.com/sallyport-go/sallyport/gin"
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
		// ends TLS, name the proxy in authgin.Config.TrustProxy.
		Cookie: cookie.Config{Name: "gin", InsecureHTTP: true},
		// Logging out ends the access tokens of the session, too.
		AccessTokens: 15 * time.Minute,
		Audit:        audit.NewSlogSink(nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8081")
	t, err := makeTokens("http://"+addr, sessions.Revocations())
	if err != nil {
		log.Fatal(err)
	}
	guard, errGuard := csrf.New(csrf.Config{Cookie: cookie.Config{Name: "gin-csrf", InsecureHTTP: true}})
	policy, errPolicy := cors.New(cors.Config{
		Origins: []string{"http://127.0.0.1:3000"}, RequestHeaders: []string{"Authorization"},
	})
	if err := errors.Join(errGuard, errPolicy); err != nil {
		log.Fatal(err)
	}
	router := gin.Default()
	router.Use(authgin.CORSGroups(map[string]*cors.Policy{"/api": policy}))  // what pages of that origin may use
	web := router.Group("/", authgin.Session(sessions), authgin.CSRF(guard)) // browsers: a cookie, and proof that it is meant
	web.GET("/", home)
	web.GET("/csrf", proof)
	web.POST("/login", login)
	web.POST("/logout", authgin.RequireLogin(), logout)
	web.GET("/me", authgin.RequireLogin(), me)
	web.POST("/language", authgin.RequireFresh(5*time.Minute), change)
	web.POST("/token", authgin.RequireLogin(), issue(t.issuer))
	router.GET("/.well-known/jwks.json", authgin.JWKS(t.keys))
	router.POST("/auth/login", authgin.TokenLogin(t.rotator, check))
	router.POST("/auth/refresh", authgin.Refresh(t.rotator))
	router.POST("/auth/logout", authgin.Logout(t.rotator))
	api := router.Group("/api", authgin.Bearer(t.verifier)) // knows tokens and no cookie
	api.GET("/orders", authgin.RequireScope("orders:read"), orders)
	api.POST("/logout-everywhere", logoutEverywhere(t.revocations))

	server := &http.Server{Addr: addr, Handler: router, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
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

func home(c *gin.Context) {
	s := authgin.SessionFrom(c)
	errAdd := visits.Add(s, 1)
	n, errGet := visits.Get(s)
	shown, errTake := notices.Take(s) // each is shown once
	if err := errors.Join(errAdd, errGet, errTake); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"visits": n, "notices": shown})
}

// proof is what a page sends along with each POST, as X-CSRF-Token or the field csrf_token.
func proof(c *gin.Context) {
	t, err := authgin.CSRFToken(c)
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"csrf_token": t})
}

func login(c *gin.Context) {
	user, password := c.PostForm("user"), c.PostForm("password")
	if !correct(user, password) {
		c.JSON(http.StatusForbidden, gin.H{"error": "wrong user or password"})
		return
	}
	s := authgin.SessionFrom(c)
	alice := session.Identity{Subject: user, Roles: []string{"admin"}, Scopes: []string{"orders:read"}, Method: "password"}
	if err := s.Login(c.Request.Context(), alice); err != nil { // always under a new id
		authgin.Fail(c, err)
		return
	}
	if err := notices.Add(s, "Welcome, "+user); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/")
}

func logout(c *gin.Context) {
	if err := authgin.SessionFrom(c).Logout(c.Request.Context()); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// check says who logs in with a program, which gets tokens and no session.
func check(c *gin.Context) (refresh.Identity, error) {
	var form struct{ User, Password, Device string }
	if err := c.ShouldBindJSON(&form); err != nil || !correct(form.User, form.Password) {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: form.User, Scopes: []string{"orders:read"}, Method: "password", Device: form.Device}, nil
}

// logoutEverywhere ends all sessions and tokens of whoever's token this is.
func logoutEverywhere(revocations *revocation.Registry) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, err := authgin.PrincipalFrom(c)
		if err == nil {
			err = revocations.LogoutEverywhere(c.Request.Context(), user.Subject)
		}
		if err != nil {
			authgin.Fail(c, err)
			return
		}
		c.Status(http.StatusNoContent)
	}
}

// issue answers with a token for the session: curl keeps the cookie, a program the
// token.
func issue(issuer *token.Issuer) gin.HandlerFunc {
	return func(c *gin.Context) {
		user, err := authgin.PrincipalFrom(c)
		if err != nil {
			authgin.Fail(c, err)
			return
		}
		issued, err := issuer.Issue(c.Request.Context(), token.Grant{Principal: user})
		if err != nil {
			authgin.Fail(c, err)
			return
		}
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, gin.H{"access_token": issued.Token, "token_type": "Bearer", "expires": issued.Expires})
	}
}

func orders(c *gin.Context) {
	user, err := authgin.PrincipalFrom(c) // of the token
	if err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"user": user.Subject, "orders": []string{"Tea", "Honey"}})
}

func me(c *gin.Context) {
	user, errUser := authgin.PrincipalFrom(c)
	chosen, _, errGet := language.Get(authgin.SessionFrom(c))
	if err := errors.Join(errUser, errGet); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"user": user.Subject, "roles": user.Roles, "language": chosen})
}

func change(c *gin.Context) {
	if err := language.Set(authgin.SessionFrom(c), c.PostForm("language")); err != nil {
		authgin.Fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// correct stands in for your user table, which holds no passwords but their hashes
// (argon2id, bcrypt). Like here, what it takes must not tell which part was wrong.
func correct(user, password string) bool {
	got, want := sha256.Sum256([]byte(user+"\x00"+password)), sha256.Sum256([]byte("alice\x00wonderland"))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
