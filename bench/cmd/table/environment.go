package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// about is what a reader has to know to judge the figures: no host, no path.
type about struct {
	date, goVersion, platform, model, redis string
	cpus, rounds                            int
	modules                                 []string // "module version"
}

// The modules whose versions are worth naming: frameworks, and peers with what
// they do their work with.
var (
	frameworkModules = []string{
		"github.com/gin-gonic/gin",
		"github.com/labstack/echo/v4",
		"github.com/gofiber/fiber/v2",
		"github.com/valyala/fasthttp",
	}
	sessionModules = []string{
		"github.com/alexedwards/scs/v2",
		"github.com/alexedwards/scs/goredisstore",
		"github.com/gin-contrib/sessions",
		"github.com/labstack/echo-contrib",
		"github.com/gorilla/sessions",
		"github.com/boj/redistore",
		"github.com/gofiber/storage/redis/v3",
		"github.com/redis/go-redis/v9",
		"github.com/gomodule/redigo",
		"github.com/redis/rueidis",
	}
	crossModules = []string{
		"github.com/rs/cors",
		"github.com/gin-contrib/cors",
		"github.com/gorilla/csrf",
		"github.com/justinas/nosurf",
	}
	refreshModules = []string{
		"github.com/golang-jwt/jwt/v5",
		"github.com/redis/rueidis",
	}
	tokenModules = []string{
		"github.com/appleboy/gin-jwt/v2",
		"github.com/labstack/echo-jwt/v4",
		"github.com/gofiber/contrib/jwt",
		"github.com/auth0/go-jwt-middleware/v2",
		"github.com/golang-jwt/jwt/v5",
		"github.com/golang-jwt/jwt/v4",
		"github.com/MicahParks/keyfunc/v2",
		"gopkg.in/go-jose/go-jose.v2",
	}
)

// environment describes this machine, and the frameworks and further modules.
func environment(further []string) (about, error) {
	a := about{
		date:      time.Now().UTC().Format(time.DateOnly),
		goVersion: runtime.Version(),
		platform:  runtime.GOOS + "/" + runtime.GOARCH,
		model:     cpuModel(),
		cpus:      runtime.NumCPU(),
		redis:     "unknown",
	}
	out, err := command("go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, slices.Concat(frameworkModules, further)...)...)
	if err != nil {
		return about{}, err
	}
	a.modules = strings.Split(strings.TrimSpace(out), "\n")
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil {
		if m := regexp.MustCompile(`v=(\S+)`).FindSubmatch(out); m != nil {
			a.redis = string(m[1])
		}
	}
	return a, nil
}

// cpuModel is what Linux says; "unknown" elsewhere.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
