package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
)

// logSize is how many events a page that is opened late still gets to see.
const logSize = 200

// Log is an audit.Sink that keeps the last events and streams them to browsers.
type Log struct {
	done <-chan struct{}

	mu     sync.Mutex
	events [logSize]Event
	count  uint64        // how many there ever were
	more   chan struct{} // closed at the next one
}

// Event is an audit event as the page gets it.
type Event struct {
	Time      string `json:"time"`
	Name      string `json:"name"`
	Cause     string `json:"cause,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Session   string `json:"session,omitempty"`
	Key       string `json:"key,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Error     string `json:"error,omitempty"`
}

func newLog(done <-chan struct{}) *Log { return &Log{done: done, more: make(chan struct{})} }

// Record implements audit.Sink.
func (l *Log) Record(_ context.Context, e audit.Event) {
	view := Event{
		Time: e.Time.Format(time.TimeOnly), Name: string(e.Name), Cause: string(e.Cause),
		Subject: e.Subject, Session: e.Session, Key: e.Key, UserAgent: e.UserAgent,
	}
	if e.Err != nil {
		view.Error = e.Err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[l.count%logSize] = view
	l.count++
	close(l.more)
	l.more = make(chan struct{})
}

// since returns the events after number n, the number of the last one, and what
// is closed when there are more.
func (l *Log) since(n uint64) ([]Event, uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > l.count { // a browser that remembers an earlier run of the demo
		n = 0
	}
	if l.count > logSize {
		n = max(n, l.count-logSize)
	}
	list := []Event{} // in JSON none is [] and not null
	for i := n; i < l.count; i++ {
		list = append(list, l.events[i%logSize])
	}
	return list, l.count, l.more
}

// heartbeat is how soon a stream notices that its browser has gone, on a server
// that learns it from a failed write only.
const heartbeat = 10 * time.Second

// Stream writes events as they arrive, in the form of Server-Sent Events, and
// returns when ctx ends, a write fails or the application closes. lastID is what
// the browser's Last-Event-ID says.
//
// Events hold what clients sent. A line break would begin another field of the
// stream; JSON has none, and encoding/json writes < and > as escapes too.
func (l *Log) Stream(ctx context.Context, lastID string, w io.Writer, flush func() error) {
	last, _ := strconv.ParseUint(lastID, 10, 64)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		list, count, more := l.since(last)
		for i, e := range list {
			data, _ := json.Marshal(e) // strings always encode
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", count-uint64(len(list)-1-i), data); err != nil {
				return
			}
		}
		last = count
		if err := flush(); err != nil {
			return
		}
		select {
		case <-more:
		case <-tick.C:
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
				return
			}
		case <-ctx.Done():
			return
		case <-l.done:
			return
		}
	}
}
