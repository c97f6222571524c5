package adapter

import (
	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// ForLogin is ForSession for TokenLogin; check says that the application's check is there.
func ForLogin(pkg string, r *refresh.Rotator, check bool) Construct {
	return func(cfg []Option) (Compiled, error) {
		var errs []error
		if !check {
			errs = append(errs, &core.ConfigError{Field: pkg + ".TokenLogin.check", Value: "nil", Reason: "somebody must find out who logs in"})
		}
		return constructEndpoint(pkg, "TokenLogin", &Endpoint{rotator: r, serve: (*Endpoint).serveLogin}, true, cfg, errs)
	}
}

// ForRefresh is ForSession for Refresh.
func ForRefresh(pkg string, r *refresh.Rotator) Construct {
	return func(cfg []Option) (Compiled, error) {
		return constructEndpoint(pkg, "Refresh", &Endpoint{rotator: r, serve: (*Endpoint).serveRefresh}, true, cfg, nil)
	}
}

// ForLogout is ForSession for Logout.
func ForLogout(pkg string, r *refresh.Rotator) Construct {
	return func(cfg []Option) (Compiled, error) {
		return constructEndpoint(pkg, "Logout", &Endpoint{rotator: r, serve: (*Endpoint).serveLogout}, true, cfg, nil)
	}
}

// ForRevoke is ForSession for Revoke.
func ForRevoke(pkg string, r *refresh.Rotator, v *token.Verifier, clients refresh.ClientAuthenticator) Construct {
	return forService(pkg, "Revoke", Endpoint{rotator: r, verifier: v, clients: clients, serve: (*Endpoint).serveRevoke})
}

// ForIntrospect is ForSession for Introspect.
func ForIntrospect(pkg string, r *refresh.Rotator, v *token.Verifier, clients refresh.ClientAuthenticator) Construct {
	return forService(pkg, "Introspect", Endpoint{rotator: r, verifier: v, clients: clients, serve: (*Endpoint).serveIntrospect})
}

// forService is for the endpoints that other services call, which hold no cookie.
func forService(pkg, name string, e Endpoint) Construct {
	return func(cfg []Option) (Compiled, error) {
		var errs []error
		if e.verifier == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".verifier", Value: "nil", Reason: "make one with token.NewVerifier"})
		}
		if e.clients == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".clients", Value: "nil",
				Reason: "whoever finds tokens could ask which are good; refresh.StaticClients makes one"})
		}
		return constructEndpoint(pkg, name, &e, false, cfg, errs)
	}
}

// constructEndpoint makes an endpoint for the clients of users, or for services.
func constructEndpoint(pkg, name string, e *Endpoint, users bool, cfg []Option, errs []error) (Compiled, error) {
	errs = append(errs, misplaced(pkg, name, cfg, false, false, users)...)
	switch {
	case e.rotator == nil:
		errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".rotator", Value: "nil", Reason: "make one with refresh.New"})
	case users && e.rotator.Cookie() != nil:
		var err error
		public, trusted := e.rotator.Origins()
		if e.origins, err = csrf.New(csrf.Config{PublicOrigin: public, TrustedOrigins: trusted}); err != nil {
			errs = append(errs, err)
		}
	}
	return construct(Compiled{Endpoint: e}, pkg, name, cfg, errs)
}
