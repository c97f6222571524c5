package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// startLimit and stopLimit are for a machine with much else to do.
const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
)

// launch is what a browser is started with, its profile aside.
type launch struct {
	rules string // which host is where
	pin   string
	// blockThirdParty says that cookies of third parties are blocked, as this Chromium does by
	// default. The other setting is the harder one for an application: nothing but the
	// cookie's own attributes keeps it at home.
	blockThirdParty bool
}

// chromium is a running browser.
type chromium struct {
	ctx     context.Context // of its first tab
	release []context.CancelFunc
	pid     int
	dir     string
}

// start starts a browser on the profile in dir. The profile may be one that was used
// before.
func start(dir string, l launch) (*chromium, error) {
	if err := preferences(dir, l.blockThirdParty); err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("headless", "new"),
		chromedp.Flag("disable-gpu", true),
		chromedp.WindowSize(1000, 700),
		// Nobody looks at the window around the page, and drawing it takes a quarter of the
		// time. What is switched off has nothing to do with cookies, origins or frames.
		chromedp.Flag("kiosk", true),
		chromedp.Flag("animation-duration-scale", "0"),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,PaintHolding,Prerender2,SpareRendererForSitePerProcess"),
		chromedp.Flag("host-resolver-rules", l.rules),
		// It stands in for the verification of a chain, for this one key: the leaf's, so
		// that no other certificate is believed, of our own CA neither. An NSS database
		// with the CA in it would need certutil, one package more, to say the same of a
		// server that only we can be.
		chromedp.Flag("ignore-certificate-errors-spki-list", l.pin),
		// As root there is no sandbox to have. chromedp leaves it out then, and only then.
		chromedp.Env("HOME="+dir, "TMPDIR="+dir),
		chromedp.ModifyCmdFunc(alone),
	)
	c := &chromium{dir: dir}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	c.release = append(c.release, cancel)
	c.ctx, cancel = chromedp.NewContext(ctx)
	c.release = append(c.release, cancel)
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(c.ctx) }()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case err := <-started:
		if err != nil {
			return nil, errors.Join(fmt.Errorf("chromium did not start: %w", err), c.stop())
		}
	case <-limit.C:
		return nil, errors.Join(fmt.Errorf("chromium did not start within %s", startLimit), c.stop())
	}
	c.pid = chromedp.FromContext(c.ctx).Browser.Process().Pid
	return c, nil
}

// preferences are those of the user whose browser this is.
func preferences(dir string, block bool) error {
	profile := filepath.Join(dir, "profile", "Default")
	if err := os.MkdirAll(profile, 0o755); err != nil {
		return err
	}
	path := filepath.Join(profile, "Preferences")
	if _, err := os.Stat(path); err == nil {
		return nil // it has been used before
	}
	mode := 0
	if block {
		mode = 1
	}
	return os.WriteFile(path, fmt.Appendf(nil, `{"profile":{"cookie_controls_mode":%d,"block_third_party_cookies":%t}}`, mode, block), 0o600)
}

// stop lets the browser write down what it knows, and makes sure that nothing of it is
// left.
func (c *chromium) stop() error {
	var err error
	if c.pid != 0 {
		ctx, cancel := context.WithTimeout(c.ctx, stopLimit)
		defer cancel()
		err = chromedp.Cancel(ctx)
		killGroup(c.pid)
	}
	for i := len(c.release) - 1; i >= 0; i-- {
		c.release[i]()
	}
	killHome(c.dir)
	return err
}

// shared is a browser that many checks use, each in a context of its own, which has its
// own cookies.
type shared struct {
	launch launch
	dir    string
	once   sync.Once
	c      *chromium
	err    error
}

func (s *shared) get() (*chromium, error) {
	s.once.Do(func() { s.c, s.err = start(s.dir, s.launch) })
	return s.c, s.err
}

func (s *shared) stop() error {
	if s.c == nil {
		return nil
	}
	return s.c.stop()
}
