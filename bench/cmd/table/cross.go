package main

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// corsOps and attacks are rows in the order of the page.
var (
	corsOps = []string{"actual-1", "actual-1000", "preflight-1", "preflight-1000"}
	attacks = []struct{ slug, name string }{
		{"commas", "a list of headers that is 64 KB of commas"},
		{"names", "10,240 names of headers that are not allowed"},
		{"known", "4,096 times the name of one that is"},
		{"method", "a method of 64 KB"},
		{"origin", "an origin of 64 KB"},
		{"tiny", "8,192 headers of another name"},
		{"lines", "1,024 lines of Origin"},
	}
)

// crossing is the page about other origins: CORS and CSRF.
func crossing(w io.Writer, a about, r results) error {
	d := &document{w: w}
	d.printf(`# Benchmarks: CORS and CSRF

<!-- Written by make bench. What is changed here by hand is lost. -->

What [CORS](cors.md) and [CSRF](csrf.md) cost a request, beside peers. %s, %s, %s, %d CPUs (%s), rounds: %d.

Measured as [sessions](benchmarks.md) are, with make bench. This page alone:

%s

A request goes through the whole framework to a handler that answers two bytes. The *floor* is the same request and the
same answer with no middleware; for a preflight it is an OPTIONS route that answers 204. **Above the floor** is what the
middleware costs. Every row's answer is looked at, before, while and after it is measured.

## Goals

| goal | limit | figure | reached |
|---|--:|--:|---|
`, a.date, a.goVersion, a.platform, a.cpus, a.model, a.rounds, "```sh\nmake bench BENCHFLAGS=\"-only cross\"\n```")
	for _, g := range d.crossGoals(r) {
		d.goal(g)
	}

	d.printf(`
## CORS

The policy allows a list of origins, with credentials, PUT and two headers. *actual* is a GET from the last of the list,
*preflight* asks for PUT and both headers; the number behind is the length of the list.
`)
	for _, fw := range tokenFrameworks {
		d.printf("\n### %s\n\n| request | library | time | above the floor | × ours | allocations | bytes | spread |\n|---|---|--:|--:|--:|--:|--:|--:|\n", fw.name)
		for _, op := range corsOps {
			d.rows(table{r, "CORS", fw.slug}, op, "")
		}
	}

	d.printf(`
### Hostile preflights

Above the floor, which has to read the same 64 KB, and bytes allocated above it.

| request | framework | library | above the floor | bytes |
|---|---|---|--:|--:|
`)
	for _, x := range attacks {
		for _, fw := range tokenFrameworks {
			t := table{r, "CORSHostile", fw.slug}
			for _, library := range t.libraries()[1:] {
				name := library
				if library == ours {
					name = "**Sallyport**"
				}
				d.printf("| %s | %s | %s | %s | %.0f |\n", x.name, fw.name, name, span(d.number(t.above(library, x.slug))), d.over(t, library, x.slug, "B/op"))
			}
		}
	}

	d.printf(`
## CSRF

A POST of a visitor with the token in a header and the cookie that goes with it, and an Origin. *sallyport-headers* has
layer two off (InsecureNoTokens), which is what net/http's CrossOriginProtection does.
`)
	for _, fw := range tokenFrameworks {
		d.printf("\n### %s\n\n| request | library | time | above the floor | × ours | allocations | bytes | spread |\n|---|---|--:|--:|--:|--:|--:|--:|\n", fw.name)
		d.rows(table{r, "CSRF", fw.slug}, "unsafe", "")
	}

	d.printf(`
### The layers alone

| what | time | allocations | spread |
|---|--:|--:|--:|
`)
	for _, row := range []struct{ slug, name string }{
		{"check", "layer one: Guard.Check"}, {"verify", "layer two: Guard.Verify"}, {"net-http", "*for comparison*: CrossOriginProtection.Check"},
	} {
		name := "Guard/" + row.slug
		d.printf("| %s | %s | %.0f | %s |\n", row.name, span(d.median(r, name, "ns/op")), d.median(r, name, "allocs/op"), percent(r.spread(name, "ns/op")))
	}

	d.printf(`
## What this says and what not

- The libraries do not do the same. Echo's CSRF middleware takes a request that says Sec-Fetch-Site: same-origin without
  looking for a token, so its row sends none; Fiber's keeps a token in a store in memory and looks it up; nosurf and
  gorilla compare cookie and token; none of them but Fiber's, with a session, ties the token to a login.
- The map of allowed origins is why a thousand cost what one does. Gin's and Echo's middleware go through a list.
- In Fiber the raw header is read from its beginning to its end, so what it costs grows with the number of its lines, as
  what Fiber itself does with it. At Fiber's default of 4 KB for all headers there are no more than 500 such lines.
- No TLS, no network, no logging, no recovery middleware. *Spread* is the distance between the slowest and the fastest
  round, as a part of the median; a difference smaller than that is none.
`)
	d.versions(a)
	return errors.Join(d.errs...)
}

// over is how much more of a unit a library's row has than its floor's.
func (d *document) over(t table, library, op, unit string) float64 {
	return d.median(t.results, t.row(library, op), unit) - d.median(t.results, t.row(floor, op), unit)
}

func (d *document) crossGoals(r results) (all []goal) {
	add := func(what, limit, got string, reached bool) { all = append(all, goal{what, limit, got, reached}) }
	for _, fw := range frameworks {
		t := table{r, "CORS", fw.slug}
		for _, op := range []struct {
			slug, name string
			limit      float64
		}{{"actual", "an actual request", 250}, {"preflight", "a preflight", 450}} {
			one, many := d.number(t.above(ours, op.slug+"-1")), d.number(t.above(ours, op.slug+"-1000"))
			worst := math.Max(one, many)
			add("CORS, "+op.name+", above bare "+fw.name, "≤ "+span(op.limit), span(worst), worst <= op.limit)
			allocs := math.Max(d.over(t, ours, op.slug+"-1", "allocs/op"), d.over(t, ours, op.slug+"-1000", "allocs/op"))
			add("its allocations on "+fw.name, "≤ 2", fmt.Sprintf("%+.0f", allocs), allocs <= 2)
			// Of whole requests: a difference of differences is mostly noise.
			whole := d.median(r, t.row(ours, op.slug+"-1000"), "ns/op") / d.median(r, t.row(ours, op.slug+"-1"), "ns/op")
			add("the same with 1,000 origins as with one on "+fw.name, "± 15 %", fmt.Sprintf("%+.0f %%", 100*(whole-1)), math.Abs(whole-1) <= 0.15)
		}
		h := table{r, "CORSHostile", fw.slug}
		slowest, largest := 0.0, 0.0
		for _, x := range attacks {
			slowest = math.Max(slowest, d.number(h.above(ours, x.slug)))
			largest = math.Max(largest, d.over(h, ours, x.slug, "B/op"))
		}
		add("the slowest of 64 KB of hostile headers on "+fw.name, "≤ 10 µs", span(slowest), slowest <= 10_000)
		add("the most that any of them allocates on "+fw.name, "≤ 1 KB", fmt.Sprintf("%.0f bytes", largest), largest <= 1024)
	}
	for _, g := range []struct {
		slug, name     string
		limit, allowed float64
	}{{"check", "CSRF, layer one", 80, 0}, {"verify", "CSRF, a token", 1200, 2}} {
		ns, allocs := d.median(r, "Guard/"+g.slug, "ns/op"), d.median(r, "Guard/"+g.slug, "allocs/op")
		add(g.name, "≤ "+span(g.limit), span(ns), ns <= g.limit)
		add("its allocations", fmt.Sprintf("≤ %.0f", g.allowed), fmt.Sprintf("%.0f", allocs), allocs <= g.allowed)
	}
	return all
}
