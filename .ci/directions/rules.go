package main

// A rule says what the package of one folder may import outside tests: the
// standard library, its own internal packages, and what the row names.
type rule struct {
	pkg   string   // folder; "x" also covers what is internal to it, "x/..." everything below it
	ours  []string // folders of ours, in the same notation
	other []string // third-party modules; "*" is any
}

// The direction, one way only:
//
//	adapters → core/adapter → {session token refresh cors csrf} → {cookie revocation audit} → core
//
// A store depends on the domain whose interface it implements, never the other
// way. A package that no row covers is a violation: whoever adds a package says
// here where it stands. Rows may name packages that are still to come.
var rules = []rule{
	{pkg: "core"},
	{pkg: "core/internal/realm"},
	{pkg: "core/internal/fetch"},
	{pkg: "core/internal/strict"},
	{pkg: "core/internal/identity"},
	{pkg: "core/internal/origin"},

	{pkg: "core/cookie", ours: []string{"core"}},
	{pkg: "core/audit", ours: []string{"core"}},
	{pkg: "core/revocation", ours: []string{"core", "core/audit", "core/internal/..."}},

	{pkg: "core/session", ours: []string{"core", "core/cookie", "core/audit", "core/revocation", "core/internal/..."}},
	{pkg: "core/token", ours: []string{"core", "core/audit", "core/revocation", "core/internal/..."},
		other: []string{"github.com/golang-jwt/jwt/v5"}},
	{pkg: "core/refresh", ours: []string{"core", "core/cookie", "core/audit", "core/revocation", "core/internal/..."}},
	{pkg: "core/cors", ours: []string{"core", "core/cookie", "core/audit", "core/internal/..."}},
	{pkg: "core/csrf", ours: []string{"core", "core/cookie", "core/audit", "core/internal/..."}},

	{pkg: "core/adapter", ours: []string{"core", "core/cookie", "core/audit", "core/revocation", "core/internal/...",
		"core/session", "core/token", "core/refresh", "core/cors", "core/csrf"}},

	{pkg: "core/memstore", ours: stores},
	{pkg: "core/storetest", ours: stores},
	{pkg: "redisstore", ours: stores, other: []string{"github.com/redis/rueidis"}},

	{pkg: "gin", ours: []string{"core/..."}, other: []string{"github.com/gin-gonic/gin"}},
	{pkg: "echo", ours: []string{"core/..."}, other: []string{"github.com/labstack/echo/v4"}},
	{pkg: "fiber", ours: []string{"core/..."}, other: []string{"github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"}},

	{pkg: ".", ours: []string{"core/..."}},
	{pkg: "conformance", ours: []string{"core/..."}, other: []string{"github.com/stretchr/testify"}},

	// Programs and tests that nobody imports: they bring everything together.
	{pkg: "conformance/crosstest/...", ours: everything, other: free},
	{pkg: "examples/...", ours: everything, other: free},
	{pkg: "bench/...", ours: everything, other: free},
}

var (
	stores = []string{"core", "core/cookie", "core/audit", "core/revocation",
		"core/session", "core/refresh"}
	everything = []string{"..."}
	free       = []string{"*"}
)

// A ban holds for everything that the packages of a folder pull in, however
// indirectly, and for their tests too.
type ban struct {
	pkgs []string // folders, in the notation of rule
	not  []string // modules, with every package and every major version
}

var frameworks = []string{
	"github.com/gin-gonic/gin",
	"github.com/labstack/echo",
	"github.com/gofiber/fiber",
}

var bans = []ban{
	{pkgs: []string{"core/...", ".", "conformance", "redisstore"}, not: frameworks},
	{pkgs: []string{"core/...", ".", "conformance", "gin", "echo", "fiber"}, not: []string{"github.com/redis", "github.com/gomodule/redigo"}},
	{pkgs: []string{"gin"}, not: []string{frameworks[1], frameworks[2], module + "/echo", module + "/fiber"}},
	{pkgs: []string{"echo"}, not: []string{frameworks[0], frameworks[2], module + "/gin", module + "/fiber"}},
	{pkgs: []string{"fiber"}, not: []string{frameworks[0], frameworks[1], module + "/gin", module + "/echo"}},
}
