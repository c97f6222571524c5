package bench

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	gincors "github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	fibercors "github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	rscors "github.com/rs/cors"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/cors"
	authecho "github.com/sallyport-go/sallyport/echo"
	authfiber "github.com/sallyport-go/sallyport/fiber"
	authgin "github.com/sallyport-go/sallyport/gin"
)

func newReader(size int) *bufio.Reader { return bufio.NewReaderSize(nil, size) }

// A corsLibrary is a CORS middleware with a list of allowed origins, with credentials, for
// PUT and two headers.
type corsLibrary struct {
	name string
	make func(tb testing.TB, origins []string) crossLibrary
}

var (
	corsMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut}
	corsHeaders = []string{"Authorization", "Content-Type"}
)

func policyOf(tb testing.TB, origins []string) *cors.Policy {
	p, err := cors.New(cors.Config{Origins: origins, Credentials: true, Methods: []string{http.MethodPut}, RequestHeaders: corsHeaders})
	require.NoError(tb, err)
	return p
}

// bareCross is every framework's floor.
func bareCross(testing.TB, []string) crossLibrary { return crossLibrary{} }

var corsRows = []struct {
	name      string
	libraries []corsLibrary
}{
	{"gin", []corsLibrary{
		{"bare", bareCross},
		{"sallyport", func(tb testing.TB, origins []string) crossLibrary {
			return crossLibrary{gin: []gin.HandlerFunc{authgin.CORS(policyOf(tb, origins))}}
		}},
		{"gin-contrib", func(_ testing.TB, origins []string) crossLibrary {
			return crossLibrary{gin: []gin.HandlerFunc{gincors.New(gincors.Config{
				AllowOrigins: origins, AllowMethods: corsMethods, AllowHeaders: corsHeaders, AllowCredentials: true,
			})}}
		}},
	}},
	{"echo", []corsLibrary{
		{"bare", bareCross},
		{"sallyport", func(tb testing.TB, origins []string) crossLibrary {
			return crossLibrary{echo: []echo.MiddlewareFunc{authecho.CORS(policyOf(tb, origins))}}
		}},
		{"echo-cors", func(_ testing.TB, origins []string) crossLibrary {
			return crossLibrary{echo: []echo.MiddlewareFunc{middleware.CORSWithConfig(middleware.CORSConfig{
				AllowOrigins: origins, AllowMethods: corsMethods, AllowHeaders: corsHeaders, AllowCredentials: true,
			})}}
		}},
	}},
	{"fiber", []corsLibrary{
		{"bare", bareCross},
		{"sallyport", func(tb testing.TB, origins []string) crossLibrary {
			return crossLibrary{fiber: []fiber.Handler{authfiber.CORS(policyOf(tb, origins))}}
		}},
		{"fiber-cors", func(_ testing.TB, origins []string) crossLibrary {
			return crossLibrary{fiber: []fiber.Handler{fibercors.New(fibercors.Config{
				AllowOrigins: strings.Join(origins, ","), AllowMethods: strings.Join(corsMethods, ","),
				AllowHeaders: strings.Join(corsHeaders, ","), AllowCredentials: true,
			})}}
		}},
	}},
	{"http", []corsLibrary{
		{"bare", bareCross},
		{"rs", func(_ testing.TB, origins []string) crossLibrary {
			return crossLibrary{http: rscors.New(rscors.Options{
				AllowedOrigins: origins, AllowedMethods: corsMethods, AllowedHeaders: corsHeaders, AllowCredentials: true,
			}).Handler}
		}},
	}},
}

// corsOrigins are n of which the last one asks.
func corsOrigins(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("https://tenant-%04d.example.com", i)
	}
	return all
}

func corsOperations(from string) []crossOperation {
	return []crossOperation{
		{name: "actual", method: http.MethodGet, path: readPath, lines: []line{{"Origin", from}}, status: http.StatusOK,
			fields: []line{{"Access-Control-Allow-Origin", from}, {"Access-Control-Allow-Credentials", "true"}}},
		{name: "preflight", method: http.MethodOptions, path: readPath, lines: []line{
			{"Origin", from}, {"Access-Control-Request-Method", http.MethodPut}, {"Access-Control-Request-Headers", "authorization,content-type"},
		}, status: http.StatusNoContent, fields: []line{
			{"Access-Control-Allow-Origin", from}, {"Access-Control-Allow-Methods", http.MethodPut}, {"Access-Control-Allow-Headers", "authorization"},
		}},
		{name: "unlisted", method: http.MethodGet, path: readPath, lines: []line{{"Origin", "https://elsewhere.example"}}, status: http.StatusOK,
			absent: []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"}},
	}
}

// corsSizes are lengths of the list of allowed origins.
var corsSizes = []int{1, 1000}

// TestCORSRows runs every row once: allowed what is, and nothing else. gin-contrib answers
// an unlisted origin with 403 by itself, which is another rule and no row.
func TestCORSRows(t *testing.T) {
	for _, fw := range corsRows {
		for _, lib := range fw.libraries {
			for _, n := range corsSizes {
				t.Run(fmt.Sprintf("%s/%s/%d", fw.name, lib.name, n), func(t *testing.T) {
					origins := corsOrigins(n)
					a := crossApps[fw.name](lib.make(t, origins))
					for _, op := range corsOperations(origins[n-1]) {
						if lib.name == "gin-contrib" && op.name == "unlisted" {
							op.status = http.StatusForbidden
						}
						require.NoError(t, op.verify(a.ask(op.method, op.path, op.lines...), lib.name == "bare"))
					}
				})
			}
		}
	}
}

func BenchmarkCORS(b *testing.B) {
	for _, fw := range corsRows {
		for _, lib := range fw.libraries {
			for _, n := range corsSizes {
				origins := corsOrigins(n)
				for _, op := range corsOperations(origins[n-1])[:2] {
					b.Run(fw.name+"/"+lib.name+"/"+op.name+"-"+strconv.Itoa(n), func(b *testing.B) {
						a := crossApps[fw.name](lib.make(b, origins))
						op.measure(b, a.ask(op.method, op.path, op.lines...), lib.name == "bare")
					})
				}
			}
		}
	}
}

// corsHostile are 64 KB of header that somebody sends on purpose.
var corsHostile = []struct {
	name  string
	lines []line
}{
	{"commas", []line{{"Origin", corsOrigins(1)[0]}, {"Access-Control-Request-Method", "PUT"}, {"Access-Control-Request-Headers", strings.Repeat(",", 64<<10)}}},
	{"names", []line{{"Origin", corsOrigins(1)[0]}, {"Access-Control-Request-Method", "PUT"}, {"Access-Control-Request-Headers", strings.Repeat("x-abc,", 10<<10)}}},
	{"known", []line{{"Origin", corsOrigins(1)[0]}, {"Access-Control-Request-Method", "PUT"}, {"Access-Control-Request-Headers", strings.Repeat("authorization,", 4<<10)}}},
	{"method", []line{{"Origin", corsOrigins(1)[0]}, {"Access-Control-Request-Method", strings.Repeat("P", 64<<10)}}},
	{"origin", []line{{"Origin", "https://" + strings.Repeat("a.", 32<<10) + "example.com"}, {"Access-Control-Request-Method", "PUT"}}},
	{"tiny", tinyLines(8 << 10)},
	{"lines", slices.Repeat([]line{{"Origin", corsOrigins(1)[0]}}, 1<<10)},
}

// tinyLines are n headers that nobody asks for, 8 bytes each with their line ends.
func tinyLines(n int) []line {
	all := make([]line, n)
	for i := range all {
		all[i] = line{string(rune('A'+i%26)) + string(rune('a'+i/26%26)), "b"}
	}
	return all
}

// BenchmarkCORSHostile is about the time until the answer, whatever it is.
func BenchmarkCORSHostile(b *testing.B) {
	for _, fw := range corsRows {
		for _, lib := range fw.libraries {
			for _, h := range corsHostile {
				b.Run(fw.name+"/"+lib.name+"/"+h.name, func(b *testing.B) {
					c := crossApps[fw.name](lib.make(b, corsOrigins(1))).ask(http.MethodOptions, readPath, h.lines...)
					c.call()
					status := c.status()
					b.ReportAllocs()
					for b.Loop() {
						c.call()
						if c.status() != status {
							b.Fatalf("status %d, want %d", c.status(), status)
						}
					}
				})
			}
		}
	}
}
