package browser

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// environment is what all checks share.
type environment struct {
	folder string // of the artefacts
	launch launch
	// open is a browser that blocks no third parties; with the cookies of a jar alone it
	// has to hold.
	open *shared
	// strict blocks them, as this Chromium does by default.
	strict *restarted
	demo   demo
}

// checks are tried with each framework, in this order.
var checks = slices.Concat(corsChecks, sameSiteChecks, plantedChecks, csrfChecks, partitionedChecks, lastingChecks, tabsChecks, journeyChecks, demoChecks)

func TestBrowser(t *testing.T) {
	env, worlds := prepare(t)
	var mu sync.Mutex
	results := map[string]string{}
	record := func(what, result string) {
		mu.Lock()
		defer mu.Unlock()
		results[what] = result
	}
	began := time.Now()
	t.Run("itself", func(t *testing.T) {
		c, err := env.open.get()
		require.NoError(t, err)
		for url, want := range map[string]string{
			"https://stranger.test/": "net::ERR_CERT_AUTHORITY_INVALID", // certificates count
			"https://example.com/":   "net::ERR_NAME_NOT_RESOLVED",      // and nothing is asked of the world outside
		} {
			require.ErrorContains(t, chromedp.Do(c.ctx, chromedp.Navigate(url)), want)
		}
	})
	t.Run("each", func(t *testing.T) {
		for _, w := range worlds {
			if w.sabotage != nil {
				continue
			}
			t.Run(w.framework, func(t *testing.T) {
				t.Parallel()
				for _, c := range checks {
					t.Run(c.name, func(t *testing.T) {
						result := "ok"
						if problems := env.perform(w, c); len(problems) > 0 {
							result = "FAIL"
							t.Errorf("%s\n%s", c.rule, strings.Join(problems, "\n"))
						}
						record(c.name+" "+w.framework, result)
					})
				}
			})
		}
		for _, w := range worlds {
			if w.sabotage == nil {
				continue
			}
			t.Run("sabotage/"+w.sabotage.name, func(t *testing.T) {
				t.Parallel()
				record(w.sabotage.name, "FAIL")
				caught := 0
				for _, c := range checks {
					if slices.Contains(w.sabotage.caught, c.name) {
						caught++
						problems := strings.Join(env.perform(w, c), "\n")
						t.Logf("%s: %s", c.name, problems)
						require.NotEmpty(t, problems, "%s does not notice: %s", c.name, w.sabotage.what)
						require.NotContains(t, problems, "unexpected error", "%s fails, but not because %s", c.name, w.sabotage.what)
					}
				}
				require.Len(t, w.sabotage.caught, caught, "a check of another name")
				record(w.sabotage.name, "ok")
			})
		}
	})
	writeTable(t, env, results, time.Since(began))
}

// prepare makes the worlds and the browser that finds them.
func prepare(t *testing.T) (*environment, []*world) {
	folder := os.Getenv("SALLYPORT_BROWSER")
	if folder == "" {
		t.Skip("SALLYPORT_BROWSER names no folder for the artefacts; make browser does")
	}
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var worlds []*world
	for _, f := range frameworks {
		w, err := newWorld(f.name, f.name+".test", f.serve, nil)
		require.NoError(t, err)
		worlds = append(worlds, w)
	}
	for i, s := range sabotages {
		f := frameworks[i%len(frameworks)]
		w, err := newWorld(f.name, fmt.Sprintf("sabotage%d.test", i), f.serve, &s)
		require.NoError(t, err)
		worlds = append(worlds, w)
	}
	names := []string{"evil.test", "partner.test", "other.test", "stranger.test"}
	var rules strings.Builder
	for _, w := range worlds {
		names = append(names, w.hosts()...)
		rules.WriteString(w.rules())
	}
	ca, err := newAuthority(names...)
	require.NoError(t, err)
	rest, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	// The same names, signed by somebody else.
	stranger, err := newAuthority(names...)
	require.NoError(t, err)
	unknown, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	// Whatever else a page or the browser asks for is not there.
	fmt.Fprintf(&rules, "MAP stranger.test %s, MAP *.test %s, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", unknown.Addr(), rest.Addr())
	for _, w := range worlds {
		require.NoError(t, w.start(ca))
		t.Cleanup(w.stop)
	}
	t.Cleanup(serveTLS(elsewhere(worlds), rest, ca))
	t.Cleanup(serveTLS(elsewhere(worlds), unknown, stranger))
	env := &environment{folder: folder, launch: launch{rules: rules.String(), pin: ca.pin()}}
	strict := env.launch
	strict.blockThirdParty = true
	env.open = &shared{launch: env.launch, dir: t.TempDir()}
	env.strict = &restarted{shared: shared{launch: strict, dir: t.TempDir()}}
	t.Cleanup(func() {
		require.NoError(t, errors.Join(env.open.stop(), env.strict.stop(), env.demo.stop()))
	})
	env.demo.start(t.TempDir())
	require.NoError(t, env.strict.begin(env, worlds))
	return env, worlds
}

// writeTable writes what was found for whoever ran it: go test keeps the output of a test
// that passes to itself.
func writeTable(t *testing.T, env *environment, results map[string]string, took time.Duration) {
	failed := 0
	var out strings.Builder
	tab := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(tab, "check")
	for _, f := range frameworks {
		fmt.Fprint(tab, "\t", f.name)
	}
	fmt.Fprintln(tab)
	for _, c := range checks {
		fmt.Fprint(tab, c.name)
		for _, f := range frameworks {
			result := cmp.Or(results[c.name+" "+f.name], "not run")
			if result == "FAIL" {
				failed++
			}
			fmt.Fprint(tab, "\t", result)
		}
		fmt.Fprintln(tab)
	}
	_ = tab.Flush()
	noticed := 0
	for _, s := range sabotages {
		if results[s.name] == "ok" {
			noticed++
		}
	}
	fmt.Fprintf(&out, "sabotage: %d of %d noticed by every check that has to\n", noticed, len(sabotages))
	fmt.Fprintf(&out, "browser: %d checks x %d frameworks, %d failed\n", len(checks), len(frameworks), failed)
	t.Logf("%s in %s", out.String(), took.Round(time.Second/10))
	require.NoError(t, os.WriteFile(filepath.Join(env.folder, "summary.txt"), []byte(out.String()), 0o644))
}
