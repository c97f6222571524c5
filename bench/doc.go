// Package bench measures sessions and access tokens beside their peers: the same
// operations in the same framework, each library as its users mount it, and the bare
// framework as the floor. Refresh tokens and revocation, which have no peer, it measures
// against their floors.
//
//	make bench
//
// runs every row in a process of its own, round by round in changing order, and
// writes docs/benchmarks.md, docs/benchmarks-tokens.md and docs/benchmarks-refresh.md.
// Nothing here is part of the library; this module is never tagged.
package bench
