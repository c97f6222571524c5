// Package bench measures sessions and access tokens beside their peers: the same
// operations in the same framework, each library as its users mount it, and the bare
// framework as the floor.
//
//	make bench
//
// runs every row in a process of its own, round by round in changing order, and
// writes docs/benchmarks.md and docs/benchmarks-tokens.md. Nothing here is part of
// the library; this module is never tagged.
package bench
