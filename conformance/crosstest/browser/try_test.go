package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a check may take altogether. Nothing waits for time to pass, so it
// only matters where something is broken.
const patience = 40 * time.Second

// check is one thing that a browser and an application do together.
type check struct {
	name string // stable: group/what
	rule string
	run  func(*try)
}

// try is a check under way, in one world.
type try struct {
	*world
	*require.Assertions
	env     *environment
	check   check
	ctx     context.Context // ends with patience
	first   context.Context // of the first tab, whose jar the others share
	cleanup []func()
	noLocks bool // a browser without Web Locks

	mu       sync.Mutex
	problems []string
}

// Errorf and FailNow implement require.TestingT: a check that fails is a result, and for
// a sabotage the right one.
func (t *try) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = append(t.problems, fmt.Sprintf(format, args...))
}

// failed says that something was wrong so far.
func (t *try) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.problems) > 0
}

// FailNow ends the check.
func (t *try) FailNow() { runtime.Goexit() }

// perform runs a check and returns what is wrong, nothing if all is well.
func (env *environment) perform(w *world, c check) []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t := &try{world: w, env: env, check: c, ctx: ctx}
	t.Assertions = require.New(t)
	for _, a := range []*app{w.app, w.framed, w.before} {
		a.journal.reset()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(t.cleanup) {
				f()
			}
		}()
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v", p)
			}
		}()
		c.run(t)
	}()
	<-done
	return t.problems
}

// user returns a name that no other check has.
func (t *try) user(name string) string {
	return name + "-" + strings.ReplaceAll(t.check.name, "/", "-")
}

// lane is a jar of a browser, with a tab. Making one costs more than most checks, so the
// next check gets it, empty.
type lane struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// lanes are a world's, by the browser that they are of.
type lanes struct {
	mu   sync.Mutex
	free map[*shared][]lane
}

func (l *lanes) take(s *shared) (lane, error) {
	c, err := s.get()
	if err != nil {
		return lane{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free[s]); n > 0 {
		next := l.free[s][n-1]
		l.free[s] = l.free[s][:n-1]
		return next, nil
	}
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	return lane{ctx, cancel}, chromedp.Do(ctx)
}

// give takes a lane back that nothing went wrong in.
func (l *lanes) give(s *shared, used lane) {
	id := chromedp.FromContext(used.ctx).BrowserContextID
	_, err := chromedp.CallBrowser(used.ctx, storage.ClearCookies, storage.ClearCookiesParams{BrowserContextID: id})
	if err == nil {
		err = chromedp.Do(used.ctx, chromedp.Navigate("about:blank"))
	}
	if err != nil {
		used.cancel()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == nil {
		l.free = map[*shared][]lane{}
	}
	l.free[s] = append(l.free[s], used)
}

// tab opens a tab in the jar of this check.
func (t *try) tab() *tab {
	if t.first == nil {
		return t.tabOf(t.env.open)
	}
	ctx, cancel := chromedp.NewContext(t.first)
	t.cleanup = append(t.cleanup, cancel)
	return t.listen(ctx)
}

// tabOf is tab for a jar in a certain browser.
func (t *try) tabOf(s *shared) *tab {
	l, err := t.lanes.take(s)
	t.NoError(err)
	t.first = l.ctx
	t.cleanup = append(t.cleanup, func() {
		if t.failed() || t.lacksLocks() {
			l.cancel()
		} else {
			t.lanes.give(s, l)
		}
	})
	return t.listen(l.ctx)
}

// lacksLocks says that this check's browser has no Web Locks.
func (t *try) lacksLocks() bool { return t.noLocks || t.sabotage != nil && t.sabotage.noLocks }

// use makes the tabs of this check those of a browser of its own.
func (t *try) use(c *chromium) {
	ctx, cancel := chromedp.NewContext(c.ctx)
	t.cleanup = append(t.cleanup, cancel)
	t.first = ctx
}

// listen opens the tab.
func (t *try) listen(ctx context.Context) *tab {
	b := &tab{t: t, traffic: newTraffic()}
	t.NoError(chromedp.Do(ctx))
	if t.lacksLocks() {
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `Object.defineProperty(Navigator.prototype, "locks", { value: undefined })`,
		})
		t.NoError(err)
	}
	deadline, _ := t.ctx.Deadline()
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithDeadline(ctx, deadline)
	t.cleanup = append(t.cleanup, cancel)
	t.NoError(chromedp.Listen(b.ctx, b.traffic.listen))
	return b
}

// jar returns the cookies of a name that the browser has for this world's hosts, in whatever
// partition.
func (t *try) jar(name string) (found []*network.Cookie) {
	id := chromedp.FromContext(t.first).BrowserContextID
	res, err := chromedp.CallBrowser(t.first, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: id})
	t.NoError(err)
	for _, c := range res.Cookies {
		if c.Name == name && strings.HasSuffix("."+c.Domain, "."+t.domain) {
			found = append(found, c)
		}
	}
	return found
}

// tab is a tab of a browser.
type tab struct {
	t       *try
	ctx     context.Context
	traffic *traffic
}

// open goes to a page and waits until it is there. The way is that of a user who types an
// address.
func (b *tab) open(url string) {
	b.t.NoError(chromedp.Do(b.ctx, chromedp.Navigate(url)), url)
}

// eval runs the body of an async function with the arguments a, b, c … and decodes what it
// returns.
func eval[T any](b *tab, body string, args ...any) T {
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script("async ", body, args), chromedp.EvalAwaitPromise))
	b.t.NoError(err, body)
	return v
}

// script makes an expression out of the body of a function, which is "async " or "".
func script(kind, body string, args []any) string {
	names, values := []string{}, []string{}
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		names, values = append(names, string(rune('a'+i))), append(values, string(text))
	}
	return fmt.Sprintf("(%s(%s) => { %s })(%s)", kind, strings.Join(names, ", "), body, strings.Join(values, ", "))
}

// gesture is a script that runs as if the user had clicked.
func gesture(body string, args []any) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		user := true
		res, err := cdp.Call(ctx, target, cdpruntime.Evaluate, cdpruntime.EvaluateParams{
			Expression: script("", body, args), UserGesture: &user,
		})
		if err == nil && res.ExceptionDetails != nil {
			err = &chromedp.ExceptionError{ExceptionDetails: res.ExceptionDetails}
		}
		return err
	})
}

// leave runs a script that leaves the page, as a click does, and returns the status of
// the page that it leads to.
func (b *tab) leave(body string, args ...any) int64 {
	res, err := chromedp.RunResponse(b.ctx, gesture(body, args))
	b.t.NoError(err, body)
	return res.Status
}

// back goes back. The page may come out of the browser's memory as it was left, and is then
// not loaded.
func (b *tab) back() {
	_, err := chromedp.Run(b.ctx, chromedp.WaitEvent(page.FrameNavigated, nil, gesture("history.back()", nil)))
	b.t.NoError(err)
	b.until(`document.readyState === "complete"`)
}

// fetched is what a script learns of a request. Error is all that it learns if the browser
// keeps the answer from it.
type fetched struct {
	Status int    `json:"status"`
	Text   string `json:"text"`
	Error  string `json:"error"`
}

// trimmed is without the line end that some frameworks put behind JSON.
func (f fetched) trimmed() fetched {
	f.Text = strings.TrimSpace(f.Text)
	return f
}

// fetch is a script's request with credentials.
func (b *tab) fetch(url string, init map[string]any) fetched {
	if init == nil {
		init = map[string]any{}
	}
	init["credentials"] = "include"
	return eval[fetched](b, `return fetch(a, b).then(async (r) => ({ status: r.status, text: await r.text() }), (e) => ({ error: String(e) }))`, url, init)
}

// post is a request of a page to its own origin, with JSON.
func (b *tab) post(path string, body any) fetched {
	text, err := json.Marshal(body)
	b.t.NoError(err)
	return b.fetch(path, map[string]any{"method": "POST", "headers": map[string]string{"Content-Type": "application/json"}, "body": string(text)})
}

// sent returns the next request that went out and was answered.
func (b *tab) sent(method, url string) *exchange {
	e, err := b.traffic.wait(b.ctx, method, url, func(e *exchange) bool { return e.asked && e.heard })
	b.t.NoError(err)
	return e
}

// failed returns the next request that the page did not get an answer to.
func (b *tab) failed(method, url string) *exchange {
	e, err := b.traffic.wait(b.ctx, method, url, func(e *exchange) bool { return e.failure != "" })
	b.t.NoError(err)
	return e
}

// text returns what an element says.
func (b *tab) text(selector string) string {
	return eval[string](b, `return document.querySelector(a)?.innerText ?? ""`, selector)
}

// until waits for an expression to become true in the page, or in the one that takes its
// place meanwhile.
func (b *tab) until(expression string) {
	look := fmt.Sprintf("new Promise((done, fail) => { const look = () => { try { (%s) ? done(true) : setTimeout(look, 20); } catch (e) { fail(e); } }; look(); })", expression)
	for {
		_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](look, chromedp.EvalAwaitPromise))
		var gone *cdproto.Error
		if errors.As(err, &gone) && b.ctx.Err() == nil {
			continue // the page that was asked is not there any more
		}
		b.t.NoError(err, expression)
		return
	}
}

// click clicks a button as soon as it may be clicked, and once. It is the button that is
// clicked and not a place, because pages move while they are at work.
func (b *tab) click(selector string) {
	b.until(fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e || e.disabled) return false; e.click(); return true })()`, selector))
}

// shot keeps a picture of the page.
func (b *tab) shot(name string) {
	if b.t.sabotage != nil {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.t.NoError(err)
	b.t.NoError(os.WriteFile(filepath.Join(b.t.env.folder, name+"-"+b.t.framework+".png"), png, 0o644))
}

// submit sends a form, made on the spot, to the whole tab, and returns the status.
func (b *tab) submit(url string, fields map[string]string) int64 {
	return b.leave(formTo("document.body")+`form.target = "_top"; form.submit();`, url, fields)
}

// formTo is the beginning of a script that makes a form, hidden in the element.
func formTo(in string) string {
	return `const form = document.createElement("form"); form.method = "post"; form.action = a;
for (const [name, value] of Object.entries(b ?? {})) { const i = document.createElement("input"); i.type = "hidden"; i.name = name; i.value = value; form.append(i); }
` + in + `.append(form);`
}

// login logs the user in by a script of the application's own page, which stays open as it
// was before.
func (b *tab) login(a *app, user string) {
	b.open(a.origin + "/frame")
	b.t.Equal(200, eval[int](b, `return (await acts.login(a)).status`, user), "log-in")
}

// token returns the token against forged requests that a page of the application has.
func (b *tab) token() string {
	return eval[string](b, `return (await (await fetch("/csrf")).json()).csrf_token`)
}

// elsewhere logs a user in in a jar of its own, as an attacker does at home.
func (t *try) elsewhere(a *app, user string) (*try, *tab) {
	home := &try{world: t.world, Assertions: t.Assertions, env: t.env, check: t.check, ctx: t.ctx}
	b := home.tab()
	t.cleanup = append(t.cleanup, func() {
		for _, f := range slices.Backward(home.cleanup) {
			f()
		}
	})
	b.login(a, user)
	return home, b
}

// cookieOf is the session cookie of a user elsewhere, tokenOf the token in the user's own
// form.
func (t *try) cookieOf(a *app, user string) string {
	home, _ := t.elsewhere(a, user)
	cookies := home.jar(a.sessions.Cookie().Name())
	t.Len(cookies, 1)
	return cookies[0].Value
}

func (t *try) tokenOf(a *app, user string) string {
	_, b := t.elsewhere(a, user)
	return b.token()
}
