package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

var signatures = []string{"ES256", "RS256"}

// tokenFrameworks are those of the sessions, and net/http, where there is no adapter
// of ours but a peer.
var tokenFrameworks = append(slices.Clone(frameworks), struct{ slug, name string }{"http", "net/http"})

// tokens is the page about access tokens.
func tokens(w io.Writer, a about, r results) error {
	d := &document{w: w}
	d.printf(`# Benchmarks: access tokens

<!-- Written by make bench. What is changed here by hand is lost. -->

Verifying access tokens, beside peers. %s, %s, %s, %d CPUs (%s), rounds: %d.

Measured as [sessions](benchmarks.md) are, with make bench. This page alone:

%s

The tokens are the same for all: iss, aud, sub, iat, exp, jti, sid, two roles and two scopes, 577 bytes when signed with
ES256, 833 with RS256 and 2048 bits. A request goes through the whole framework to a handler that answers with the
subject. The *floor* is the same request and the same answer with nobody looking at the token; **above the floor** is
what verifying costs. Every answer of every row is checked.

## Goals

| goal | limit | figure | reached |
|---|--:|--:|---|
`, a.date, a.goVersion, a.platform, a.cpus, a.model, a.rounds, "```sh\nmake bench BENCHFLAGS=\"-only tokens\"\n```")
	for _, g := range d.goals(r) {
		d.goal(g)
	}

	d.printf(`
## In each framework

**Sallyport** is a request with a token that an earlier one brought already; *first sight* is the earlier one, which
verifies the token and puts it into the cache. Peers have no cache: to them every request is the first.
`)
	for _, fw := range tokenFrameworks {
		t := table{r, "Token", fw.slug}
		d.printf("\n### %s\n\n| algorithm | library | time | above the floor | × ours | allocations | bytes | spread |\n|---|---|--:|--:|--:|--:|--:|--:|\n", fw.name)
		for _, alg := range signatures {
			d.rows(t, alg, "")
		}
	}

	d.printf(`
## The Verifier alone

*Raw signature check* is the standard library's, of a digest that is there already. *golang-jwt* is ParseWithClaims with
every check that it has an option for. Without its cache the Verifier sees each token for the first time.

| algorithm | what | time | above the raw check | allocations | bytes | spread |
|---|---|--:|--:|--:|--:|--:|
`)
	for _, alg := range signatures {
		base := d.median(r, "Verify/"+alg+"/crypto", "ns/op")
		for _, row := range []struct{ slug, name string }{
			{"crypto", "*raw signature check*"}, {"golang-jwt", "golang-jwt"}, {"first", "**Sallyport**, first sight"},
			{"uncached", "**Sallyport** without a cache"}, {"seen", "**Sallyport**, verified before"},
		} {
			name := "Verify/" + alg + "/" + row.slug
			total, above := d.median(r, name, "ns/op"), ""
			if row.slug != "crypto" && row.slug != "seen" {
				above = span(total - base)
			}
			d.printf("| %s | %s | %s | %s | %.0f | %.0f | %s |\n", alg, row.name, span(total), above,
				d.median(r, name, "allocs/op"), d.median(r, name, "B/op"), percent(r.spread(name, "ns/op")))
		}
	}
	d.printf("\nFor comparison, finding a token of 577 bytes among 1024 takes %s by its SHA-256 in a map, %s by itself.\n",
		span(d.median(r, "Reference/sha256-map", "ns/op")), span(d.median(r, "Reference/map", "ns/op")))

	perToken := d.median(r, live("verifier"), "heap-B/token")
	d.printf(`
## Many live tokens

100,000 ES256 tokens, all verified before, each of another user, one after the other in an order that no cache foresees.
The floor copies each token, as if it had just arrived, and does nothing with it.

| where | floor | time | above the floor | allocations | spread |
|---|--:|--:|--:|--:|--:|
`)
	for _, row := range []struct{ name, floor, full string }{{"Verifier alone", "floor", "verifier"}, {"Gin", "gin-bare", "gin-sallyport"}} {
		base, total := d.median(r, live(row.floor), "ns/op"), d.median(r, live(row.full), "ns/op")
		d.printf("| %s | %s | %s | %s | %.0f | %s |\n", row.name, span(base), span(total), span(total-base),
			d.median(r, live(row.full), "allocs/op"), percent(r.spread(live(row.full), "ns/op")))
	}
	d.printf(`
A token in the cache takes %.0f bytes of the heap in %.1f objects, the token itself included: the default
CacheBytes of 32 MiB hold about %.0f of them at a time, and these rows have more.
`, perToken, d.median(r, live("verifier"), "objects/token"), math.Floor((32<<20)/perToken/1000)*1000)

	d.printf(`
## Hostile tokens

Time and memory until the refusal. golang-jwt leaves it to its caller to bound the length; what a server bounds by itself
is all headers together, net/http at 1 MiB, Fiber at 4 KiB. A Verifier reads nothing that is longer than MaxTokenBytes,
8192 by default, so of each attack there is one that is not.

| token | Sallyport | bytes | golang-jwt | bytes |
|---|--:|--:|--:|--:|
`)
	for _, h := range hostile {
		mine, theirs := "Hostile/"+h.slug+"/"+ours, "Hostile/"+h.slug+"/golang-jwt"
		d.printf("| %s | %s | %.0f | %s | %.0f |\n", h.name, span(d.median(r, mine, "ns/op")), d.median(r, mine, "B/op"),
			span(d.median(r, theirs, "ns/op")), d.median(r, theirs, "B/op"))
	}

	d.printf(`
## What this says and what not

- A signature check is what verifying costs; everything else is small beside it. What makes the difference is not doing
  it again: a token that was verified is found in the cache, and only its times, its key's state and its revocation are
  looked at each time. An application whose tokens are used once gains nothing.
- The libraries do not do the same. Each is configured as its documentation shows, with every check switched on that it
  has a setting for. What they take for good nevertheless, held by a test:

  | | no exp | another audience | another issuer | another typ | an unknown crit |
  |---|---|---|---|---|---|
  | gin-jwt | | yes | yes | yes | yes |
  | echo-jwt | yes | yes | yes | yes | yes |
  | fiber-jwt | yes | yes | yes | yes | yes |
  | auth0 | yes | | | yes | |
  | golang-jwt | | | | yes | yes |
  | **Sallyport** | | | | | |

  An application can check more itself; here nobody does.
- A forged token that is right in everything but the signature costs one signature check, here as everywhere. Limit the
  rate of those who send them.
- No TLS, no network, no logging, no recovery middleware, no revocation registry. *Spread* is the distance between the
  slowest and the fastest round, as a part of the median; a difference smaller than that is none.
`)
	d.versions(a)
	return errors.Join(d.errs...)
}

func live(row string) string { return "Live/100000/" + row }

var hostile = []struct{ slug, name string }{
	{"16KB", "16 KB"}, {"1MB", "1 MB"}, {"8MB", "8 MB"},
	{"dots-1e6", "a million dots"}, {"dots-8KB", "8 KB of dots"},
	{"nested-1e5", "header nested 100,000 deep"}, {"nested-8KB", "nested header in 8 KB"},
	{"members-1e5", "header of 100,000 members"}, {"members-8KB", "header of 645 members in 8 KB"},
	{"garbage", "garbage of normal size"}, {forged, "forged signature"},
}

// forged is not hostile in the goal's sense: whoever checks signatures has to check it.
const forged = "forged"

// A goal is a figure that was set before anything was written.
type goal struct {
	what, limit, got string
	reached          bool
}

// goal writes the line of g.
func (d *document) goal(g goal) {
	reached := "yes"
	if !g.reached {
		reached = "**no**"
	}
	d.printf("| %s | %s | %s | %s |\n", g.what, g.limit, g.got, reached)
}

func (d *document) goals(r results) (all []goal) {
	add := func(what, limit, got string, reached bool) { all = append(all, goal{what, limit, got, reached}) }
	for _, alg := range signatures {
		least := map[string]float64{"ES256": 100, "RS256": 60}[alg]
		peer, theirs := d.fastestPeer(r, alg)
		for _, fw := range frameworks {
			mine := d.number(table{r, "Token", fw.slug}.above(ours, alg))
			if mine <= 0 {
				d.errs = append(d.errs, fmt.Errorf("%s on %s is not above its floor: too much noise", alg, fw.name))
			}
			times := theirs / mine
			add(fmt.Sprintf("%s on %s, token verified before: times cheaper than the fastest peer of all (%s)", alg, fw.name, peer),
				fmt.Sprintf("≥ %.0f ×", least), factor(times), times >= least)
		}
	}
	for _, fw := range frameworks {
		above, allocs := 0.0, 0.0
		for _, alg := range signatures {
			t := table{r, "Token", fw.slug}
			above = max(above, d.number(t.above(ours, alg)))
			allocs = max(allocs, d.median(r, t.row(ours, alg), "allocs/op")-d.median(r, "Untouched/"+fw.slug, "allocs/op"))
		}
		add("token verified before, above bare "+fw.name, "≤ 0.8 µs", span(above), above <= 800)
		add("its allocations above those of an untouched session on "+fw.name, "≤ 3", fmt.Sprintf("%+.0f", allocs), allocs <= 3)
	}
	for _, row := range []struct{ where, full, floor string }{{"Verifier alone", "verifier", "floor"}, {"above bare Gin", "gin-sallyport", "gin-bare"}} {
		above := d.median(r, live(row.full), "ns/op") - d.median(r, live(row.floor), "ns/op")
		add("one of 100,000 live tokens, "+row.where, "≤ 2 µs", span(above), above <= 2000)
	}
	for _, alg := range signatures {
		first := "Verify/" + alg + "/first"
		above, allocs := d.median(r, first, "ns/op")-d.median(r, "Verify/"+alg+"/crypto", "ns/op"), d.median(r, first, "allocs/op")
		add(alg+", first sight, above the raw signature check", "≤ 8 µs", span(above), above <= 8000)
		add(alg+", first sight, allocations", "≤ 40", fmt.Sprintf("%.0f", allocs), allocs <= 40)
	}
	var slowest, largest struct {
		name string
		v    float64
	}
	for _, h := range hostile {
		if h.slug == forged {
			continue
		}
		row := "Hostile/" + h.slug + "/" + ours
		if v := d.median(r, row, "ns/op"); v >= slowest.v {
			slowest.name, slowest.v = h.name, v
		}
		if v := d.median(r, row, "B/op"); v >= largest.v {
			largest.name, largest.v = h.name, v
		}
	}
	add("the slowest hostile token ("+slowest.name+")", "< 50 µs", span(slowest.v), slowest.v < 50_000)
	add("the hostile token that takes most memory ("+largest.name+")", "< 64 KB", fmt.Sprintf("%.0f bytes", largest.v), largest.v < 64_000)
	garbage, check := d.median(r, "Hostile/garbage/"+ours, "ns/op"), math.Inf(1)
	for _, alg := range signatures {
		check = min(check, d.median(r, "Verify/"+alg+"/crypto", "ns/op"))
	}
	add("refusing garbage, against the cheaper signature check", "< "+span(check), span(garbage), garbage < check)
	return all
}

// fastestPeer names the peer that adds least to its framework, whichever that is, and
// what it adds.
func (d *document) fastestPeer(r results, alg string) (peer string, above float64) {
	for _, fw := range tokenFrameworks {
		t := table{r, "Token", fw.slug}
		for _, library := range t.libraries() {
			if library == floor || strings.HasPrefix(library, ours) {
				continue
			}
			if v := d.number(t.above(library, alg)); peer == "" || v < above {
				peer, above = library, v
			}
		}
	}
	return peer, above
}
