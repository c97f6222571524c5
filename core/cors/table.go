package cors

import (
	"maps"
	"slices"
)

// table finds strings by their bytes, in a time that depends neither on how many there are
// nor on how long what is looked for is. Put everything in before the first look.
type table struct {
	// own maps each string to itself, so that an answer can be made of the policy's own
	// bytes: the request's may be borrowed, and belong to whoever sent them.
	own     map[string]string
	longest int
}

// put reports whether s is new.
func (t *table) put(s string) bool {
	if _, there := t.own[s]; there {
		return false
	}
	if t.own == nil {
		t.own = map[string]string{}
	}
	t.own[s] = s
	t.longest = max(t.longest, len(s))
	return true
}

// find returns the table's own s, or "".
func (t *table) find(s string) string {
	if len(s) > t.longest { // a map would read all of it
		return ""
	}
	return t.own[s]
}

func (t *table) sorted() []string { return slices.Sorted(maps.Keys(t.own)) }
