package main

import (
	"errors"
	"io"
	"strings"
)

// sessions is the page about sessions.
func sessions(w io.Writer, a about, r results) error {
	d := &document{w: w}
	d.printf(`# Benchmarks

<!-- Written by make bench. What is changed here by hand is lost. -->

This page is about sessions; [access tokens](benchmarks-tokens.md) have one of their own, and so have
[refresh tokens and revocation](benchmarks-refresh.md).

Sessions beside their peers. %s, %s, %s, %d CPUs (%s), redis-server %s, rounds: %d.

Every figure is the median of the rounds. A round runs every row in a process of its own, in another order. The same on
your machine:

%s
`, a.date, a.goVersion, a.platform, a.cpus, a.model, a.redis, a.rounds, "```sh\nmake bench # ten minutes; needs redis-server 7, and a machine with nothing else to do\n```")

	d.printf(`
Every session holds a UUID and a name of 13 characters, which scs encodes in 199 bytes. The operations:

- **read**: a request with the cookie of a session; the handler answers with the name.
- **write**: the same, but the handler stores a name that was never there before, and the library commits it.
- **create**: a request without a cookie; the handler stores a name, the answer sets a cookie.
- **parallel**: reads on all CPUs, spread over 1024 sessions.

A request goes through the whole framework, from router to answer, without a socket. The *floor* is the same request with
the same handler and no session library; **above the floor** is what the library costs. Every answer of every row is
checked, and before and after a row that the value was really stored.

## How many times cheaper than the fastest peer

Cost above the floor: the fastest peer's divided by Sallyport's. On Redis every row is parallel.

| store | framework | read | write | create | parallel |
|---|---|---|---|---|---|
`)
	for _, group := range []string{"Memory", "Redis"} {
		for _, fw := range frameworks {
			t := table{r, group, fw.slug}
			d.printf("| %s | %s |", strings.ToLower(group), fw.name)
			for _, op := range []string{"read", "write", "create", "parallel"} {
				if group == "Redis" && op == "parallel" {
					d.printf(" |")
					continue
				}
				peer, times, err := t.fastest(op)
				d.number(times, err)
				d.printf(" %s (%s) |", factor(times), peer)
			}
			d.printf("\n")
		}
	}

	d.printf("\n## In memory\n")
	for _, fw := range frameworks {
		t := table{r, "Memory", fw.slug}
		d.printf("\n### %s\n\n| operation | library | time | above the floor | × ours | allocations | bytes | spread |\n|---|---|--:|--:|--:|--:|--:|--:|\n", fw.name)
		for _, op := range []string{"read", "write", "create", "parallel"} {
			d.rows(t, op, "")
		}
	}

	d.printf(`
## On Redis

32 goroutines use one server over loopback; the server runs on the same CPUs. The time is wall time divided by
operations, so the inverse of the throughput, not what one request waits. *Commands* are what the server received for
one operation, counted with MONITOR in a pass that is not timed; what a script runs inside does not count, a PING by
which a connection pool tests a connection does.

What the server and the client cost by themselves, with the client and the options that Sallyport uses and values of 199
bytes. EVALSHA runs a script of one GET and one SET:

| call | time | spread |
|---|--:|--:|
`)
	raw := map[string]string{"read": "get", "write": "evalsha", "create": "set"}
	for _, call := range []string{"get", "set", "evalsha"} {
		d.printf("| %s | %s | %s |\n", strings.ToUpper(call), span(d.median(r, "Raw/"+call, "ns/op")), percent(r.spread("Raw/"+call, "ns/op")))
	}
	d.printf("\n*× raw* is the cost above the floor divided by a raw GET for reads, EVALSHA for writes, SET for creates.\n")
	for _, fw := range frameworks {
		t := table{r, "Redis", fw.slug}
		d.printf("\n### %s on Redis\n\n| operation | library | time | above the floor | × ours | commands | × raw | allocations | bytes | spread |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", fw.name)
		for _, op := range []string{"read", "write", "create"} {
			d.rows(t, op, "Raw/"+raw[op])
		}
	}

	d.printf(`
Memory of the server for one logged-in session with 200 bytes of data, everything that belongs to it included (20,000
sessions, each of another user):

| library | bytes |
|---|--:|
`)
	for _, name := range ofGroup(r, "RedisBytes") {
		d.printf("| %s | %.0f |\n", name, d.median(r, "RedisBytes/"+name, "redis-B/session"))
	}

	d.printf(`
## One million sessions in memory

Bytes and objects on the heap for each session, and the CPU time of all threads for one forced garbage collection.
*map* is a Go map from a token to 199 bytes, which nothing ever ends.

| store | bytes | objects | CPU for one collection |
|---|--:|--:|--:|
`)
	for _, name := range ofGroup(r, "Million") {
		row := "Million/" + name
		d.printf("| %s | %.0f | %.2f | %.0f ms |\n", name, d.median(r, row, "heap-B/session"), d.median(r, row, "objects/session"), d.median(r, row, "gc-cpu-ms"))
	}

	d.printf(`
Sallyport's read on Gin, each time of another session, over the number of sessions. The floor cycles through as many
cookies. A larger memory is a slower one: of a million sessions nearly none is in the processor's caches.

| sessions | floor | read | above the floor | spread |
|--:|--:|--:|--:|--:|
`)
	for _, n := range []string{"1000", "100000", "1000000"} {
		base, total := d.median(r, "Flat/"+n+"/"+floor, "ns/op"), d.median(r, "Flat/"+n+"/"+ours, "ns/op")
		d.printf("| %s | %s | %s | %s | %s |\n", n, span(base), span(total), span(total-base), percent(r.spread("Flat/"+n+"/"+ours, "ns/op")))
	}

	d.printf(`
## What this says and what not

- The libraries do not do the same. Sallyport keeps an idle timeout, an absolute one and the user's list of sessions,
  stores hashes of ids, merges parallel writes and never brings back what was ended; no peer does all of it. The figures
  compare what an application pays, not equal work.
- Peers keep their defaults. None of them notes that a session was read, so none can tell an idle one from one in use;
  scs with its IdleTimeout set stores the session again with every request. Sallyport notes it once in a TouchInterval,
  which no row contains. Connection pools may hold one connection for each goroutine, so that no row waits for one.
- The cookie stores (-cookie) keep nothing on the server: the session is in the cookie, signed. They cannot end one.
- Logging in is not in the table: with the peers it is one more write, here it changes the id, ends the old one and lists
  the new one.
- gorilla/sessions keeps what it has loaded in the request. Every call here gets a fresh request, as in a server.
- No TLS, no network, no logging, no recovery middleware. Your handler costs more than all of this. On a real network a
  command to Redis costs a round trip, and the column *commands* says more than the times.
- *Spread* is the distance between the slowest and the fastest round, as a part of the median. A difference smaller than
  that is none. Two CPUs that share a machine with others are a noisy place.
- A forced collection with nothing else to do is the cheapest there is; what matters is the ratio.
`)
	d.versions(a)
	return errors.Join(d.errs...)
}
