package main

// corsMutants break what is allowed to pages of other origins.
var corsMutants = []mutant{
	{
		name: "CVE-2018-20744 rs/cors: the asterisk is answered with who asks",
		file: "core/cors/origins.go",
		old: `		return "*"
`,
		new:     "\t\treturn strings.Clone(from)\n",
		adapter: "gin", slug: "cors/any-origin",
	},
	{
		name: "CVE-2017-20146 gorilla/handlers: whoever asks is allowed",
		file: "core/cors/origins.go",
		old: `		return strings.Clone(from)
	}
	return ""
`,
		new: `		return strings.Clone(from)
	}
	return strings.Clone(from)
`,
		adapter: "echo", slug: "cors/unlisted-origin",
	},
	{
		name: "CVE-2017-11173 rack-cors: a listed origin is a beginning",
		file: "core/cors/origins.go",
		old:  "\tif o.matches(from) {\n",
		new: `	for listed := range o.exact.own {
		if strings.HasPrefix(from, listed) {
			return strings.Clone(from)
		}
	}
	if o.matches(from) {
`,
		adapter: "nethttp", slug: "cors/lookalike-origins",
	},
	{
		name: "CVE-2024-27302 go-zero: a listed host is an end",
		file: "core/cors/origins.go",
		old:  "\tif o.matches(from) {\n",
		new: `	for listed := range o.exact.own {
		if _, host, _ := strings.Cut(listed, "://"); strings.HasSuffix(from, host) {
			return strings.Clone(from)
		}
	}
	if o.matches(from) {
`,
		adapter: "fiber", slug: "cors/lookalike-origins",
	},
	{
		name:    "origins without regard to case",
		file:    "core/cors/origins.go",
		old:     `	if own := o.exact.find(from); own != "" {`,
		new:     `	if own := o.exact.find(strings.ToLower(from)); own != "" {`,
		adapter: "gin", slug: "cors/lookalike-origins",
	},
	{
		name:    "of two Origin lines the first counts",
		file:    "core/cors/decide.go",
		old:     "\tif len(r.Origin) == 1 {\n",
		new:     "\tif len(r.Origin) > 0 {\n",
		adapter: "fiber", slug: "cors/two-origin-headers",
	},
	{
		name: "null is allowed where localhost is",
		file: "core/cors/origins.go",
		old:  "\tif o.matches(from) {\n",
		new: `	if from == "null" && o.exact.find("http://localhost:3000") != "" {
		return "null"
	}
	if o.matches(from) {
`,
		adapter: "echo", slug: "cors/null-origin",
	},
	{
		name: "a policy of nobody allows everybody",
		file: "core/cors/decide.go",
		old: `		a.Cause = audit.CauseOrigin
		return a
	}
	allowed := ""
`,
		new: `		a.set("Access-Control-Allow-Origin", "*")
		return a
	}
	allowed := ""
`,
		adapter: "nethttp", slug: "cors/config-names-somebody",
	},
	{
		name:    "no Vary for who is not there",
		file:    "core/adapter/cors.go",
		old:     "\tfirst := addVary(x, cors.Vary(r.Method))\n",
		new:     "\tfirst := x.Header(\"Origin\") == \"\" || addVary(x, cors.Vary(r.Method))\n",
		adapter: "fiber", slug: "cors/no-origin",
	},
	{
		name:    "the list is not looked up whole",
		file:    "core/cors/table.go",
		old:     "\tif len(s) > t.longest {",
		new:     "\tif len(s) > min(t.longest, 24) {",
		adapter: "gin", slug: "cors/one-of-many",
	},
	{
		name: "GHSA-vhxv-fg4m-p2w8 jub0bs/cors: what a host ends with makes another",
		file: "core/cors/pattern.go",
		old: `	return n > 0 && o.below(secure).find(host[n:]) != ""
`,
		new: `	for domain := range o.below(secure).own {
		if strings.HasSuffix(host, domain[1:]) {
			return true
		}
	}
	return n > maxLabel
`,
		adapter: "gin", slug: "cors/patterns-never-combine",
	},
	{
		name: "GHSA-v84h-653v-4pq9 fcors: a piece of a listed name before a listed domain",
		file: "core/cors/pattern.go",
		old: `	return n > 0 && o.below(secure).find(host[n:]) != ""
`,
		new: `	for listed := range o.exact.own {
		if _, domain, _ := strings.Cut(listed, "://"); strings.HasSuffix(host, domain) {
			return true
		}
	}
	return n > 0 && o.below(secure).find(host[n:]) != ""
`,
		adapter: "nethttp", slug: "cors/patterns-never-combine",
	},
	{
		name: "CVE-2019-25211 gin-contrib/cors: what stands behind the domain does not matter",
		file: "core/cors/pattern.go",
		old: `	return n > 0 && o.below(secure).find(host[n:]) != ""
`,
		new: `	for domain := range o.below(secure).own {
		if n > 0 && strings.HasPrefix(host[n:], domain) {
			return true
		}
	}
	return false
`,
		adapter: "gin", slug: "cors/pattern-one-label",
	},
	{
		name: "CVE-2019-25211 gin-contrib/cors: what stands behind the port does not matter",
		file: "core/cors/pattern.go",
		old: `	return n > 0 && o.below(secure).find(host[n:]) != ""
`,
		new: `	for domain := range o.below(secure).own {
		if n > 0 && strings.HasPrefix(host[n:], domain) {
			return true
		}
	}
	return false
`,
		adapter: "echo", slug: "cors/pattern-scheme-and-port",
	},
	{
		name:    "a pattern allows an empty label",
		file:    "core/cors/pattern.go",
		old:     "\treturn n > 0 && o",
		new:     "\treturn n >= 0 && o",
		adapter: "fiber", slug: "cors/pattern-one-label",
	},
	{
		name: "a label is as long as it likes",
		file: "core/cors/pattern.go",
		old: `n > maxLabel {
			return false`,
		new: `n > 1<<20 {
			return false`,
		adapter: "nethttp", slug: "cors/huge-origin",
	},
	{
		name:    "a pattern for https is for http too",
		file:    "core/cors/pattern.go",
		old:     `o.below(secure).find(host[n:]) != ""`,
		new:     `(o.below(secure).find(host[n:]) != "" || o.https.find(host[n:]) != "")`,
		adapter: "gin", slug: "cors/pattern-one-label",
	},
	{
		name: "who is allowed by a pattern is told of its domain",
		file: "core/cors/origins.go",
		old: `	if o.matches(from) {
		return strings.Clone(from)`,
		new: `	if o.matches(from) {
		return "https://*" + from[strings.IndexByte(from, '.'):]`,
		adapter: "echo", slug: "cors/pattern-does-as-a-name",
	},
	{
		name: "CVE-2025-47908 rs/cors: a long host is read to its end",
		file: "core/cors/pattern.go",
		old:  "\tn := 0\n",
		new: `	n := len(strings.Split(host, "a")) - len(strings.Split(host, "a"))
`,
		adapter: "nethttp", slug: "cors/hostile-list-costs-nothing",
	},
	{
		name: "CVE-2024-25124 fiber: the asterisk constructs with credentials",
		file: "core/cors/origins.go",
		old: `			if credentials {
				m.add(field, raw, "would let`,
		new: `			if false {
				m.add(field, raw, "would let`,
		adapter: "gin", slug: "cors/config-asterisk-with-credentials",
	},
	{
		name:    "the asterisk need not stand alone",
		file:    "core/cors/origins.go",
		old:     "\t\t\tif len(exact)+len(patterns) > 1 {",
		new:     "\t\t\tif false {",
		adapter: "echo", slug: "cors/config-asterisk-with-credentials",
	},
	{
		name:    "an asterisk for methods constructs with credentials",
		file:    "core/cors/names.go",
		old:     `		case given == "*" && credentials:`,
		new:     `		case given == "*" && credentials && n.fold:`,
		adapter: "fiber", slug: "cors/config-asterisk-with-credentials",
	},
	{
		name:    "a policy of nobody constructs",
		file:    "core/cors/origins.go",
		old:     "\tif len(exact)+len(patterns) == 0 {",
		new:     "\tif false {",
		adapter: "nethttp", slug: "cors/config-names-somebody",
	},
	{
		name:    "null constructs",
		file:    "core/cors/origins.go",
		old:     `			if reason := reasonOf(raw); reason != "" {`,
		new:     `			if reason := reasonOf(raw); reason != "" && raw != "null" {`,
		adapter: "gin", slug: "cors/config-null",
	},
	{
		name:    "only the first mistake is told",
		file:    "core/cors/compile.go",
		old:     "errors.Join(m...)",
		new:     "errors.Join(m[0])",
		adapter: "nethttp", slug: "cors/config-every-mistake",
	},
	{
		name:    "plain http constructs with credentials",
		file:    "core/cors/origins.go",
		old:     "\t\treasonOf = origin.Reason\n",
		new:     "\t\treasonOf = origin.Malformed\n",
		adapter: "gin", slug: "cors/config-every-mistake",
	},
	{
		name:    "plain http does not construct where there is nothing to steal",
		file:    "core/cors/origins.go",
		old:     "\treasonOf := origin.Malformed\n",
		new:     "\treasonOf := origin.Reason\n",
		adapter: "echo", slug: "cors/config-what-is-meant",
	},
	{
		name: "what stands twice constructs",
		file: "core/cors/table.go",
		old: `	if _, there := t.own[s]; there {
		return false`,
		new: `	if _, there := t.own[s]; there {
		return true`,
		adapter: "fiber", slug: "cors/config-every-mistake",
	},
	{
		name:    "a pattern below a top-level domain constructs",
		file:    "core/cors/pattern.go",
		old:     `	if !strings.Contains(host, ".") {`,
		new:     "\tif false {",
		adapter: "nethttp", slug: "cors/config-every-mistake",
	},
	{
		name: "patch constructs",
		file: "core/cors/methods.go",
		old: `	case "PATCH":
`,
		new: `	case "PATCHES":
`,
		adapter: "gin", slug: "cors/config-every-mistake",
	},
	{
		name:    "TRACE constructs",
		file:    "core/cors/methods.go",
		old:     `	case "CONNECT", "TRACE", "TRACK":`,
		new:     `	case "CONNECT", "TRACK":`,
		adapter: "echo", slug: "cors/config-every-mistake",
	},
	{
		name:    "Cookie constructs",
		file:    "core/internal/fetch/fetch.go",
		old:     `"connection", "content-length", "cookie", "cookie2"`,
		new:     `"connection", "content-length", "cookie2"`,
		adapter: "fiber", slug: "cors/config-every-mistake",
	},
	{
		name:    "Set-Cookie constructs as what pages may read",
		file:    "core/cors/headers.go",
		old:     `	case name == "set-cookie", name == "set-cookie2":`,
		new:     `	case name == "set-cookie2":`,
		adapter: "nethttp", slug: "cors/config-every-mistake",
	},
	{
		name:    "what is no token constructs",
		file:    "core/cors/names.go",
		old:     `		case !made(given, &inToken):`,
		new:     "\t\tcase false:",
		adapter: "gin", slug: "cors/config-every-mistake",
	},
	{
		name:    "more than a day constructs",
		file:    "core/cors/compile.go",
		old:     "\tcase age > maxMaxAge:",
		new:     "\tcase age > 2*maxMaxAge:",
		adapter: "echo", slug: "cors/config-every-mistake",
	},
	{
		name:    "parts of a second construct",
		file:    "core/cors/compile.go",
		old:     "\tcase age%time.Second != 0:",
		new:     "\tcase false:",
		adapter: "fiber", slug: "cors/config-every-mistake",
	},
	{
		name:    "Debug that tells nobody constructs",
		file:    "core/cors/compile.go",
		old:     "\tif cfg.Debug && cfg.Audit == nil {",
		new:     "\tif false {",
		adapter: "nethttp", slug: "cors/config-every-mistake",
	},
	{
		name:    "the private network is opened to everybody",
		file:    "core/cors/compile.go",
		old:     "\tif cfg.DangerouslyAllowPrivateNetwork && c.origins.any {",
		new:     "\tif false {",
		adapter: "gin", slug: "cors/config-asterisk-with-credentials",
	},
	{
		name:    "a warning does not name the cookie",
		file:    "core/cors/warning.go",
		old:     `", whose cookie " + s.Name() + " is`,
		new:     `", whose cookie is`,
		adapter: "echo", slug: "cors/config-warning",
	},
	{
		name:    "who is warned of is of the same site",
		file:    "core/cors/warning.go",
		old:     "\t\t\tif !origin.CrossSite(o, cfg.PublicOrigin) {",
		new:     "\t\t\tif origin.CrossSite(o, cfg.PublicOrigin) {",
		adapter: "fiber", slug: "cors/config-warning",
	},
	{
		name:    "warnings are told to nobody",
		file:    "core/cors/policy.go",
		old:     "\tif c.audit != nil {",
		new:     "\tif c.audit == nil {",
		adapter: "nethttp", slug: "cors/config-warning",
	},
	{
		name:    "every OPTIONS with an Origin is a preflight",
		file:    "core/cors/decide.go",
		old:     " && len(r.Origin) > 0 && len(r.RequestMethod) > 0\n",
		new:     " && len(r.Origin) > 0\n",
		adapter: "echo", slug: "cors/plain-options",
	},
	{
		name:    "every OPTIONS with a method is a preflight",
		file:    "core/cors/decide.go",
		old:     " && len(r.Origin) > 0 && len(r.RequestMethod) > 0\n",
		new:     " && len(r.RequestMethod) > 0\n",
		adapter: "fiber", slug: "cors/plain-options",
	},
	{
		name: "OPTIONS varies on Origin alone",
		file: "core/cors/decide.go",
		old: `	if method == "OPTIONS" {
		return`,
		new: `	if method == "options" {
		return`,
		adapter: "gin", slug: "cors/plain-options",
	},
	{
		name:    "methods without regard to case",
		file:    "core/cors/methods.go",
		old:     `ms.named.find(method) != ""`,
		new:     `ms.named.find(strings.ToUpper(method)) != ""`,
		adapter: "fiber", slug: "cors/method-refused",
	},
	{
		name:    "of two methods the first counts",
		file:    "core/cors/decide.go",
		old:     "\tif len(r.RequestMethod) != 1 || !c",
		new:     "\tif !c",
		adapter: "nethttp", slug: "cors/method-refused",
	},
	{
		name:    "methods are not looked at",
		file:    "core/cors/decide.go",
		old:     " || !c.methods.allows(r.RequestMethod[0]) {",
		new:     " {",
		adapter: "echo", slug: "cors/method-refused",
	},
	{
		name:    "the methods are told for GET too",
		file:    "core/cors/decide.go",
		old:     "\tif !isSafelistedMethod(r.RequestMethod[0]) {",
		new:     "\tif true {",
		adapter: "gin", slug: "cors/methods-named",
	},
	{
		name:    "methods that need no permission are told",
		file:    "core/cors/methods.go",
		old:     `, isSafelistedMethod), ",")`,
		new:     `, func(string) bool { return false }), ",")`,
		adapter: "echo", slug: "cors/methods-named",
	},
	{
		name:    "the asterisk becomes the method that was asked for",
		file:    "core/cors/decide.go",
		old:     `		a.set("Access-Control-Allow-Methods", c.methods.value)`,
		new:     `		a.set("Access-Control-Allow-Methods", r.RequestMethod[0])`,
		adapter: "gin", slug: "cors/methods-any",
	},
	{
		name: "headers are not looked at",
		file: "core/cors/decide.go",
		old: `	if fault != "" {
`,
		new:     "\tif fault == \"never\" {\n",
		adapter: "nethttp", slug: "cors/header-refused",
	},
	{
		name:    "headers are told although none was asked for",
		file:    "core/cors/decide.go",
		old:     "\tif some {\n",
		new:     "\tif true || some {\n",
		adapter: "fiber", slug: "cors/headers-named",
	},
	{
		name:    "names are compared as they are configured",
		file:    "core/cors/headers.go",
		old:     `names{field: "RequestHeaders", fold: true,`,
		new:     `names{field: "RequestHeaders", fold: false,`,
		adapter: "gin", slug: "cors/headers-named",
	},
	{
		name:    "the asterisk covers Authorization",
		file:    "core/cors/asked.go",
		old:     "if h.any && name != authorization {",
		new:     "if h.any {",
		adapter: "echo", slug: "cors/headers-any",
	},
	{
		name:    "with the asterisk as many names as one likes",
		file:    "core/cors/asked.go",
		old:     "h.any && bytes > maxAny {",
		new:     "h.any && bytes > 1<<20 {",
		adapter: "fiber", slug: "cors/headers-any",
	},
	{
		name: "who is listed is told so with a refusal",
		file: "core/cors/decide.go",
		old:  "\t\ta.Cause = audit.CauseMethod\n",
		new: `		a.Cause = audit.CauseMethod
		c.grant(a, allowed)
`,
		adapter: "nethttp", slug: "cors/all-or-nothing",
	},
	{
		name:    "names in any order",
		file:    "core/cors/asked.go",
		old:     "\t\t\tcase name <= last:",
		new:     "\t\t\tcase name == last:",
		adapter: "gin", slug: "cors/list-as-browsers-write-it",
	},
	{
		name:    "names more than once",
		file:    "core/cors/asked.go",
		old:     "\t\t\tcase name <= last:",
		new:     "\t\t\tcase name < last:",
		adapter: "echo", slug: "cors/list-as-browsers-write-it",
	},
	{
		name:    "names in any case",
		file:    "core/cors/asked.go",
		old:     "\t\t\tname := trim(element)\n",
		new:     "\t\t\tname := strings.ToLower(trim(element))\n",
		adapter: "fiber", slug: "cors/list-as-browsers-write-it",
	},
	{
		name:    "as many blanks as one likes",
		file:    "core/cors/asked.go",
		old:     "\t\t\tname := trim(element)\n",
		new:     "\t\t\tname := strings.TrimSpace(element)\n",
		adapter: "nethttp", slug: "cors/list-as-browsers-write-it",
	},
	{
		name:    "empty elements are not counted",
		file:    "core/cors/asked.go",
		old:     "\t\t\t\tif empty++; empty > maxEmpty {",
		new:     "\t\t\t\tif empty++; empty > 1<<20 {",
		adapter: "gin", slug: "cors/hostile-list",
	},
	{
		name:    "no empty elements",
		file:    "core/cors/asked.go",
		old:     "\t\t\t\tif empty++; empty > maxEmpty {",
		new:     "\t\t\t\tif empty++; empty > 0 {",
		adapter: "fiber", slug: "cors/list-as-browsers-write-it",
	},
	{
		name: "each line is a list of its own",
		file: "core/cors/asked.go",
		old:  "\tfor _, line := range lines {\n",
		new: `	for _, line := range lines {
		last = ""
`,
		adapter: "echo", slug: "cors/list-as-browsers-write-it",
	},
	{
		name: "CVE-2025-47908 rs/cors: a list is taken apart before it is looked at",
		file: "core/cors/asked.go",
		old:  "\tfor _, line := range lines {\n",
		new: `	for _, line := range lines {
		if strings.Split(line, ",")[0] == "*" {
			break
		}
`,
		adapter: "gin", slug: "cors/hostile-list-costs-nothing",
	},
	{
		name: "CVE-2025-47908 rs/cors: a list is copied into lower case",
		file: "core/cors/asked.go",
		old:  "\tfor _, line := range lines {\n",
		new: `	for _, line := range lines {
		line = strings.ToLower(line + " ")
`,
		adapter: "fiber", slug: "cors/hostile-list-costs-nothing",
	},
	{
		name:    "how long a preflight holds is told in minutes",
		file:    "core/cors/compile.go",
		old:     "int64(age/time.Second)",
		new:     "int64(age/time.Minute)",
		adapter: "nethttp", slug: "cors/max-age",
	},
	{
		name: "never is left to the browser",
		file: "core/cors/compile.go",
		old: `	case age < 0:
		return "0"`,
		new: `	case age < 0:
		return ""`,
		adapter: "echo", slug: "cors/max-age",
	},
	{
		name:    "what every page may read is exposed",
		file:    "core/cors/headers.go",
		old:     "(named.sorted(), isSafelistedResponseHeader)",
		new:     "(named.sorted(), func(string) bool { return false })",
		adapter: "gin", slug: "cors/expose-headers",
	},
	{
		name: "headers are exposed by the preflight too",
		file: "core/cors/decide.go",
		old: `	a.set("Access-Control-Max-Age", c.maxAge)
`,
		new: `	a.set("Access-Control-Max-Age", c.maxAge)
	a.set("Access-Control-Expose-Headers", c.expose)
`,
		adapter: "fiber", slug: "cors/expose-headers",
	},
	{
		name:    "CVE-2024-6221 flask-cors: the private network is open by default",
		file:    "core/cors/decide.go",
		old:     "\tif private && !c.private {",
		new:     "\tif false {",
		adapter: "nethttp", slug: "cors/private-network-off",
	},
	{
		name:    "a private network is told to who did not ask",
		file:    "core/cors/decide.go",
		old:     "\tif private {\n",
		new:     "\tif private || c.private {\n",
		adapter: "gin", slug: "cors/private-network-allowed",
	},
	{
		name:    "credentials are always allowed",
		file:    "core/cors/decide.go",
		old:     "\tif c.credentials {\n",
		new:     "\tif true {\n",
		adapter: "echo", slug: "cors/any-origin",
	},
	{
		name:    "credentials are never allowed",
		file:    "core/cors/decide.go",
		old:     "\tif c.credentials {\n",
		new:     "\tif false {\n",
		adapter: "fiber", slug: "cors/session-of-another-origin",
	},
	{
		name:    "gin: a preflight goes on to the handlers",
		file:    "gin/cross.go",
		old:     "\t\tc.AbortWithStatus(http.StatusNoContent)\n",
		new:     "\t\tc.Status(http.StatusNoContent)\n",
		adapter: "gin", slug: "cors/preflight-before-authentication",
	},
	{
		name: "echo: a preflight goes on to the handlers",
		file: "echo/cross.go",
		old:  "\t\t\treturn c.NoContent(http.StatusNoContent)\n",
		new: `			_ = c.NoContent(http.StatusNoContent)
			return next(c)
`,
		adapter: "echo", slug: "cors/preflight-before-authentication",
	},
	{
		name: "fiber: a preflight goes on to the handlers",
		file: "fiber/cross.go",
		old: `		c.Status(fiber.StatusNoContent)
		return nil
`,
		new: `		c.Status(fiber.StatusNoContent)
		return c.Next()
`,
		adapter: "fiber", slug: "cors/preflight-before-authentication",
	},
	{
		name: "a preflight asks who is logged in",
		file: "core/adapter/cors.go",
		old:  "\tr := cors.Request{Method",
		new: `	if id := identityFrom(x.Context()); id != nil {
		_ = id.authorize()
	}
	r := cors.Request{Method`,
		adapter: "gin", slug: "cors/behind-session",
	},
	{
		name:    "CORS behind a guard is left to itself",
		file:    "core/adapter/cors.go",
		old:     "id != nil && id.guarded() {",
		new:     "id != nil && x == nil {",
		adapter: "gin", slug: "cors/behind-a-guard",
	},
	{
		name:    "CORS behind a token is left to itself",
		file:    "core/adapter/cors.go",
		old:     "id != nil && id.guarded() {",
		new:     "id != nil && x == nil {",
		adapter: "echo", slug: "cors/behind-bearer",
	},
	{
		name:    "CORS behind a token that may be missing is misplaced too",
		file:    "core/adapter/cors.go",
		old:     "id != nil && id.guarded() {",
		new:     "id != nil {",
		adapter: "fiber", slug: "cors/behind-bearer",
	},
	{
		name: "what varies on Origin varies on nothing else",
		file: "core/adapter/cors.go",
		old: `	if v, ok := x.(Varying); ok {
		return v.AddVary(line)
	}
	x.AddHeader("Vary", line)
`,
		new: `	x.SetHeader("Vary", line)
`,
		adapter: "nethttp", slug: "cors/behind-bearer",
	},
	{
		name: "each policy says for itself what answers vary on",
		file: "core/adapter/cors.go",
		old: `	if v, ok := x.(Varying); ok {
		return v.AddVary(line)
	}
	x.AddHeader("Vary", line)
`,
		new: `	x.AddHeader("Vary", line)
`,
		adapter: "echo", slug: "cors/two-policies",
	},
	{
		name:    "what the outer policy allows is left",
		file:    "core/adapter/cors.go",
		old:     "\t\tx.SetHeader(\"Access-Control-Allow-Origin\", \"\")\n",
		new:     "",
		adapter: "fiber", slug: "cors/two-policies",
	},
	{
		name:    "fiber: what begins like a group is of the group",
		file:    "core/adapter/cors_groups.go",
		old:     "\t\tcase want == got, is",
		new:     "\t\tcase strings.HasPrefix(got, want), is",
		adapter: "fiber", slug: "cors/group-ends-at-its-prefix",
	},
	{
		name: "gin-contrib/cors#35, echo#228: a group's preflights are its routes' alone",
		file: "core/adapter/cors_groups.go",
		old: `	p := g.Policy(cmp.Or(r.URL.RawPath, r.URL.Path), r.URL.Path, false)
`,
		new: `	p := g.Policy(cmp.Or(pattern, r.URL.RawPath), pattern, false)
`,
		adapter: "gin", slug: "cors/on-a-group",
	},
	{
		name:    "the outer group counts",
		file:    "core/adapter/cors_groups.go",
		old:     "cmp.Compare(len(b.segments), len(a.segments))",
		new:     "cmp.Compare(len(a.segments), len(b.segments))",
		adapter: "nethttp", slug: "cors/group-in-group",
	},
	{
		name: "every group has the first one's policy",
		file: "core/adapter/cors_groups.go",
		old: `group.covers(path, fold) {
			return group.policy`,
		new: `group.covers(path, fold) {
			return g.innermost[0].policy`,
		adapter: "echo", slug: "cors/groups-apart",
	},
	{
		name:    "names of groups without regard to case",
		file:    "core/adapter/cors_groups.go",
		old:     "\t\tcase !fold || !strings",
		new:     "\t\tcase !strings",
		adapter: "fiber", slug: "cors/group-ends-at-its-prefix",
	},
	{
		name: "CVE-2026-41135 free5GC: what is made in a handler is kept",
		file: "core/adapter/cors.go",
		old:  "\t\treturn construct(Compiled{Policy: policy}",
		new: `		kept = append(kept, make([]byte, 64<<10))
		return construct(Compiled{Policy: policy}`,
		extra: `package adapter

var kept [][]byte
`,
		adapter: "fiber", slug: "cors/made-in-a-handler",
	},
	{
		name: "what could not be committed loses CORS",
		file: "core/adapter/flow.go",
		old: `		"Content-Disposition", "Content-Range", "Accept-Ranges",
	} {
		x.Set`,
		new: `		"Content-Disposition", "Content-Range", "Accept-Ranges", "Access-Control-Allow-Origin",
	} {
		x.Set`,
		adapter: "echo", slug: "cors/survives-failed-commit",
	},
	{
		name: "what could not be committed loses Vary",
		file: "core/adapter/flow.go",
		old: `		"Content-Disposition", "Content-Range", "Accept-Ranges",
	} {
		x.Set`,
		new: `		"Content-Disposition", "Content-Range", "Accept-Ranges", "Vary",
	} {
		x.Set`,
		adapter: "fiber", slug: "cors/survives-failed-commit",
	},
	{
		name:    "the first policy stays",
		file:    "core/cors/policy.go",
		old:     "\tp.now.Store(c)\n",
		new:     "\tp.now.CompareAndSwap(nil, c)\n",
		adapter: "gin", slug: "cors/replace",
	},
	{
		name: "a refused policy leaves none",
		file: "core/cors/policy.go",
		old: `	if err != nil {
		return err
	}
	p.now.Store(c)
`,
		new: `	if err != nil {
		p.now.Store(nil)
		return err
	}
	p.now.Store(c)
`,
		adapter: "echo", slug: "cors/replace-refused",
	},
	{
		name:    "refusals are told without Debug",
		file:    "core/cors/compile.go",
		old:     "\t\tdebug:       cfg.Debug,\n",
		new:     "\t\tdebug:       cfg.Audit != nil,\n",
		adapter: "fiber", slug: "cors/no-events-without-debug",
	},
	{
		name: "the reason is in the answer",
		file: "core/adapter/cors.go",
		old: `	if a.Cause != "" && p.Debug() {
`,
		new: `	if a.Cause != "" && p.Debug() {
		x.SetHeader("X-Cors-Refused", string(a.Cause))
`,
		adapter: "nethttp", slug: "cors/debug-changes-no-answer",
	},
	{
		name: "a preflight is refused openly with Debug",
		file: "core/adapter/cors.go",
		old:  "\treturn a.Preflight, nil\n",
		new: `	return a.Preflight && (a.Cause == "" || !p.Debug()), nil
`,
		adapter: "gin", slug: "cors/debug-changes-no-answer",
	},
	{
		name:    "an event is as long as the request",
		file:    "core/cors/report.go",
		old:     "func cut(s string) string { return s[:min(len(s), maxQuote)] }",
		new:     "func cut(s string) string { return s }",
		adapter: "echo", slug: "cors/debug-events",
	},
	{
		name:    "an event holds the bytes that were sent",
		file:    "core/cors/report.go",
		old:     "\t\treturn strconv.Quote(cut(lines[0]))\n",
		new:     "\t\treturn cut(lines[0])\n",
		adapter: "fiber", slug: "cors/debug-events",
	},
	{
		name:    "the application's own pages are told as others",
		file:    "core/cors/decide.go",
		old:     "\t\tif a.Preflight || !c.isOwn(r.Origin) {",
		new:     "\t\tif true {",
		adapter: "nethttp", slug: "cors/debug-events",
	},
	{
		name:    "the event does not say who asked",
		file:    "core/adapter/cors.go",
		old:     "ClientIP: x.ClientIP(), UserAgent: audit",
		new:     "UserAgent: audit",
		adapter: "gin", slug: "cors/debug-events",
	},
	{
		name:    "a refusal by header is one by method",
		file:    "core/cors/decide.go",
		old:     "\t\ta.Cause = audit.CauseHeader\n",
		new:     "\t\ta.Cause = audit.CauseMethod\n",
		adapter: "echo", slug: "cors/debug-events",
	},
	{
		name:    "a guard behind an optional Bearer is none",
		file:    "core/adapter/bearer.go",
		old:     "	s.required = true\n",
		new:     "",
		adapter: "echo", slug: "cors/behind-bearer",
	},
	{
		name:    "CORS behind a guard is a mistake, whatever stands in front",
		file:    "core/adapter/cors.go",
		old:     "; first && id != nil",
		new:     "; id != nil",
		adapter: "nethttp", slug: "cors/in-front-and-behind",
	},
	{
		name:    "what another policy allowed stands",
		file:    "core/adapter/cors.go",
		old:     "	takeBack(x, &a, first)\n",
		new:     "",
		adapter: "gin", slug: "cors/two-policies",
	},
}
