package conformance

import (
	"net/http"
	"runtime"
	"slices"
	"testing"

	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
)

// Mutant is a suite with one rule broken, to prove that the case which guards the
// rule notices. Each is named after the vulnerability that it re-creates, where
// there is one.
type Mutant struct {
	// Name is the vulnerability's id or the fault's name, then what is broken.
	Name string
	// Slug is the case that must fail.
	Slug string
	// Exactly one of these breaks something: the store, as sessions or as refresh
	// families see it, the adapter (from outside, so the harness must honour
	// App.Wrap), or a configuration.
	Store    func(session.Store) session.Store
	Families func(refresh.Store) refresh.Store
	Front    func(http.Handler) http.Handler
	Config   func(*session.Config)
	Rotation func(*refresh.Config)
	Guard    func(*csrf.Config)
}

// Mutants returns the suite's mutants.
func Mutants() []Mutant {
	return slices.Concat(lifeMutants(), subjectMutants(), inputMutants(), cookieMutants(), trustMutants(), commitMutants(), bearerMutants(), refreshMutants(), corsMutants(), csrfMutants())
}

// RunMutants runs every mutant's case under the harness and fails t for each that
// survives. The harness must be on net/http.
func RunMutants(t *testing.T, h Harness, m *Matrix) {
	byslug := map[string]Case{}
	for _, c := range Cases() {
		byslug[c.Slug] = c
	}
	for _, mutant := range Mutants() {
		t.Run(mutant.Name, func(t *testing.T) {
			c, ok := byslug[mutant.Slug]
			if !ok {
				t.Fatalf("no case %q", mutant.Slug)
			}
			caught := attempt(t, h, c, Options{}, &mutant) != ""
			m.verdict(mutant, caught)
			if !caught {
				t.Errorf("survived: %s does not notice it", mutant.Slug)
			}
		})
	}
}

func (m *Matrix) verdict(mutant Mutant, caught bool) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mutants = append(m.mutants, verdict{mutant.Name, mutant.Slug, caught})
}

func goexit() { runtime.Goexit() }
