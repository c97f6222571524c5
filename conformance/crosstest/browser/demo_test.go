package browser

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// demo is the program of the examples, over plain HTTP on loopback as its reader runs it.
// It needs its own processes: nothing outside examples can import it.
type demo struct {
	dir   string
	begin sync.Once
	ready chan struct{} // closed when sites or err is known
	sites map[string]string
	err   error
	cmd   *exec.Cmd
}

// start builds and starts it, beside whatever goes on meanwhile.
func (d *demo) start(dir string) {
	d.dir, d.ready = dir, make(chan struct{})
	go d.begin.Do(func() {
		defer close(d.ready)
		d.sites, d.err = d.run()
	})
}

func (d *demo) run() (map[string]string, error) {
	program := filepath.Join(d.dir, "demo")
	build := exec.Command("go", "build", "-o", program, "./demo")
	build.Dir = "../../../examples"
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	d.cmd = exec.Command(program)
	alone(d.cmd) // with its second process
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	sites := map[string]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], "http://") {
			sites[strings.ToLower(fields[0])] = strings.TrimSuffix(fields[1], ",")
		}
		if lines.Text() == "Try" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return sites, nil
		}
	}
	return nil, errors.Join(errors.New("the demo ended before it served"), lines.Err())
}

// url returns where the demo of a framework, or what is beside it, is.
func (d *demo) url(name string) (string, error) {
	<-d.ready
	if d.err == nil && d.sites[name] == "" {
		return "", fmt.Errorf("the demo has no %s: %v", name, d.sites)
	}
	return d.sites[name], d.err
}

func (d *demo) stop() error {
	if d.ready == nil {
		return nil
	}
	<-d.ready
	if d.cmd == nil || d.cmd.Process == nil {
		return nil
	}
	pid := d.cmd.Process.Pid
	_ = d.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(stopLimit, func() { killGroup(pid) })
	err := d.cmd.Wait()
	kill.Stop()
	killGroup(pid)
	return err
}

var demoChecks = []check{
	{
		name: "journey/demo", rule: "The demo: log-in, a form, a hostile page, refresh tokens, the single-page application, log-out",
		run: func(t *try) {
			site, err := t.env.demo.url(t.framework)
			t.NoError(err)
			b := t.tab()
			b.open(site)
			b.shot("demo-1-nobody")
			t.NoError(chromedp.Do(b.ctx,
				chromedp.SendKeys(chromedp.CSS("#user"), "alice"),
				chromedp.SendKeys(chromedp.CSS("#password"), "wonderland"),
			))
			t.EqualValues(200, b.leave(`document.querySelector("form[action='/login'] button").click()`))
			t.Equal("alice", b.text(".who strong"))
			t.EqualValues(200, b.leave(`document.querySelector("#gift").click()`))
			t.Equal("1", b.text("#gifts"))
			t.EqualValues(403, b.leave(`document.querySelector("#gift-forged").click()`))
			b.shot("demo-2-forged")

			b.open(site)
			hostile := eval[string](b, `return document.querySelector("#hostile").href`)
			b.open(hostile)
			for _, what := range []string{"read", "proof", "refresh", "gift"} {
				b.click("[data-try=" + what + "]")
			}
			b.until(`document.querySelectorAll("#answers li").length === 4`)
			t.NotContains(b.text("#answers"), "must not happen")
			b.shot("demo-3-hostile")
			t.EqualValues(403, b.leave(`const form = document.querySelector("#form"); form.target = "_top"; form.querySelector("button").click()`))
			b.open(site)
			t.Equal("1", b.text("#gifts"), "gifts of the hostile page")

			b.click("[data-step=login]")
			b.until(`document.querySelector("#refresh-a").innerText.includes("access token")`)
			first := b.text("#refresh-jar")
			b.click("[data-step=minute]")
			b.click("[data-step=a]")
			b.until(`document.querySelector("#refresh-jar").innerText !== ` + fmt.Sprintf("%q", first))
			b.shot("demo-4-refreshed")
			b.click("[data-step=logout]")
			b.until(`document.querySelector("#refresh-jar").innerText === "nothing"`)
			t.EqualValues(200, b.leave(`document.querySelector("form[action='/logout'] button").click()`))
			t.Contains(b.text("#main"), "Nobody is logged in.")

			spa := eval[string](b, `return document.querySelector("#spa").href`)
			b.open(spa)
			b.enter("alice", "wonderland")
			b.state("authenticated")
			b.click("#me")
			b.until(`document.querySelector("#log").innerText.includes("GET /auth/whoami: 200 ")`)
			b.click("#click")
			b.until(`document.querySelector("#log").innerText.includes("POST /click: 204")`)
			b.open("about:blank")
			b.open(spa)
			b.state("authenticated")
			b.shot("demo-5-spa")
			b.click("#log-out")
			b.state("anonymous")
			b.open("about:blank")
			b.open(spa)
			b.state("anonymous")
		},
	},
}
