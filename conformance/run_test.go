package conformance

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCasesAreNamedOnceAndExplained(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z]+/[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, c := range Cases() {
		require.Regexp(t, slug, c.Slug)
		require.False(t, seen[c.Slug], "%s stands twice", c.Slug)
		seen[c.Slug] = true
		require.NotEmpty(t, c.ID, c.Slug)
		require.NotEmpty(t, c.Clause, c.Slug)
		require.True(t, strings.HasSuffix(c.Rule, "."), "%s: the rule is a sentence", c.Slug)
		require.NotNil(t, c.Run, c.Slug)
	}
}

func TestMutantsBreakOneThingAndNameACase(t *testing.T) {
	cases := map[string]bool{}
	for _, c := range Cases() {
		cases[c.Slug] = true
	}
	seen := map[string]bool{}
	for _, m := range Mutants() {
		require.False(t, seen[m.Name], "%s stands twice", m.Name)
		seen[m.Name] = true
		require.True(t, cases[m.Slug], "%s: no case %s", m.Name, m.Slug)
		broken := 0
		for _, set := range []bool{m.Store != nil, m.Families != nil, m.Front != nil, m.Config != nil, m.Rotation != nil, m.Guard != nil} {
			if set {
				broken++
			}
		}
		require.Equal(t, 1, broken, m.Name)
	}
}

// TestAttemptKeepsFailures shows that a failing case is noticed, also when it fails
// from the helper that all cases use, and that its cleanups run.
func TestAttemptKeepsFailures(t *testing.T) {
	cleaned := false
	c := Case{ID: "X", Slug: "x/y", Rule: "Rules hold.", Clause: "none", Run: func(t *T) {
		t.Cleanup(func() { cleaned = true })
		Equal(t, "sum", 1+1, 3)
		t.Error("not reached")
	}}
	failure := attempt(t, Harness{Name: "none"}, c, Options{}, nil)
	require.Contains(t, failure, "sum: got 2, want 3")
	require.Contains(t, failure, "rule:   Rules hold.")
	require.NotContains(t, failure, "not reached")
	require.True(t, cleaned)

	c.Run = func(*T) {}
	require.Empty(t, attempt(t, Harness{Name: "none"}, c, Options{}, nil))
}

func TestMatrixPrint(t *testing.T) {
	cases := Cases()
	var m Matrix
	m.set("one", cases[0], "pass")
	m.set("two", cases[0], "FAIL")
	m.set("one", cases[1], "gap")
	m.verdict(Mutant{Name: "CVE-0", Slug: cases[0].Slug}, true)
	m.verdict(Mutant{Name: "CVE-1", Slug: cases[0].Slug}, false)
	var out strings.Builder
	m.Print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Regexp(t, `^id +case +one +two *$`, lines[0])
	require.Regexp(t, `^`+cases[0].ID+` +`+cases[0].Slug+` +pass +FAIL *$`, lines[1])
	require.Regexp(t, `^`+cases[1].ID+` +`+cases[1].Slug+` +gap +- *$`, lines[2])
	require.Contains(t, out.String(), "SURVIVED")
	require.Equal(t, "conformance: 2 cases x 2 adapters and stores, 1 failed, 1 declared gaps; mutants: 1 of 2 caught", lines[len(lines)-1])
}

// TestGeneratorRepeats: a difference that was found can be looked at again.
func TestGeneratorRepeats(t *testing.T) {
	make1000 := func(seed uint64) (out []string) {
		g := &generator{tokens: []string{"header.claims.signature"}, r: rand.New(rand.NewPCG(seed, seed))}
		for range 1000 {
			raw, kind := g.next()
			require.True(t, strings.HasSuffix(raw, "\r\n\r\n"), "%q", raw)
			out = append(out, kind+raw)
		}
		return out
	}
	require.Equal(t, make1000(7), make1000(7))
	require.NotEqual(t, make1000(7), make1000(8))
}
