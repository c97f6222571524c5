package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// about is what a reader has to know to judge the figures: no host, no path.
type about struct {
	date, goVersion, platform, model, redis string
	cpus, rounds                            int
	peers                                   []string // "module version"
}

// The modules whose versions are worth naming: peers, frameworks, clients.
var named = []string{
	"github.com/gin-gonic/gin",
	"github.com/labstack/echo/v4",
	"github.com/gofiber/fiber/v2",
	"github.com/valyala/fasthttp",
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

func environment() (about, error) {
	a := about{
		date:      time.Now().UTC().Format(time.DateOnly),
		goVersion: runtime.Version(),
		platform:  runtime.GOOS + "/" + runtime.GOARCH,
		model:     cpuModel(),
		cpus:      runtime.NumCPU(),
		redis:     "unknown",
	}
	out, err := command("go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, named...)...)
	if err != nil {
		return about{}, err
	}
	a.peers = strings.Split(strings.TrimSpace(out), "\n")
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
