// Package conformance proves that an adapter carries the decisions of the core
// to its framework: the same security tests over a real listener, for the
// adapters of this repository and for anybody's.
//
// An adapter's author writes a Harness, which maps a handful of native calls, and
// runs
//
//	func TestConformance(t *testing.T) { conformance.Run(t, harness) }
//
// Each case is one subtest named by its slug, so that
//
//	go test -run 'TestConformance/session/login-changes-id'
//
// runs one. A failure prints the rule that was broken, the requests as they were
// sent and the answers as they came. Clock, faults and randomness are injected and
// nothing sleeps. Run under the race detector: some cases only show a data race.
package conformance
