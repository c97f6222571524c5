package main

// trustMutants break the cookie, what surrounds it, and whom is believed.
var trustMutants = []mutant{
	{
		name: "CVE-2018-25060: deletion and set flags drop Secure",
		file: "core/cookie/cookie.go",
		old: `	if !insecure {
		b.WriteString("; Secure")
	}`,
		new: `	if false {
		b.WriteString("; Secure")
	}`,
		adapter: "gin", slug: "cookie/attributes-on-every-answer",
	},
	{
		name:    "HttpOnly is left out",
		file:    "core/cookie/cookie.go",
		old:     "b.WriteString(\"; HttpOnly; SameSite=\" + ",
		new:     "b.WriteString(\"; SameSite=\" + ",
		adapter: "echo", slug: "cookie/attributes-on-every-answer",
	},
	{
		name:    "the deletion has other flags than the cookie",
		file:    "core/cookie/cookie.go",
		old:     "GMT\" + f.flags(insecure)",
		new:     "GMT\" + f.flags(true)",
		adapter: "fiber", slug: "cookie/attributes-on-every-answer",
	},
	{
		name:    "Domain keeps __Host-",
		file:    "core/cookie/cookie.go",
		old:     "name = \"__Secure-\" + name",
		new:     "name = \"__Host-\" + name",
		adapter: "nethttp", slug: "cookie/configured-forms",
	},
	{
		name:    "Partitioned is not written",
		file:    "core/cookie/cookie.go",
		old:     "if f.partitioned {",
		new:     "if false {",
		adapter: "nethttp", slug: "cookie/configured-forms",
	},
	{
		name:    "InsecureHTTP: only the peer is looked at",
		file:    "core/adapter/flow.go",
		old:     "!(x.ClientIP().IsLoopback() && loopbackHost(x.Host()))",
		new:     "!x.ClientIP().IsLoopback()",
		adapter: "gin", slug: "cookie/insecure-http-loopback-only",
	},
	{
		name:    "InsecureHTTP: only the Host is looked at",
		file:    "core/adapter/flow.go",
		old:     "!(x.ClientIP().IsLoopback() && loopbackHost(x.Host()))",
		new:     "!loopbackHost(x.Host())",
		adapter: "fiber", slug: "cookie/insecure-http-loopback-only",
	},
	{
		name:    "localhost as a prefix of a name",
		file:    "core/internal/origin/origin.go",
		old:     "strings.HasSuffix(host, \".localhost\")",
		new:     "strings.HasPrefix(host, \"localhost.\")",
		adapter: "nethttp", slug: "cookie/insecure-http-loopback-only",
	},
	{
		name: "CVE-2025-48947: a handler's Cache-Control beats no-store",
		file: "core/adapter/flow.go",
		old: `	if len(out.SetCookie) > 0 {
		// A cache`,
		new: `	if len(out.SetCookie) > 0 && x.ResponseHeader("Cache-Control") == "" {
		// A cache`,
		adapter: "fiber", slug: "cookie/setting-answer-is-no-store",
	},
	{
		name: "CVE-2023-30861: Vary only without Set-Cookie",
		file: "core/adapter/flow.go",
		old: `	if out.Asked {
`,
		new: `	if out.Asked && len(out.SetCookie) == 0 {
`,
		adapter: "echo", slug: "cookie/setting-answer-is-no-store",
	},
	{
		name:    "Vary replaces the handler's",
		file:    "core/adapter/flow.go",
		old:     "x.AddHeader(\"Vary\", \"Cookie\")",
		new:     "x.SetHeader(\"Vary\", \"Cookie\")",
		adapter: "gin", slug: "cookie/asking-answer-varies",
	},
	{
		name:    "no private",
		file:    "core/adapter/flow.go",
		old:     "x.SetHeader(\"Cache-Control\", \"private\")",
		new:     "x.SetHeader(\"Cache-Control\", \"\")",
		adapter: "fiber", slug: "cookie/asking-answer-varies",
	},
	{
		name:    "private over the handler's own",
		file:    "core/adapter/flow.go",
		old:     "if x.ResponseHeader(\"Cache-Control\") == \"\" {",
		new:     "if x.ResponseHeader(\"Cache-Control\") != \"no-store\" {",
		adapter: "fiber", slug: "cookie/asking-answer-varies",
	},
	{
		name:    "the session counts as asked from the start",
		file:    "core/session/commit.go",
		old:     "out.Asked = s.asked",
		new:     "out.Asked = true",
		adapter: "echo", slug: "cookie/untouched-answer-is-plain",
	},
	{
		name: "names without regard to case",
		file: "core/cookie/values.go",
		old:  "value, ok := strings.CutPrefix(pair, s.name)",
		new: `value, ok := strings.CutPrefix(pair, s.name)
			if len(pair) >= len(s.name) && strings.EqualFold(pair[:len(s.name)], s.name) {
				value, ok = pair[len(s.name):], true
			}`,
		adapter: "fiber", slug: "cookie/name-byte-for-byte",
	},
	{
		name:    "CVE-2023-23934: nameless",
		file:    "core/cookie/values.go",
		old:     "value, ok := strings.CutPrefix(pair, s.name)",
		new:     "value, ok := strings.CutPrefix(strings.TrimPrefix(pair, \"=\"), s.name)",
		adapter: "gin", slug: "cookie/name-byte-for-byte",
	},
	{
		name:    "all blanks around a pair",
		file:    "core/cookie/values.go",
		old:     "line = strings.TrimPrefix(line, \" \")",
		new:     "line = strings.TrimLeft(line, \" \\t\")",
		adapter: "echo", slug: "cookie/name-byte-for-byte",
	},
	{
		name:    "quotes around the value are taken off",
		file:    "core/cookie/values.go",
		old:     "value = value[1:]",
		new:     "value = strings.Trim(value[1:], \"\\\"\")",
		adapter: "nethttp", slug: "cookie/name-byte-for-byte",
	},
	{
		name:    "first line only",
		file:    "core/cookie/values.go",
		old:     "for _, line := range lines {",
		new:     "for _, line := range lines[:min(len(lines), 1)] {",
		adapter: "nethttp", slug: "cookie/several-header-lines",
	},
	{
		name:    "value shape unchecked",
		file:    "core/session/token.go",
		old:     "if len(v) != valueLen {",
		new:     "if len(v) < valueLen {",
		adapter: "gin", slug: "cookie/huge-cookie",
	},
	{
		name: "value alphabet unchecked",
		file: "core/session/token.go",
		old: `		return false
	}
	return true
}

// keyOf`,
		new: `	}
	return true
}

// keyOf`,
		adapter: "gin", slug: "cookie/name-byte-for-byte",
	},
	{
		name:    "repair without deletions",
		file:    "core/session/commit.go",
		old:     "if s.repair != repairNone || s.seen > 1 {",
		new:     "if false {",
		adapter: "echo", slug: "cookie/one-line-per-name",
	},
	{
		name:    "Abandon sets no cookie",
		file:    "core/adapter/flow.go",
		old:     "setHeaders(x, st.Session.Abandon())",
		new:     "st.Session.Abandon()",
		adapter: "gin", slug: "cookie/attributes-on-every-answer",
	},
	{
		name: "everybody's X-Forwarded-For is believed",
		file: "core/adapter/proxy.go",
		old: `	if p == nil {
		return false
	}`,
		new: `	if p == nil {
		return true
	}`,
		adapter: "gin", slug: "trust/forwarded-address-ignored",
	},
	{
		name: "leftmost",
		file: "core/adapter/proxy.go",
		old: `comma := strings.LastIndexByte(line, ',')
			if more = comma >= 0; more {
				line, hop = line[:comma], line[comma+1:]`,
		new: `comma := strings.IndexByte(line, ',')
			if more = comma >= 0; more {
				hop, line = line[:comma], line[comma+1:]`,
		adapter: "fiber", slug: "trust/forwarded-address-by-trusted-proxy",
	},
	{
		name:    "garbage stepped over",
		file:    "core/adapter/proxy.go",
		old:     "return peer // the last one that we know",
		new:     "continue // the last one that we know",
		adapter: "fiber", slug: "trust/forwarded-address-by-trusted-proxy",
	},
	{
		name:    "mapped addresses are not unmapped",
		file:    "core/adapter/proxy.go",
		old:     "if peer = ip.Unmap(); !p.trusts(peer) {",
		new:     "if peer = ip; !p.trusts(peer) {",
		adapter: "echo", slug: "trust/forwarded-address-by-trusted-proxy",
	},
	{
		name:    "lines in reverse",
		file:    "core/adapter/proxy.go",
		old:     "for i := len(forwardedFor) - 1; i >= 0; i-- {",
		new:     "for i := range forwardedFor {",
		adapter: "nethttp", slug: "trust/forwarded-address-by-trusted-proxy",
	},
	{
		name:    "ClientIP option ignored",
		file:    "core/adapter/http_exchange.go",
		old:     "if x.ip.IsValid() {",
		new:     "if false {",
		adapter: "gin", slug: "trust/client-ip-option",
	},
	{
		name:    "ClientIP option ignored (fiber)",
		file:    "fiber/exchange.go",
		old:     "x.IP = m.cfg.ClientIP(c)",
		new:     "_ = m.cfg.ClientIP(c)",
		adapter: "fiber", slug: "trust/client-ip-option",
	},
	{
		name:    "missing middleware is open",
		file:    "core/adapter/guard.go",
		old:     "return nil, Failure(ctx, core.ErrNoMiddleware)",
		new:     "return nil, nil",
		adapter: "gin", slug: "trust/missing-middleware-closes",
	},
	{
		name:    "late middleware is open",
		file:    "core/adapter/guard.go",
		old:     "return nil, Failure(ctx, core.ErrNoMiddleware)",
		new:     "return nil, nil",
		adapter: "fiber", slug: "trust/late-middleware-closes",
	},
	{
		name:    "unknown is open",
		file:    "core/adapter/guard.go",
		old:     "if err := id.authorize(); err != nil {",
		new:     "if err := id.authorize(); err != nil && !errors.Is(err, core.ErrUnknown) {",
		adapter: "echo", slug: "trust/guards-in-any-order",
	},
	{
		name:    "role alone, nobody logged in",
		file:    "core/adapter/identity.go",
		old:     "return slices.ContainsFunc(roles, p.HasRole), err",
		new:     "return len(roles) == 1 || slices.ContainsFunc(roles, p.HasRole), err",
		adapter: "echo", slug: "trust/guards-in-any-order",
	},
	{
		name: "gin: refuse without Abort",
		file: "gin/session.go",
		old: `	c.Abort()
`,
		new:     "",
		adapter: "gin", slug: "trust/refusal-stands",
	},
	{
		name: "gin: refuse without Abort, own",
		file: "gin/session.go",
		old: `	c.Abort()
`,
		new:     "",
		adapter: "gin", slug: "trust/refusal-stands-in-own-words",
	},
	{
		name: "echo: guard answers and goes on",
		file: "echo/guard.go",
		old: `				return refuse(c, d)
			}
			return next(c)`,
		new: `				_ = next(c)
				return refuse(c, d)
			}
			return next(c)`,
		adapter: "echo", slug: "trust/refusal-stands",
	},
	{
		name:    "fiber: guard goes on",
		file:    "fiber/guard.go",
		old:     "\t\t\treturn refuse(c, d)\n",
		new:     "\t\t\t_ = refuse(c, d)\n",
		adapter: "fiber", slug: "trust/refusal-stands",
	},
	{
		name:    "fiber parsed header, names",
		file:    "fiber/exchange.go",
		old:     "\tif raw := c.Request().Header.RawHeaders(); len(raw) > 0 {\n",
		new:     "\tc.Cookies(\"a\")\n\tif raw := c.Request().Header.RawHeaders(); false {\n",
		adapter: "fiber", slug: "cookie/name-byte-for-byte",
	},
	{
		name: "panic keeps pending",
		file: "core/session/commit.go",
		old: `	if !discard {
`,
		new: `	if true {
`,
		adapter: "gin", slug: "trust/panic-under-recovery",
	},
	{
		name: "guard event twice / roles re-read",
		file: "core/adapter/guard.go",
		old:  "id.audit(audit.AuthorizationFailed, cause, err)",
		new: `id.audit(audit.AuthorizationFailed, cause, err)
	id.audit(audit.AuthorizationFailed, cause, err)`,
		adapter: "nethttp", slug: "trust/guards-in-any-order",
	},
	{
		name:    "the reason goes to the client",
		file:    "core/adapter/denied.go",
		old:     "}{d.Code, d.Code.Message()})",
		new:     "}{d.Code, d.Error()})",
		adapter: "gin", slug: "cookie/no-header-injection",
	},
}
