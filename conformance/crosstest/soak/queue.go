package main

// kind is what happens at an event.
type kind uint8

const (
	due      kind = iota // a tab's access token runs out, or it has none yet
	arrives              // a refresh request is at the server
	answered             // its answer is at the tab
	gaveUp               // the tab waits for it no longer
	used                 // a request with an access token is at the server
	closed               // the browser is closed: every tab begins anew
	theft                // the thief copies the jar
	thiefAct             // the thief refreshes
	thiefUse             // the thief uses his access token
)

// event is one of them. Life and plan tell one that has been overtaken from one that
// still holds.
type event struct {
	at   int64 // µs since the login
	seq  uint32
	kind kind
	tab  int8
	life uint16 // of the tab: it was not closed since
	plan uint16 // of the tab or of the thief: nothing else was planned since
	msg  int32  // what is under way, for arrives, answered and used
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// queue is a binary heap. The sequence number makes the order of events at one time
// that in which they were planned, so that a seed has one outcome.
type queue struct {
	heap []event
	seq  uint32
}

func (q *queue) reset() { q.heap, q.seq = q.heap[:0], 0 }

func (q *queue) push(e event) {
	e.seq = q.seq
	q.seq++
	q.heap = append(q.heap, e)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (q *queue) pop() (e event, ok bool) {
	h := q.heap
	if len(h) == 0 {
		return event{}, false
	}
	e = h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	q.heap = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	return e, true
}
