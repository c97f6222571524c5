// Package resource is a service that issues nothing and shares nothing with those
// who do: no store, no secret, no session. It is told who its issuers are and what
// its own name is, and fetches their public keys.
package resource

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/token"
	authecho "github.com/sallyport-go/sallyport/echo"
)

// New serves GET /orders to whoever brings a token of one of the issuers that is for
// audience and has the scope orders:read.
func New(audience string, issuers []string) (http.Handler, error) {
	var trusted []token.TrustedIssuer
	var errs []error
	for _, name := range issuers {
		keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{
			Issuer: name,
			URL:    name + "/.well-known/jwks.json",
			// Short, so that one can watch a key being revoked. The default is 5
			// minutes.
			Refresh:      5 * time.Second,
			InsecureHTTP: true, // on loopback only; everywhere else an issuer has TLS
			Audit:        audit.NewSlogSink(nil),
		})
		errs = append(errs, err)
		trusted = append(trusted, token.TrustedIssuer{Name: name, Algorithms: []token.Algorithm{token.ES256}, Keys: keys})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	tokens, err := token.NewVerifier(token.VerifierConfig{App: "orders", Audience: audience, Issuers: trusted})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(middleware.Recover())
	e.GET("/orders", orders, authecho.Bearer(tokens), authecho.RequireScope("orders:read"))
	return e, nil
}

func orders(c echo.Context) error {
	p, err := authecho.PrincipalFrom(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, echo.Map{
		"process": os.Getpid(), "subject": p.Subject, "orders": []string{"Tea", "Honey"},
	})
}

// Run serves what args say until ctx ends, and writes its URL to out once it listens.
func Run(ctx context.Context, args []string, out io.Writer) error {
	var issuers []string
	flags := flag.NewFlagSet("resource", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8084", "the `address` to serve on")
	audience := flags.String("audience", "demo-orders", "what tokens must be `for`")
	flags.Func("issuer", "the `URL` of an issuer, below which its keys are; once for each", func(s string) error {
		issuers = append(issuers, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	handler, err := New(*audience, issuers)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(out, "http://%s\n", l.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}
