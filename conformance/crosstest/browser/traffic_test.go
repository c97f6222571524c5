package browser

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
)

// exchange is a request as the browser tells of it. A redirect is one of its own.
type exchange struct {
	id           network.RequestID
	method, url  string
	sent         []*network.AssociatedCookie // what is in the jar for it, and why some of that stays there
	refused      []*network.BlockedSetCookieWithReason
	status       int64
	headers      map[string]string // of the answer, names in lower case
	failure      string
	cors         network.CorsError
	asked, heard bool // the details of the request and of the answer have come
}

func (e *exchange) String() string {
	return fmt.Sprintf("%s %s: %d %s %s", e.method, e.url, e.status, e.failure, e.cors)
}

// went returns the names of the cookies that the browser sent.
func (e *exchange) went() (names []string) {
	for _, c := range e.sent {
		if len(c.BlockedReasons) == 0 {
			names = append(names, c.Cookie.Name)
		}
	}
	return names
}

// kept returns why a cookie in the jar was not sent, nil if it was or is not there. That
// sites include the scheme nowadays makes no difference here.
func (e *exchange) kept(name string) (why []string) {
	for _, c := range e.sent {
		if c.Cookie.Name == name {
			for _, r := range c.BlockedReasons {
				why = append(why, strings.TrimPrefix(string(r), "Schemeful"))
			}
		}
	}
	return why
}

// traffic collects what the browser tells of a tab's requests. Details arrive in any
// order, so whoever asks waits for them.
type traffic struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every event
	list    []*exchange
	given   map[*exchange]bool
}

func newTraffic() *traffic {
	return &traffic{changed: make(chan struct{}), given: map[*exchange]bool{}}
}

// hop returns the first exchange of the id that f has not happened to.
func (tr *traffic) hop(id network.RequestID, f func(*exchange) bool) *exchange {
	for _, e := range tr.list {
		if e.id == id && !f(e) {
			return e
		}
	}
	// Details may come before the request that they are of.
	e := &exchange{id: id}
	tr.list = append(tr.list, e)
	return e
}

func (tr *traffic) listen(ev any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		e := tr.hop(ev.RequestID, func(e *exchange) bool { return e.method != "" })
		e.method, e.url = ev.Request.Method, ev.Request.URL
	case *network.EventRequestWillBeSentExtraInfo:
		e := tr.hop(ev.RequestID, func(e *exchange) bool { return e.asked })
		e.asked, e.sent = true, ev.AssociatedCookies
	case *network.EventResponseReceivedExtraInfo:
		e := tr.hop(ev.RequestID, func(e *exchange) bool { return e.heard })
		e.heard, e.status, e.refused, e.headers = true, ev.StatusCode, ev.BlockedCookies, map[string]string{}
		for name, value := range ev.Headers {
			e.headers[strings.ToLower(name)] = fmt.Sprint(value)
		}
	case *network.EventLoadingFailed:
		e := tr.hop(ev.RequestID, func(e *exchange) bool { return e.failure != "" })
		e.failure = ev.ErrorText
		if ev.CorsErrorStatus != nil {
			e.cors = ev.CorsErrorStatus.CorsError
		}
	default:
		return
	}
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// wait returns the next request to the URL, whatever its query, that it has not returned
// yet, once ready says that all of it is known.
func (tr *traffic) wait(ctx context.Context, method, url string, ready func(*exchange) bool) (*exchange, error) {
	for {
		tr.mu.Lock()
		changed := tr.changed
		for _, e := range tr.list {
			if bare, _, _ := strings.Cut(e.url, "?"); !tr.given[e] && e.method == method && bare == url && ready(e) {
				tr.given[e] = true
				tr.mu.Unlock()
				return e, nil
			}
		}
		tr.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("the browser told of no %s %s: %w\n%v", method, url, ctx.Err(), tr.all())
		}
	}
}

func (tr *traffic) all() []*exchange {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]*exchange(nil), tr.list...)
}
