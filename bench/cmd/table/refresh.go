package main

import (
	"errors"
	"fmt"
	"io"
)

// issuing are the ops of the endpoints' rows: who signs the access token.
var issuing = []struct{ slug, name string }{{"unsigned", "none"}, {"ES256", "ES256"}}

// rotations, worthless, lookups and kinds are rows in the order of the page.
var (
	rotations = []struct{ slug, name string }{
		{"unsigned", "**rotated**, the access token not signed"},
		{"coalesced", "too young to be replaced, not signed"},
		{"repeated", "the one before, answered again, not signed"},
		{"ES256", "rotated, the access token signed with ES256"},
		{"issue-ES256", "*for comparison*: issuing the access token alone"},
	}
	worthless = []struct {
		slug, name string
		goal       bool
	}{
		{"forged", "forged: a wrong MAC", true}, {"truncated", "truncated", true}, {"extended", "extended", false},
		{"1MB", "1 MB", false}, {"unknown-secret", "of a secret that the node has not got", false},
	}
	lookups = []struct{ slug, name string }{
		{"nothing", "nothing is revoked"},
		{"epoch", "the subject was logged out everywhere, before this login"},
		{"denial", "another session of the subject is revoked"},
		{"denials-128", "128 others of the subject are, more than which no subject has"},
		{"revoked", "this session is revoked"},
		{"million-others", "1,000,000 other subjects were logged out; 1024 who were not ask"},
		{"million", "1,000,000 subjects were logged out; 1024 of them ask"},
	}
	kinds = []struct{ slug, name string }{
		{"epochs", "a subject that was logged out everywhere"},
		{"denials", "a session that was revoked by itself"},
		{"voids", "a lost answer whose access token is void"},
	}
)

// refreshing is the page about refresh tokens and revocation.
func refreshing(w io.Writer, a about, r results) error {
	d := &document{w: w}
	d.printf(`# Benchmarks: refresh tokens and revocation

<!-- Written by make bench. What is changed here by hand is lost. -->

What [rotation](rotation.md) and revocation cost. %s, %s, %s, %d CPUs (%s), redis-server %s, rounds: %d.

Measured as [sessions](benchmarks.md) are, with make bench. This page alone:

%s

No row has a peer: we know of no Go library that rotates refresh tokens inside an application on Gin, Echo or Fiber,
decides about a repeated one in one step of its store and can take back what a lost answer held. So the figures stand
beside limits that were set before anything was written, and beside the least that the same machine needs.

## Goals

| goal | limit | figure | reached |
|---|--:|--:|---|
`, a.date, a.goVersion, a.platform, a.cpus, a.model, a.redis, a.rounds, "```sh\nmake bench BENCHFLAGS=\"-only refresh\"\n```")
	for _, g := range d.refreshGoals(r) {
		d.goal(g)
	}

	d.printf(`
## The Rotator alone

On memstore, 1024 families in turn, of users with two roles and two scopes. Grace is off in the rows that rotate, because
a token that is younger than three times its length would be kept: the decision about an older one is the same, and so is what it
writes. "Not signed" is an issuer that answers with a constant.

| what | time | allocations | bytes | spread |
|---|--:|--:|--:|--:|
`)
	for _, row := range rotations {
		d.alone(r, row.name, "Rotate/"+row.slug)
	}

	d.printf(`
## In each framework

A POST of JSON with a refresh token through the whole framework to the endpoint, and the answer with the next one, which
the client takes out of it and sends the next time. The *floor* is the same request to a handler that reads it and gives
an answer of the same bytes; **above the floor** is what the endpoint costs.

| framework | signed with | floor | request | above the floor | floor's allocations | allocations | bytes | spread |
|---|---|--:|--:|--:|--:|--:|--:|--:|
`)
	for _, fw := range frameworks {
		t := table{r, "Endpoint", fw.slug}
		for _, op := range issuing {
			base, row := t.row(floor, op.slug), t.row(ours, op.slug)
			d.printf("| %s | %s | %s | %s | %s | %.0f | %.0f | %.0f | %s |\n", fw.name, op.name,
				span(d.median(r, base, "ns/op")), span(d.median(r, row, "ns/op")), span(d.number(t.above(ours, op.slug))),
				d.median(r, base, "allocs/op"), d.median(r, row, "allocs/op"), d.median(r, row, "B/op"), percent(r.spread(row, "ns/op")))
		}
	}

	d.printf(`
## On Redis

32 goroutines use one server over loopback; the server runs on the same CPUs. The time is wall time divided by
operations, so the inverse of the throughput, not what one request waits. *Commands* are what the server received for
one operation, counted with MONITOR in a pass that is not timed; what a script runs inside does not count. The raw
EVALSHA runs a script of one HGET and one HSET of 256 bytes, with the same client.

| what | time | × raw EVALSHA | commands | allocations | bytes | spread |
|---|--:|--:|--:|--:|--:|--:|
`)
	raw := d.median(r, "Remote/evalsha", "ns/op")
	for _, row := range []struct{ slug, name string }{
		{"evalsha", "*raw EVALSHA*"}, {"refresh", "**a refresh**, the access token not signed"},
		{"sight", "a sighting of a generation that is confirmed"},
		{"check", "an access token is looked up, nothing is revoked"},
	} {
		name, times := "Remote/"+row.slug, ""
		total := d.median(r, name, "ns/op")
		if row.slug != "evalsha" {
			times = fmt.Sprintf("%.2f", total/raw)
		}
		d.printf("| %s | %s | %s | %.3g | %.0f | %.0f | %s |\n", row.name, span(total), times, d.median(r, name, "commands/op"),
			d.median(r, name, "allocs/op"), d.median(r, name, "B/op"), percent(r.spread(name, "ns/op")))
	}

	d.printf(`
## Worthless tokens

Time and memory until the refusal, and how often a store that counts was asked.

| token | time | allocations | bytes | store calls | spread |
|---|--:|--:|--:|--:|--:|
`)
	for _, row := range worthless {
		name := "Refused/" + row.slug
		d.printf("| %s | %s | %.0f | %.0f | %.3g | %s |\n", row.name, span(d.median(r, name, "ns/op")), d.median(r, name, "allocs/op"),
			d.median(r, name, "B/op"), d.median(r, name, "store-calls/op"), percent(r.spread(name, "ns/op")))
	}

	d.printf(`
## Is it revoked?

Registry.Check on memstore: what a request pays for it.

| registry | time | allocations | bytes | spread |
|---|--:|--:|--:|--:|
`)
	for _, row := range lookups {
		d.alone(r, row.name, "Check/"+row.slug)
	}
	d.printf("\nOf 1,000,000 subjects who were logged out, 100,000 ask in an order that no cache foresees: %s, of which %s are for\n"+
		"fetching the credential, which a server has just had in its hands.\n",
		span(d.median(r, "Check/cold", "ns/op")), span(d.median(r, "Check/cold-floor", "ns/op")))

	d.printf(`
What stands around it, on memstore:

| what | time | allocations | bytes | spread |
|---|--:|--:|--:|--:|
`)
	for _, row := range []struct{ slug, name string }{
		{"Check/verify-alone", "a Verifier without a registry, token verified before"},
		{"Check/verify-wired", "the same with one"},
		{"Sight/first", "the sighting that confirms a generation, once for an access token"},
		{"Sight/again", "a sighting of a generation that is confirmed"},
	} {
		d.alone(r, row.name, row.slug)
	}

	d.printf(`
## What it takes to remember

Bytes and objects of the heap for each of 1,000,000, every one of another user, and the CPU time of all threads for one
forced garbage collection with all of them.

| what | bytes | objects | CPU for one collection |
|---|--:|--:|--:|
`)
	for _, kind := range kinds {
		d.weight(r, kind.name, "Entries/"+kind.slug, "entry")
	}
	d.weight(r, "a refresh family", "Families/memory", "family")
	d.printf(`
On Redis a refresh family takes %.0f bytes of the server's memory with its share of the server's own tables (20,000
families, each of another user), %.0f by MEMORY USAGE of its key.
`, d.median(r, "Families/redis", "redis-B/family"), d.median(r, "Families/redis", "usage-B/family"))

	d.printf(`
## What this says and what not

- A refresh is rare: a client makes one in the life of an access token. What is asked with every request is the registry.
- The store alone decides, so that a refresh is one step in memory and one command on Redis, whatever comes of it. Without
  Wired, or with SubjectStatus, it is two: the family is read before.
- A check goes through all that is remembered of its subject, at most 128 things, which logging it out everywhere forgets.
  Where nothing of a million entries is in the processor's caches, what a check waits for is the memory.
- Signing is most of a refresh. It is the same for whoever issues tokens, and not ours to make cheaper.
- A token with a right MAC is not among the worthless ones, however old it is: it costs a store call, and if it was
  replaced long ago, its family its life.
- On a real network a command to Redis costs a round trip, and the column *commands* says more than the times.
- No TLS, no network, no logging, no audit sink, no limiter. *Spread* is the distance between the slowest and the fastest
  round, as a part of the median; a difference smaller than that is none. Two CPUs that share a machine with others are a
  noisy place.
`)
	d.versions(a)
	return errors.Join(d.errs...)
}

// alone writes the line of what has no floor.
func (d *document) alone(r results, what, row string) {
	d.printf("| %s | %s | %.0f | %.0f | %s |\n", what, span(d.median(r, row, "ns/op")), d.median(r, row, "allocs/op"),
		d.median(r, row, "B/op"), percent(r.spread(row, "ns/op")))
}

// weight writes the line of what fills a heap.
func (d *document) weight(r results, what, row, unit string) {
	d.printf("| %s | %.0f | %.2f | %.0f ms |\n", what, d.median(r, row, "heap-B/"+unit), d.median(r, row, "objects/"+unit), d.median(r, row, "gc-cpu-ms"))
}

func (d *document) refreshGoals(r results) (all []goal) {
	add := func(what, limit, got string, reached bool) { all = append(all, goal{what, limit, got, reached}) }
	took, allocs := d.median(r, "Rotate/unsigned", "ns/op"), d.median(r, "Rotate/unsigned", "allocs/op")
	add("a rotation on memstore, the access token not signed", "≤ 3 µs", span(took), took <= 3000)
	add("its allocations", "≤ 12", fmt.Sprintf("%.0f", allocs), allocs <= 12)
	commands := d.median(r, "Remote/refresh", "commands/op")
	add("commands to Redis for a refresh", "1", fmt.Sprintf("%.3g", commands), commands == 1)
	for _, row := range worthless {
		if !row.goal {
			continue
		}
		took, calls := d.median(r, "Refused/"+row.slug, "ns/op"), d.median(r, "Refused/"+row.slug, "store-calls/op")
		add("refusing a token, "+row.name, "≤ 1 µs", span(took), took <= 1000)
		add("its store calls", "0", fmt.Sprintf("%.3g", calls), calls == 0)
	}
	allocs = 0
	for _, row := range lookups {
		took := d.median(r, "Check/"+row.slug, "ns/op")
		allocs = max(allocs, d.median(r, "Check/"+row.slug, "allocs/op"))
		add("revocation check of a request: "+row.name, "≤ 100 ns", span(took), took <= 100)
	}
	took = d.median(r, "Check/cold", "ns/op") - d.median(r, "Check/cold-floor", "ns/op")
	allocs = max(allocs, d.median(r, "Check/cold", "allocs/op"))
	add("the same for 100,000 of a million, in an order that no cache foresees", "≤ 100 ns", span(took), took <= 100)
	add("most allocations of any of these checks", "0", fmt.Sprintf("%.0f", allocs), allocs == 0)
	for _, kind := range kinds {
		each := d.median(r, "Entries/"+kind.slug, "heap-B/entry")
		add("one of 1,000,000 entries of the registry: "+kind.name, "≤ 100 bytes", fmt.Sprintf("%.0f bytes", each), each <= 100)
	}
	return all
}
