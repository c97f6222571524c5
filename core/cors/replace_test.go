package cors_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

// TestReplace: the new policy counts from then on, and a mistake changes nothing.
func TestReplace(t *testing.T) {
	var told events
	p := policy(t, cors.Config{Origins: []string{app}, Debug: true, Audit: &told})
	r := simple("https://other.example")
	require.False(t, allowed(t, p, r))

	err := p.Replace(cors.Config{Origins: []string{"https://other.example", "null"}, MaxAge: 1})
	require.Len(t, mistakes(t, err), 2)
	require.False(t, allowed(t, p, r))
	require.True(t, allowed(t, p, simple(app)))
	require.True(t, p.Debug())

	require.NoError(t, p.Replace(cors.Config{Origins: []string{"https://other.example"}}))
	require.True(t, allowed(t, p, r))
	require.False(t, allowed(t, p, simple(app)))
	require.False(t, p.Debug())
	require.Empty(t, told)
}

// TestReplaceIsOneStep: while two policies are exchanged all the time, every answer is
// wholly of one of them.
func TestReplaceIsOneStep(t *testing.T) {
	told := audit.SinkFunc(func(context.Context, audit.Event) {})
	one := cors.Config{Origins: []string{app}, Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"x-a"}, MaxAge: 60e9, Debug: true, Audit: told}
	two := cors.Config{Origins: []string{"*"}, Methods: []string{"PUT", "DELETE"}, RequestHeaders: []string{"x-a", "x-b"}, Debug: true, Audit: told}
	p := policy(t, one)
	r := preflight(app, "PUT", "x-a")
	answers := [][]string{said(policy(t, one).Decide(r)), said(policy(t, two).Decide(r))}
	require.NotEqual(t, answers[0], answers[1])

	done := make(chan struct{})
	var readers sync.WaitGroup
	got := make([]map[int]bool, 4)
	for i := range got {
		got[i] = map[int]bool{}
		readers.Go(func() {
			for {
				a := p.Decide(r)
				switch s := said(a); {
				case slices.Equal(s, answers[0]):
					got[i][0] = true
				case slices.Equal(s, answers[1]):
					got[i][1] = true
				default:
					t.Errorf("a mixture: %v", s)
					return
				}
				_ = p.Warnings()
				refused := preflight("null", "TRACE")
				if a := p.Decide(refused); a.Cause != "" && p.Debug() {
					p.Tell(t.Context(), audit.Event{Cause: a.Cause}, refused)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 1000 {
		require.NoError(t, p.Replace(two))
		require.NoError(t, p.Replace(one))
	}
	close(done)
	readers.Wait()
	for _, g := range got {
		require.NotEmpty(t, g)
	}
}
