package main

import "slices"

// bearerMutants break how a token gets to a route, what guards make of it, and what
// time and revocation do to it and to the keys behind it.
var bearerMutants = slices.Concat(bearerTransportMutants, bearerGuardMutants, bearerVerdictMutants, bearerKeyMutants, bearerRemoteMutants, bearerConfigMutants)

var bearerTransportMutants = []mutant{
	{
		name: "CVE-2026-47673 hono: the scheme is not looked at",
		file: "core/adapter/bearer.go",
		old:  `if len(line) <= len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) {`,
		new: `if _, raw, ok := strings.Cut(line, " "); ok {
		line = scheme + raw
	}
	if len(line) <= len(scheme) {`,
		adapter: "gin", slug: "bearer/scheme",
	},
	{
		name:    "the scheme is compared with its case",
		file:    "core/adapter/bearer.go",
		old:     `!strings.EqualFold(line[:len(scheme)], scheme)`,
		new:     `line[:len(scheme)] != "Bearer "`,
		adapter: "echo", slug: "bearer/scheme",
	},
	{
		name:    "a bare token is taken",
		file:    "core/adapter/bearer.go",
		old:     `line = strings.Trim(line, " \t")`,
		new:     "line = strings.Trim(line, \" \\t\")\n\tif strings.HasPrefix(line, \"eyJ\") {\n\t\tline = scheme + line\n\t}",
		adapter: "fiber", slug: "bearer/scheme",
	},
	{
		name:    "of a list the first token is taken",
		file:    "core/adapter/bearer.go",
		old:     "		st.token, err = v.Verify(st.Context, raw)\n",
		new:     "		raw, _, _ = strings.Cut(raw, \",\")\n		st.token, err = v.Verify(st.Context, raw)\n",
		adapter: "nethttp", slug: "bearer/scheme",
	},
	{
		name:    "a list is any invalid token",
		file:    "core/adapter/bearer.go",
		old:     `if err != nil && strings.ContainsAny(raw, " ,\t") {`,
		new:     `if false {`,
		adapter: "echo", slug: "bearer/scheme",
	},
	{
		name:    "another scheme is nobody where a token is optional",
		file:    "core/adapter/bearer.go",
		old:     "		return id.refuse(err)\n",
		new:     "		if optional && errors.Is(err, errScheme) {\n			return nil\n		}\n		return id.refuse(err)\n",
		adapter: "gin", slug: "bearer/scheme",
	},
	{
		name:    "of two Authorization headers the first is taken",
		file:    "core/adapter/bearer.go",
		old:     "	if lines > 1 {",
		new:     "	if false {",
		adapter: "gin", slug: "bearer/two-headers",
	},
	{
		name:    "two equal Authorization headers are one",
		file:    "core/adapter/bearer.go",
		old:     "return all[0], len(all)",
		new:     "return all[0], len(slices.Compact(slices.Clone(all)))",
		adapter: "echo", slug: "bearer/two-headers",
	},
	{
		name:    "fiber: the parsed header, in which one line counts",
		file:    "fiber/bearer.go",
		old:     "	r.x.fetch(&bearerFields, true)\n",
		new:     "	adapter.RawHeader(\"Authorization: \"+c.Get(\"Authorization\")+\"\\r\\n\").Pick(&r.x.picked, &bearerFields, true)\n",
		adapter: "fiber", slug: "bearer/two-headers",
	},
	{
		name:    "a field that is there twice is read once",
		file:    "core/adapter/rawheader.go",
		old:     "odd = odd || p.seen[i]",
		new:     "odd = odd || false",
		adapter: "fiber", slug: "bearer/two-headers",
	},
	{
		name:    "a token in a form is no matter",
		file:    "core/adapter/bearer.go",
		old:     "if err == nil && tokenInBody(x) {",
		new:     "if false {",
		adapter: "gin", slug: "bearer/token-in-form",
	},
	{
		name:    "a token hides in a form that is too long",
		file:    "core/adapter/bearer.go",
		old:     "	body, err := x.Body()\n	if err != nil {\n		return true\n	}",
		new:     "	body, err := x.Body()\n	if err != nil {\n		return false\n	}",
		adapter: "fiber", slug: "bearer/token-in-form",
	},
	{
		name:    "a token hides behind percent signs",
		file:    "core/adapter/bearer.go",
		old:     `if name, err := url.QueryUnescape(name); err == nil && name == "access_token" {`,
		new:     `if _, err := url.QueryUnescape(name); err == nil && name == "access_token" {`,
		adapter: "echo", slug: "bearer/token-in-form",
	},
	{
		name:    "a token hides behind another parameter",
		file:    "core/adapter/bearer.go",
		old:     `for pair := range strings.SplitSeq(string(body), "&") {`,
		new:     `for _, pair := range strings.SplitN(string(body), "&", 2)[:1] {`,
		adapter: "nethttp", slug: "bearer/token-in-form",
	},
	{
		name:    "a form is known by its type's exact bytes",
		file:    "core/adapter/bearer.go",
		old:     `return strings.EqualFold(strings.Trim(kind, " \t"), "application/x-www-form-urlencoded")`,
		new:     `return strings.Trim(kind, " \t") == "application/x-www-form-urlencoded"`,
		adapter: "gin", slug: "bearer/form-is-any-form",
	},
	{
		name:    "a form with parameters is none",
		file:    "core/adapter/bearer.go",
		old:     `kind, _, _ := strings.Cut(contentType, ";")`,
		new:     `kind := contentType`,
		adapter: "echo", slug: "bearer/form-is-any-form",
	},
	{
		name:    "a form with two types is none",
		file:    "core/adapter/bearer.go",
		old:     `if !slices.ContainsFunc(x.HeaderLines("Content-Type"), isForm) {`,
		new:     `if !isForm(x.Header("Content-Type")) {`,
		adapter: "fiber", slug: "bearer/form-is-any-form",
	},
	{
		name:    "a body of any type is searched",
		file:    "core/adapter/bearer.go",
		old:     `if !slices.ContainsFunc(x.HeaderLines("Content-Type"), isForm) {`,
		new:     `if len(x.HeaderLines("Content-Type")) == 0 {`,
		adapter: "fiber", slug: "bearer/form-is-any-form",
	},
	{
		name:    "what was read of a body is not put back",
		file:    "core/adapter/http_exchange.go",
		old:     "io.MultiReader(bytes.NewReader(head), rest)",
		new:     "io.MultiReader(bytes.NewReader(nil), rest)",
		adapter: "gin", slug: "bearer/form-stays-readable",
	},
	{
		name:    "CVE-2026-44883 portainer: a token in the query is taken (gin)",
		file:    "gin/bearer.go",
		old:     "	t := &adapter.HTTPToken{}\n",
		new:     "	if raw := c.Query(\"token\"); raw != \"\" && c.GetHeader(\"Authorization\") == \"\" {\n\t\tc.Request.Header.Set(\"Authorization\", \"Bearer \"+raw)\n\t}\n\tt := &adapter.HTTPToken{}\n",
		adapter: "gin", slug: "bearer/token-elsewhere-ignored",
	},
	{
		name:    "CVE-2026-33620 pinchtab: a token in the query is taken (echo)",
		file:    "echo/bearer.go",
		old:     "	t := &adapter.HTTPToken{}\n",
		new:     "	if raw := c.QueryParam(\"access_token\"); raw != \"\" && c.Request().Header.Get(\"Authorization\") == \"\" {\n\t\tc.Request().Header.Set(\"Authorization\", \"Bearer \"+raw)\n\t}\n\tt := &adapter.HTTPToken{}\n",
		adapter: "echo", slug: "bearer/token-elsewhere-ignored",
	},
	{
		name:    "a token in a cookie is taken (fiber)",
		file:    "fiber/bearer.go",
		old:     "	r.x.fetch(&bearerFields, true)\n",
		new:     "	if raw := c.Cookies(\"access_token\"); raw != \"\" && c.Get(\"Authorization\") == \"\" {\n		adapter.RawHeader(\"Authorization: Bearer \"+raw+\"\\r\\n\").Pick(&r.x.picked, &bearerFields, true)\n	} else {\n		r.x.fetch(&bearerFields, true)\n	}\n",
		adapter: "fiber", slug: "bearer/token-elsewhere-ignored",
	},
	{
		name:    "without a token the session counts",
		file:    "core/adapter/bearer.go",
		old:     "	if s.token == nil {\n		return core.Principal{}, core.ErrAnonymous\n	}",
		new:     "	if s.token == nil {\n		if p, err := core.PrincipalFrom(s.Context); err == nil {\n			return p, nil\n		}\n		return core.Principal{}, core.ErrAnonymous\n	}",
		adapter: "gin", slug: "bearer/session-is-no-fallback",
	},
	{
		name:    "a token that failed is let through beside a session",
		file:    "core/adapter/bearer.go",
		old:     "		return id.refuse(err)\n",
		new:     "		if _, err := core.PrincipalFrom(st.Context); err == nil {\n			return nil\n		}\n		return id.refuse(err)\n",
		adapter: "fiber", slug: "bearer/session-is-no-fallback",
	},
	{
		name:    "a cookie beside a token is a second transport",
		file:    "core/adapter/bearer.go",
		old:     "if err == nil && tokenInBody(x) {",
		new:     `if err == nil && (tokenInBody(x) || x.Header("Cookie") != "") {`,
		adapter: "echo", slug: "bearer/session-is-no-fallback",
	},
	{
		name:    "CVE-2022-29165 argo-cd: a bad token is nobody where one is optional",
		file:    "core/adapter/bearer.go",
		old:     "	if err != nil {\n		return id.refuse(err)\n",
		new:     "	if err != nil && !optional {\n		return id.refuse(err)\n",
		adapter: "echo", slug: "bearer/optional",
	},
	{
		name:    "where a token is optional it is required",
		file:    "core/adapter/bearer.go",
		old:     "		if optional {\n			return nil\n		}\n",
		new:     "",
		adapter: "gin", slug: "bearer/optional",
	},
	{
		name:    "where a token is required it is optional, because the group says so",
		file:    "core/adapter/bearer.go",
		old:     "		if st.token == nil && !optional {",
		new:     "		if false {",
		adapter: "nethttp", slug: "bearer/nested",
	},
	{
		name:    "a token is verified as often as it is asked for",
		file:    "core/adapter/bearer.go",
		old:     "outer != nil && outer.verifier == v {",
		new:     "outer != nil && outer.verifier != v {",
		adapter: "fiber", slug: "bearer/nested",
	},
	{
		name:    "the outer token is lost further in",
		file:    "core/adapter/bearer.go",
		old:     "		st.token = outer.token\n",
		new:     "",
		adapter: "echo", slug: "bearer/nested",
	},
	{
		name: "CVE-2026-24894 FrankenPHP: one request's state is the next one's",
		file: "fiber/bearer.go",
		old: `func (m *middleware) bearer(c *fiber.Ctx) error {
	if m.cfg.Next != nil && m.cfg.Next(c) {
		return c.Next()
	}
	r := &tokenRequest{x:`,
		new: `var reused = new(tokenRequest)

func (m *middleware) bearer(c *fiber.Ctx) error {
	if m.cfg.Next != nil && m.cfg.Next(c) {
		return c.Next()
	}
	r := reused
	*r = tokenRequest{x:`,
		adapter: "fiber", slug: "bearer/users-in-parallel",
	},
}

var bearerGuardMutants = []mutant{
	{
		name:    "one scope of several is enough",
		file:    "core/adapter/bearer.go",
		old:     "return !slices.ContainsFunc(scopes, func(scope string) bool { return !s.token.HasScope(scope) }), nil",
		new:     "return slices.ContainsFunc(scopes, func(scope string) bool { return s.token.HasScope(scope) }), nil",
		adapter: "gin", slug: "bearer/guards",
	},
	{
		name:    "one scope of several is enough, in a session",
		file:    "core/adapter/identity.go",
		old:     "return !slices.ContainsFunc(scopes, func(scope string) bool { return !p.HasScope(scope) }), err",
		new:     "return slices.ContainsFunc(scopes, func(scope string) bool { return p.HasScope(scope) }), err",
		adapter: "nethttp", slug: "bearer/guards-same-as-behind-session",
	},
	{
		name:    "scopes are roles",
		file:    "core/adapter/bearer.go",
		old:     "return slices.ContainsFunc(roles, s.token.HasRole), nil",
		new:     "return slices.ContainsFunc(roles, s.token.HasRole) || slices.ContainsFunc(roles, s.token.HasScope), nil",
		adapter: "echo", slug: "bearer/guards",
	},
	{
		name:    "the challenge does not say which scope",
		file:    "core/adapter/guard.go",
		old:     "d.challenge += `, scope=\"` + strings.Join(scopes, \" \") + `\"` // RFC 6750 section 3",
		new:     "d.challenge += \"\"",
		adapter: "fiber", slug: "bearer/guards",
	},
	{
		name:    "an error code where nothing was sent",
		file:    "core/adapter/bearer.go",
		old:     "	case core.MissingCredentials:\n",
		new:     "	case core.MissingCredentials:\n\t\tparams = `, error=\"invalid_request\"`\n",
		adapter: "gin", slug: "bearer/guards",
	},
	{
		name:    "a challenge in the session's scheme",
		file:    "core/adapter/bearer.go",
		old:     "return `Bearer realm=\"` + s.verifier.App()",
		new:     "return `Cookie realm=\"` + s.verifier.App()",
		adapter: "echo", slug: "bearer/guards",
	},
	{
		name:    "a token is fresh by its own age",
		file:    "core/token/verifier.go",
		old:     "age := v.cfg.Now().Sub(t.principal.AuthTime)",
		new:     "age := v.cfg.Now().Sub(t.claims.IssuedAt)",
		adapter: "gin", slug: "bearer/guard-fresh",
	},
	{
		name:    "a token that does not say when is fresh",
		file:    "core/token/verifier.go",
		old:     "if t == nil || t.principal.AuthTime.IsZero() {\n		return false",
		new:     "if t == nil || t.principal.AuthTime.IsZero() {\n		return true",
		adapter: "echo", slug: "bearer/guard-fresh",
	},
	{
		name:    "the challenge does not say how fresh",
		file:    "core/adapter/guard.go",
		old:     "	d.challenge += fmt.Sprintf(`, max_age=\"%d\"`, int64(maxAge.Seconds())) // RFC 9470 section 3\n",
		new:     "",
		adapter: "fiber", slug: "bearer/guard-fresh",
	},
	{
		name:    "the principal's roles are the token's own",
		file:    "core/token/claims.go",
		old:     "return clonePrincipal(t.principal) }",
		new:     "return t.principal }",
		adapter: "nethttp", slug: "bearer/principal-and-claims",
	},
	{
		name:    "gin: the handler runs after a refusal of Bearer",
		file:    "gin/session.go",
		old:     "	c.Abort()\n",
		new:     "",
		adapter: "gin", slug: "bearer/refusal-stands",
	},
	{
		name:    "CVE-2026-44882 portainer: echo goes on after a failed validation",
		file:    "echo/bearer.go",
		old:     "		return owner.refuse(c, d)\n",
		new:     "		_ = owner.refuse(c, d)\n",
		adapter: "echo", slug: "bearer/refusal-stands",
	},
	{
		name:    "CVE-2026-44882 portainer: fiber goes on after a failed validation",
		file:    "fiber/bearer.go",
		old:     "		return owner.refuse(c, d)\n",
		new:     "		_ = owner.refuse(c, d)\n",
		adapter: "fiber", slug: "bearer/refusal-stands",
	},
	{
		name:    "CVE-2026-44882 portainer: net/http goes on after a failed validation",
		file:    "examples/customadapter/bearer.go",
		old:     "				refuse(w, r, d)\n				return\n",
		new:     "				refuse(w, r, d)\n",
		adapter: "nethttp", slug: "bearer/refusal-stands",
	},
	{
		name:    "a guard without Bearer is open",
		file:    "core/adapter/guard.go",
		old:     "return nil, Failure(ctx, core.ErrNoMiddleware)",
		new:     "return nil, nil",
		adapter: "echo", slug: "bearer/missing-bearer-closes",
	},
	{
		name:    "nobody's claims are those of an empty token",
		file:    "core/adapter/bearer.go",
		old:     "	case s == nil:\n		return claims, core.ErrNoMiddleware\n",
		new:     "	case s == nil:\n		return claims, nil\n",
		adapter: "gin", slug: "bearer/missing-bearer-closes",
	},
	{
		name:    "gin: what is skipped is verified all the same",
		file:    "gin/bearer.go",
		old:     "if m.cfg.Skip != nil && m.cfg.Skip(c) {",
		new:     "if false {",
		adapter: "gin", slug: "bearer/skipped-request-has-no-token",
	},
	{
		name:    "fiber: what is skipped is verified all the same",
		file:    "fiber/bearer.go",
		old:     "if m.cfg.Next != nil && m.cfg.Next(c) {",
		new:     "if false {",
		adapter: "fiber", slug: "bearer/skipped-request-has-no-token",
	},
	{
		name:    "gin: Bearer words refusals in its own way in front of an application that has one",
		file:    "gin/guard.go",
		old:     "outer != nil && m.cfg.ErrorHandler == nil {",
		new:     "outer != nil && m.cfg.ErrorHandler != nil {",
		adapter: "gin", slug: "bearer/own-error-handler",
	},
	{
		name:    "echo: Bearer words refusals in its own way in front of an application that has one",
		file:    "echo/guard.go",
		old:     "outer != nil && m.cfg.ErrorHandler == nil {",
		new:     "outer != nil && m.cfg.ErrorHandler != nil {",
		adapter: "echo", slug: "bearer/own-error-handler",
	},
	{
		name:    "fiber: Bearer words refusals in its own way in front of an application that has one",
		file:    "fiber/guard.go",
		old:     "outer != nil && m.cfg.ErrorHandler == nil {",
		new:     "outer != nil && m.cfg.ErrorHandler != nil {",
		adapter: "fiber", slug: "bearer/own-error-handler",
	},
	{
		name:    "no Vary",
		file:    "core/adapter/bearer.go",
		old:     `	x.AddHeader("Vary", "Authorization")` + "\n",
		new:     "",
		adapter: "gin", slug: "bearer/cache-control",
	},
	{
		name:    "an answer to a token is not private",
		file:    "core/adapter/bearer.go",
		old:     `		x.SetHeader("Cache-Control", "private")`,
		new:     `		x.SetHeader("Cache-Control", "")`,
		adapter: "fiber", slug: "bearer/cache-control",
	},
	{
		name:    "a refusal may be stored",
		file:    "core/adapter/denied.go",
		old:     `	x.SetHeader("Cache-Control", "no-store")`,
		new:     `	x.SetHeader("Cache-Control", "private")`,
		adapter: "echo", slug: "bearer/cache-control",
	},
	{
		name:    "a handler's anonymous is our own fault, behind Bearer",
		file:    "core/adapter/bearer.go",
		old:     "	case core.PrincipalKey, identityKey:\n",
		new:     "	case identityKey:\n\t\treturn nil\n\tcase core.PrincipalKey:\n",
		adapter: "echo", slug: "bearer/handler-passes-errors-on",
	},
	{
		name:    "echo: what a handler returns is not translated behind Bearer",
		file:    "echo/bearer.go",
		old:     "		return owner.translate(c, err)\n",
		new:     "		return err\n",
		adapter: "echo", slug: "bearer/handler-passes-errors-on",
	},
	{
		name:    "fiber: what a handler returns is not translated behind Bearer",
		file:    "fiber/bearer.go",
		old:     "	return owner.translate(c, c.Next())\n",
		new:     "	return c.Next()\n",
		adapter: "fiber", slug: "bearer/handler-passes-errors-on",
	},
	{
		name: "echo: the next request begins with the last one's token",
		file: "echo/bearer.go",
		old: `func (m *settings) bearer(c echo.Context, next echo.HandlerFunc) error {
	if m.cfg.Skipper != nil && m.cfg.Skipper(c) {
		return next(c)
	}
	owner := m.owner(c.Request().Context())
	t := &adapter.HTTPToken{}
`,
		new: `var reused = new(adapter.HTTPToken)

func (m *settings) bearer(c echo.Context, next echo.HandlerFunc) error {
	owner, t := m, reused
`,
		adapter: "echo", slug: "bearer/panic-under-recovery",
	},
}

var bearerVerdictMutants = []mutant{
	{
		name:    "CVE-2026-33496 oathkeeper: what is in the cache has not expired",
		file:    "core/token/verifier.go",
		old:     "if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil {",
		new:     "if err := error(nil); err != nil {",
		adapter: "gin", slug: "bearer/seen-token-expires",
	},
	{
		name:    "CVE-2026-33496 oathkeeper: what is in the cache is not revoked",
		file:    "core/token/verifier.go",
		old:     "if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil {",
		new:     "if err := error(nil); err != nil {",
		adapter: "echo", slug: "bearer/revoked-with-its-session",
	},
	{
		name:    "what is in the cache is good while the store is down",
		file:    "core/token/verifier.go",
		old:     "if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil {",
		new:     "if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil && !errors.Is(err, core.ErrUnknown) {",
		adapter: "fiber", slug: "bearer/unknown-is-503",
	},
	{
		name: "GHSA-rp9m-7r4c-75qg fast-jwt: the cache goes by a part of the token",
		file: "core/token/cache.go",
		old: `	hash := c.hash(raw)
	s := c.shard(hash)
	s.mu.RLock()`,
		new: `	for i := range c.shards {
		for _, e := range c.shards[i].entries {
			if n := len(e.raw) - 20; n == len(raw)-20 && e.raw[:n] == raw[:n] {
				return e
			}
		}
	}
	hash := c.hash(raw)
	s := c.shard(hash)
	s.mu.RLock()`,
		adapter: "nethttp", slug: "bearer/cache-tells-tokens-apart",
	},
	{
		name:    "expiry without a leeway",
		file:    "core/token/check.go",
		old:     "	case over(c.Expires, now, v.cfg.Leeway):",
		new:     "	case over(c.Expires, now, 0):",
		adapter: "gin", slug: "bearer/seen-token-expires",
	},
	{
		name:    "expiry is off by one",
		file:    "core/token/cache.go",
		old:     "return !now.Before(expires.Add(leeway))",
		new:     "return now.After(expires.Add(leeway))",
		adapter: "echo", slug: "bearer/seen-token-expires",
	},
	{
		name:    "an expired token is any invalid one",
		file:    "core/adapter/bearer.go",
		old:     "		code = core.TokenExpired\n",
		new:     "",
		adapter: "fiber", slug: "bearer/seen-token-expires",
	},
	{
		name:    "CVE-2025-53826 filebrowser: a token is good after logout",
		file:    "core/token/check.go",
		old:     "	case issuer.revocations == nil:",
		new:     "	case true:",
		adapter: "gin", slug: "bearer/revoked-with-its-session",
	},
	{
		name:    "CVE-2026-35594 vikunja: a token is good after the account's end",
		file:    "core/token/check.go",
		old:     "	case issuer.revocations == nil:",
		new:     "	case true:",
		adapter: "fiber", slug: "bearer/revoked-with-its-subject",
	},
	{
		name:    "CVE-2025-53826 filebrowser: a log-out leaves the session's tokens good",
		file:    "core/session/transition.go",
		old:     "s.m.tokens == 0 || s.rec.subject",
		new:     "true || s.rec.subject",
		adapter: "gin", slug: "bearer/logged-out-with-its-session",
	},
	{
		name:    "a denial is forgotten before the tokens expire everywhere",
		file:    "core/session/transition.go",
		old:     "s.m.now().Add(s.m.tokens+revocation.Margin)",
		new:     "s.m.now().Add(s.m.tokens)",
		adapter: "nethttp", slug: "bearer/logged-out-with-its-session",
	},
	{
		name:    "CVE-2026-33031 nginx-ui: epochs are not compared",
		file:    "core/revocation/registry.go",
		old:     "found.Denied || c.named.Epoch < found.Epoch ||",
		new:     "found.Denied ||",
		adapter: "echo", slug: "bearer/revoked-with-its-subject",
	},
	{
		name:    "handles are not compared",
		file:    "core/revocation/registry.go",
		old:     "found.Denied || c.named.Epoch < found.Epoch ||",
		new:     "c.named.Epoch < found.Epoch ||",
		adapter: "nethttp", slug: "bearer/revoked-with-its-session",
	},
	{
		name:    "a token's handle is not its session's",
		file:    "core/token/issuer.go",
		old:     `if issued.Session = g.Session; issued.Session == "" {`,
		new:     `if issued.Session == "" {`,
		adapter: "gin", slug: "bearer/revoked-with-its-session",
	},
	{
		name:    "the epoch is that of the moment, not of the login",
		file:    "core/token/issuer.go",
		old:     `if g.Session == "" && i.cfg.Revocations != nil {`,
		new:     `if i.cfg.Revocations != nil {`,
		adapter: "gin", slug: "bearer/epoch-is-the-login-s",
	},
	{
		name:    "a session's principal does not know its epoch",
		file:    "core/session/session.go",
		old:     "		Epoch: s.entry[0].Epoch,\n",
		new:     "",
		adapter: "echo", slug: "bearer/revoked-with-its-subject",
	},
	{
		name:    "a token without a session has no epoch",
		file:    "core/token/issuer.go",
		old:     `if g.Session == "" && i.cfg.Revocations != nil {`,
		new:     `if false {`,
		adapter: "fiber", slug: "bearer/epoch-of-tokens-without-session",
	},
	{
		name:    "a token without a session is issued although the epoch is unknown",
		file:    "core/token/issuer.go",
		old:     "if g.Epoch, err = i.cfg.Revocations.Epoch(ctx, g.Subject); err != nil {",
		new:     "if g.Epoch, err = i.cfg.Revocations.Epoch(ctx, g.Subject); false {",
		adapter: "nethttp", slug: "bearer/epoch-of-tokens-without-session",
	},
	{
		name:    "unknown is good",
		file:    "core/token/check.go",
		old:     "	default:\n		return unknown(err)\n	}\n}\n\n// identify",
		new:     "	default:\n		return nil\n	}\n}\n\n// identify",
		adapter: "gin", slug: "bearer/unknown-is-503",
	},
	{
		name:    "unknown is revoked",
		file:    "core/token/check.go",
		old:     "	default:\n		return unknown(err)\n	}\n}\n\n// identify",
		new:     "	default:\n		return refusedRevoked\n	}\n}\n\n// identify",
		adapter: "echo", slug: "bearer/unknown-is-503",
	},
	{
		name:    "unknown is an invalid token to the client",
		file:    "core/adapter/bearer.go",
		old:     "	case errors.Is(err, core.ErrUnknown):\n		return deny(core.StoreUnavailable, err) // who failed has told\n",
		new:     "",
		adapter: "fiber", slug: "bearer/unknown-is-503",
	},
	{
		name:    "unknown is nobody where a token is optional",
		file:    "core/adapter/bearer.go",
		old:     "		return id.refuse(err)\n",
		new:     "		if optional && errors.Is(err, core.ErrUnknown) {\n			return nil\n		}\n		return id.refuse(err)\n",
		adapter: "nethttp", slug: "bearer/unknown-is-503",
	},
	{
		name:    "unknown without Retry-After",
		file:    "core/adapter/denied.go",
		old:     "retryAfter: code == core.StoreUnavailable ||",
		new:     "retryAfter: false ||",
		adapter: "gin", slug: "bearer/unknown-is-503",
	},
	{
		name:    "garbage is looked up",
		file:    "core/token/check.go",
		old:     "	key, err := issuer.key(ctx, header.kid, now)\n",
		new:     "	if issuer.revocations != nil {\n		_, _ = issuer.revocations.Epoch(ctx, payload)\n	}\n	key, err := issuer.key(ctx, header.kid, now)\n",
		adapter: "echo", slug: "bearer/garbage-costs-no-store-call",
	},
	{
		name:    "what has expired is looked up",
		file:    "core/token/check.go",
		old:     "	case over(c.Expires, now, v.cfg.Leeway):\n		return refusedExpired\n",
		new:     "	case over(c.Expires, now, v.cfg.Leeway):\n		if issuer.revocations != nil {\n			_, _ = issuer.revocations.Epoch(ctx, c.Subject)\n		}\n		return refusedExpired\n",
		adapter: "fiber", slug: "bearer/garbage-costs-no-store-call",
	},
}

var bearerKeyMutants = []mutant{
	{
		name:    "CVE-2025-22149 jwkset: a retired key verifies for ever",
		file:    "core/token/plan.go",
		old:     "return !k.gone.IsZero() && !now.Before(k.gone)",
		new:     "return false",
		adapter: "gin", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "a key is gone a moment late",
		file:    "core/token/plan.go",
		old:     "return !k.gone.IsZero() && !now.Before(k.gone)",
		new:     "return !k.gone.IsZero() && now.After(k.gone)",
		adapter: "echo", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "a key is gone when the next one signs",
		file:    "core/token/plan.go",
		old:     "successor.from.Add(retire)",
		new:     "successor.from",
		adapter: "fiber", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "a key is not published before it signs",
		file:    "core/token/plan.go",
		old:     "return k.revoked.IsZero() && !k.isGone(now)",
		new:     "return k.revoked.IsZero() && !k.isGone(now) && !k.from.After(now)",
		adapter: "nethttp", slug: "keys/remote-knows-before-it-signs",
	},
	{
		name:    "a key signs as soon as it is announced",
		file:    "core/token/plan.go",
		old:     "if !k.signedEver() || k.from.After(now) {",
		new:     "if !k.signedEver() {",
		adapter: "gin", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "the schedule is not kept",
		file:    "core/token/schedule.go",
		old:     "return r.cfg.Period > 0 && !now.Before(",
		new:     "return false && !now.Before(",
		adapter: "echo", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "CVE-2026-33496 oathkeeper: what is in the cache has a key",
		file:    "core/token/verifier.go",
		old:     "case err == nil && key == e.key:",
		new:     "case err == nil || key == nil:",
		adapter: "fiber", slug: "keys/rotation-on-schedule",
	},
	{
		name:    "a revoked key's tokens live on in the cache",
		file:    "core/token/verifier.go",
		old:     "case err == nil && key == e.key:",
		new:     "case err == nil || key == nil:",
		adapter: "gin", slug: "keys/revoked-at-once",
	},
	{
		name:    "a revoked key verifies until it is gone",
		file:    "core/token/ring.go",
		old:     "	case !k.revoked.IsZero():\n		return nil, errKeyRevoked\n",
		new:     "",
		adapter: "echo", slug: "keys/revoked-at-once",
	},
	{
		name:    "a revoked key is published",
		file:    "core/token/plan.go",
		old:     "return k.revoked.IsZero() && !k.isGone(now)",
		new:     "return !k.isGone(now)",
		adapter: "fiber", slug: "keys/revoked-at-once",
	},
	{
		name:    "a revoked key goes on signing",
		file:    "core/token/plan.go",
		old:     "		if !k.revoked.IsZero() {\n			return nil\n		}\n		return k\n",
		new:     "		return k\n",
		adapter: "nethttp", slug: "keys/revoked-at-once",
	},
	{
		name:    "a revoked key may come back",
		file:    "core/token/ring.go",
		old:     "		case old.verify.id != k.verify.id:\n",
		new:     "		case old.verify.id != k.verify.id || !old.revoked.IsZero():\n",
		adapter: "gin", slug: "keys/revoked-at-once",
	},
	{
		name: "CVE-2026-49998 centrifugo: keys are cached by their name alone",
		file: "core/token/check.go",
		old: `func (i *trusted) key(ctx context.Context, id string, now time.Time) (*verificationKey, error) {
	key, err := i.keys.verificationKey(ctx, id, now)
	switch {
	case err == nil:
`,
		new: `var keysByName = map[string]*verificationKey{}

func (i *trusted) key(ctx context.Context, id string, now time.Time) (*verificationKey, error) {
	if key := keysByName[id]; key != nil {
		return key, nil
	}
	key, err := i.keys.verificationKey(ctx, id, now)
	switch {
	case err == nil:
		keysByName[id] = key
`,
		adapter: "gin", slug: "keys/same-kid-two-issuers",
	},
	{
		name:    "any trusted issuer's key verifies",
		file:    "core/token/check.go",
		old:     "	if string(key.algorithm) != header.alg {",
		new:     "	for _, other := range v.issuers {\n		if k, err := other.key(ctx, header.kid, now); err == nil && signedBy(method, k.key, raw[:len(header64)+1+len(payload64)], signature64) {\n			key = k\n		}\n	}\n	if string(key.algorithm) != header.alg {",
		adapter: "echo", slug: "keys/same-kid-two-issuers",
	},
	{
		name:    "the key set has one tag for ever",
		file:    "core/token/jwks.go",
		old:     "etag := `\"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `\"`",
		new:     "etag := `\"` + base64.RawURLEncoding.EncodeToString(make([]byte, len(sum))) + `\"`",
		adapter: "gin", slug: "keys/published-set",
	},
	{
		name:    "the key set is never unchanged",
		file:    "core/token/jwks.go",
		old:     `if matches(req.Header.Values("If-None-Match"), etag) {`,
		new:     `if false {`,
		adapter: "echo", slug: "keys/published-set",
	},
	{
		name:    "tags are compared strongly",
		file:    "core/token/jwks.go",
		old:     `strings.TrimPrefix(tag, "W/") == etag`,
		new:     `tag == etag`,
		adapter: "fiber", slug: "keys/published-set",
	},
	{
		name:    "the key set may be cached for ever",
		file:    "core/token/jwks.go",
		old:     `"public, max-age="+strconv.FormatInt(r.maxAge(p, now), 10)`,
		new:     `"public, max-age=31536000"`,
		adapter: "fiber", slug: "keys/published-set",
	},
	{
		name:    "a key that signed is published no more",
		file:    "core/token/plan.go",
		old:     "return k.revoked.IsZero() && !k.isGone(now)",
		new:     "return k.revoked.IsZero() && !k.isGone(now) && (k.retired.IsZero() || now.Before(k.retired))",
		adapter: "echo", slug: "keys/rotation-on-schedule",
	},
}

var bearerRemoteMutants = []mutant{
	{
		name:    "CVE-2025-22149 jwkset: removed keys never leave",
		file:    "core/token/remote.go",
		old:     "	merged := make(map[string]*verificationKey, len(keys))\n",
		new:     "	merged := make(map[string]*verificationKey, len(keys))\n	for id, key := range old {\n		merged[id] = key\n	}\n",
		adapter: "gin", slug: "keys/remote-removed-key-is-gone",
	},
	{
		name:    "a set is fetched once",
		file:    "core/token/remote.go",
		old:     "		case age < r.early:",
		new:     "		case age >= 0:",
		adapter: "echo", slug: "keys/remote-removed-key-is-gone",
	},
	{
		name:    "another key under an old name is the old one",
		file:    "core/token/remote.go",
		old:     "was != nil && sameKey(was, key) {",
		new:     "was != nil {",
		adapter: "fiber", slug: "keys/remote-removed-key-is-gone",
	},
	{
		name:    "an empty set is an error",
		file:    "core/token/jwk.go",
		old:     "err != nil || entries == nil {",
		new:     "err != nil || len(entries) == 0 {",
		adapter: "nethttp", slug: "keys/remote-removed-key-is-gone",
	},
	{
		name:    "each unknown name is a fetch",
		file:    "core/token/remote.go",
		old:     "return s.last.IsZero() || now.Sub(s.last).Abs() >= r.cfg.RetryAfter",
		new:     "return true",
		adapter: "gin", slug: "keys/remote-unknown-kids-are-bounded",
	},
	{
		name:    "each request has a fetch of its own",
		file:    "core/token/remote.go",
		old:     "		if s.flight != nil {\n			return s.flight\n		}\n",
		new:     "",
		adapter: "echo", slug: "keys/remote-unknown-kids-are-bounded",
	},
	{
		name:    "an unknown name is never looked for",
		file:    "core/token/remote.go",
		old:     "return s.last.IsZero() || now.Sub(s.last).Abs() >= r.cfg.RetryAfter",
		new:     "return s.last.IsZero() || now.Sub(s.last).Abs() >= r.cfg.Refresh",
		adapter: "fiber", slug: "keys/remote-unknown-kids-are-bounded",
	},
	{
		name:    "keys are asked for before the issuer is known",
		file:    "core/token/check.go",
		old:     "	issuer := v.issuers[name]\n",
		new:     "	for _, any := range v.issuers {\n		_, _ = any.key(ctx, header.kid, now)\n	}\n	issuer := v.issuers[name]\n",
		adapter: "nethttp", slug: "keys/remote-unknown-kids-are-bounded",
	},
	{
		name:    "an old set serves for ever",
		file:    "core/token/remote.go",
		old:     "s.age(now)-r.cfg.Refresh < r.cfg.StaleFor",
		new:     "s.age(now) >= 0",
		adapter: "gin", slug: "keys/remote-outage",
	},
	{
		name:    "an old set does not serve at all",
		file:    "core/token/remote.go",
		old:     "s.age(now)-r.cfg.Refresh < r.cfg.StaleFor",
		new:     "s.age(now) < r.cfg.Refresh",
		adapter: "echo", slug: "keys/remote-outage",
	},
	{
		name:    "an outage logs out whoever has a new key",
		file:    "core/token/remote.go",
		old:     "		return nil, r.unknown(s.err)\n	default:\n",
		new:     "		return nil, errUnknownKey\n	default:\n",
		adapter: "fiber", slug: "keys/remote-outage",
	},
	{
		name:    "an outage is told to nobody",
		file:    "core/token/remote.go",
		old:     "	r.failed(&s)\n",
		new:     "",
		adapter: "nethttp", slug: "keys/remote-outage",
	},
	{
		name:    "an answer of any status is a set",
		file:    "core/token/remote_fetch.go",
		old:     "if resp.StatusCode != http.StatusOK {",
		new:     "if resp.StatusCode == 0 {",
		adapter: "gin", slug: "keys/remote-outage",
	},
	{
		name:    "a set of any length is cut and taken",
		file:    "core/token/remote_fetch.go",
		old:     "	case int64(len(doc)) > limit:",
		new:     "	case false:",
		adapter: "echo", slug: "keys/remote-outage",
	},
	{
		name:    "what was never had is an unknown key",
		file:    "core/token/remote.go",
		old:     "	case !r.usable(s, now):\n		return nil, r.unknown(s.err)\n",
		new:     "	case !r.usable(s, now):\n		return nil, errUnknownKey\n",
		adapter: "fiber", slug: "keys/remote-never-fetched",
	},
	{
		name:    "a fetch has no end",
		file:    "core/token/remote.go",
		old:     "context.WithTimeout(context.Background(), r.cfg.Timeout)",
		new:     "context.WithTimeout(context.Background(), 1000*r.cfg.Timeout)",
		adapter: "nethttp", slug: "keys/remote-never-fetched",
	},
	{
		name:    "an entry with a private member is published by mistake and taken",
		file:    "core/token/jwk.go",
		old:     `json.Unmarshal(raw, &m) != nil || m == nil || m.private() || !m.permits("verify")`,
		new:     `json.Unmarshal(raw, &m) != nil || m == nil || !m.permits("verify")`,
		adapter: "gin", slug: "keys/remote-strange-entries",
	},
	{
		name:    "a key for encryption verifies",
		file:    "core/token/jwk.go",
		old:     `json.Unmarshal(raw, &m) != nil || m == nil || m.private() || !m.permits("verify")`,
		new:     `json.Unmarshal(raw, &m) != nil || m == nil || m.private()`,
		adapter: "echo", slug: "keys/remote-strange-entries",
	},
	{
		name:    "of two keys of one name the last counts",
		file:    "core/token/jwk.go",
		old:     "return names[k.id] > 1",
		new:     "return names[k.id] > 2000",
		adapter: "fiber", slug: "keys/remote-strange-entries",
	},
	{
		name:    "CVE-2026-42576 apko: one strange entry spoils the set",
		file:    "core/token/jwk.go",
		old:     "		if k := publishedKey(raw); k != nil {\n",
		new:     "		k := publishedKey(raw)\n		if k == nil {\n			return nil, errNoKeySet\n		}\n		if k != nil {\n",
		adapter: "nethttp", slug: "keys/remote-strange-entries",
	},
	{
		name:    "CVE-2026-32301 centrifugo: metadata of anybody is believed",
		file:    "core/token/remote_fetch.go",
		old:     "if issuer != r.cfg.Issuer {",
		new:     "if false {",
		adapter: "gin", slug: "keys/remote-discovery",
	},
	{
		name:    "CVE-2026-49478 fulcio: jwks_uri may be anything",
		file:    "core/token/remote_fetch.go",
		old:     `if reason := urlReason(location, r.cfg.InsecureHTTP); reason != "" {`,
		new:     `if reason := urlReason(location, r.cfg.InsecureHTTP); reason == "never" {`,
		adapter: "echo", slug: "keys/remote-discovery",
	},
	{
		name:    "a slash more is the same issuer",
		file:    "core/token/remote_fetch.go",
		old:     "if issuer != r.cfg.Issuer {",
		new:     `if strings.TrimSuffix(issuer, "/") != strings.TrimSuffix(r.cfg.Issuer, "/") {`,
		adapter: "fiber", slug: "keys/remote-discovery",
	},
	{
		name:    "metadata that means two things is taken",
		file:    "core/token/remote_fetch.go",
		old:     "	case fault != strict.OK:\n",
		new:     "	case fault != strict.OK && fault != strict.Duplicate:\n",
		adapter: "nethttp", slug: "keys/remote-discovery",
	},
	{
		name:    "CVE-2026-49478 fulcio: redirects lead anywhere",
		file:    "core/token/remote_url.go",
		old:     "case originOf(req.URL) != originOf(via[0].URL) || req.URL.User != nil:",
		new:     "case false:",
		adapter: "gin", slug: "keys/remote-redirects",
	},
	{
		name:    "CVE-2025-52477 octo-sts: redirects lead to any port of the host",
		file:    "core/token/remote_url.go",
		old:     "case originOf(req.URL) != originOf(via[0].URL) || req.URL.User != nil:",
		new:     "case req.URL.Hostname() != via[0].URL.Hostname():",
		adapter: "echo", slug: "keys/remote-redirects",
	},
	{
		name:    "redirects have no end",
		file:    "core/token/remote_url.go",
		old:     "const maxRedirects = 3",
		new:     "const maxRedirects = 300",
		adapter: "fiber", slug: "keys/remote-redirects",
	},
	{
		name:    "redirects are not followed at all",
		file:    "core/token/remote_url.go",
		old:     "const maxRedirects = 3",
		new:     "const maxRedirects = 0",
		adapter: "nethttp", slug: "keys/remote-redirects",
	},
}

var bearerConfigMutants = []mutant{
	{
		name:    "CVE-2020-15084 express-jwt: algorithms are not compulsory",
		file:    "core/token/verifier.go",
		old:     "	if len(i.Algorithms) == 0 {",
		new:     "	if false {",
		adapter: "gin", slug: "keys/config-of-verifier",
	},
	{
		name:    "CVE-2022-23540 jsonwebtoken: none may be allowed",
		file:    "core/token/verifier.go",
		old:     "		if _, known := schemeOf(a); !known {\n",
		new:     "		if _, known := schemeOf(a); !known && a != \"none\" {\n",
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "the audience is not compulsory",
		file:    "core/token/verifier.go",
		old:     `	case cfg.Audience == "":`,
		new:     `	case false:`,
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "the issuer is not compulsory",
		file:    "core/token/verifier.go",
		old:     `	case i.Name == "":`,
		new:     `	case false:`,
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "an issuer may have another's keys",
		file:    "core/token/verifier.go",
		old:     "if sources[i.Keys] {",
		new:     "if false {",
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "CVE-2015-9235 jsonwebtoken: HS256 beside a ring without a key for it",
		file:    "core/token/ring.go",
		old:     `			bad("the ring has no key for " + string(a))`,
		new:     `			_ = a`,
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "CVE-2015-9235 jsonwebtoken: HS256 from published keys",
		file:    "core/token/remote.go",
		old:     "	if slices.Contains(algs, HS256) {",
		new:     "	if slices.Contains(algs, HS256) && false {",
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "the first mistake is the only one that is told",
		file:    "core/token/verifier.go",
		old:     "		return nil, fmt.Errorf(\"token: %w\", errors.Join(errs...))",
		new:     "		return nil, fmt.Errorf(\"token: %w\", errors.Join(errs[:1]...))",
		adapter: "nethttp", slug: "keys/config-of-verifier",
	},
	{
		name:    "CVE-2022-23539 jsonwebtoken: RSA of 1024 bits",
		file:    "core/token/public.go",
		old:     "minModulusBits = 2048",
		new:     "minModulusBits = 1024",
		adapter: "nethttp", slug: "keys/config-of-ring",
	},
	{
		name:    "e = 1",
		file:    "core/token/public.go",
		old:     "	case key.E < 3 ||",
		new:     "	case key.E < 1 ||",
		adapter: "nethttp", slug: "keys/config-of-ring",
	},
	{
		name:    "a point of small order",
		file:    "core/token/public.go",
		old:     "	if smallOrder(key) {",
		new:     "	if false {",
		adapter: "nethttp", slug: "keys/config-of-ring",
	},
	{
		name:    "one key twice, or for two algorithms",
		file:    "core/token/ring.go",
		old:     "seen[c.verify.id]; twice {",
		new:     "seen[c.verify.id]; twice && false {",
		adapter: "nethttp", slug: "keys/config-of-ring",
	},
	{
		name:    "a Signer that does not fit its public key",
		file:    "core/token/key.go",
		old:     "		return errors.New(\"the public key does not verify what the Signer signs\")",
		new:     "		return nil",
		adapter: "nethttp", slug: "keys/config-of-ring",
	},
	{
		name:    "CVE-2020-36569 nanoauth: an empty secret",
		file:    "core/token/key.go",
		old:     "	if len(secret) < minSecretLen {",
		new:     "	if len(secret) > 0 && len(secret) < minSecretLen {",
		adapter: "nethttp", slug: "keys/config-of-secrets",
	},
	{
		name:    "a secret of one byte less",
		file:    "core/token/public.go",
		old:     "minSecretLen   = 32",
		new:     "minSecretLen   = 31",
		adapter: "nethttp", slug: "keys/config-of-secrets",
	},
	{
		name:    "tokens outlive their key",
		file:    "core/token/issuer.go",
		old:     "cfg.Lifetime+usualLeeway > cfg.Keys.cfg.Retire:",
		new:     "cfg.Lifetime > cfg.Keys.cfg.Retire:",
		adapter: "nethttp", slug: "keys/config-of-issuer",
	},
	{
		name:    "private claims may say who it is",
		file:    "core/token/grant.go",
		old:     "if new(claimSet).member(strict.Fold(name)) != nil {",
		new:     "if new(claimSet).member(name) != nil {",
		adapter: "nethttp", slug: "keys/config-of-issuer",
	},
	{
		name:    "keys come over http from anywhere",
		file:    "core/token/remote_url.go",
		old:     "	case !origin.Loopback(u.Hostname()):",
		new:     "	case !origin.Loopback(\"localhost\"):",
		adapter: "nethttp", slug: "keys/config-of-remote-keys",
	},
	{
		name:    "keys come over http without anybody asking for it",
		file:    "core/token/remote_url.go",
		old:     `	case u.Scheme != "http" || !insecureHTTP:`,
		new:     `	case u.Scheme != "http":`,
		adapter: "nethttp", slug: "keys/config-of-remote-keys",
	},
}
