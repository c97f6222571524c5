package browser

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core/audit"
)

// seen is a request as an application got it, in front of everything.
type seen struct {
	method, path, origin, site string // site is Sec-Fetch-Site
	cookies                    []string
}

// journal is what an application saw and did.
type journal struct {
	mu     sync.Mutex
	seen   []seen
	ran    []string // the handlers, as "METHOD /path"
	events []audit.Event
	// under is how many refreshes are under way, and most the largest that it was.
	under, most int
}

func (j *journal) saw(s seen) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen = append(j.seen, s)
}

func (j *journal) did(handler string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ran = append(j.ran, handler)
}

// Record implements audit.Sink.
func (j *journal) Record(_ context.Context, e audit.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// begin and end count the refreshes that overlap.
func (j *journal) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.under++
	j.most = max(j.most, j.under)
}

func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.under--
}

func (j *journal) overlap() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.most
}

// requests returns what was seen with the method and the path.
func (j *journal) requests(method, path string) (list []seen) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.seen {
		if s.method == method && s.path == path {
			list = append(list, s)
		}
	}
	return list
}

// runs returns how often the handler ran.
func (j *journal) runs(handler string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, h := range j.ran {
		if h == handler {
			n++
		}
	}
	return n
}

// told returns the causes of the events of a name.
func (j *journal) told(name audit.Name) (causes []audit.Cause) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Name == name {
			causes = append(causes, e.Cause)
		}
	}
	return causes
}

// names returns the names of the cookies that came.
func (s seen) names() (names []string) {
	for _, c := range s.cookies {
		name, _, _ := strings.Cut(c, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// pairs splits lines of a Cookie header.
func pairs(lines []string) (list []string) {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.TrimSpace(pair); pair != "" {
				list = append(list, pair)
			}
		}
	}
	return list
}

// reset forgets everything.
func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen, j.ran, j.events, j.under, j.most = nil, nil, nil, 0, 0
}
