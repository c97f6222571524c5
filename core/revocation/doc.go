// Package revocation remembers what must not be accepted any more although it is
// authentic and has not expired: everything that a subject held before a moment
// (its epoch), and single sessions (denied handles).
//
// Sessions consult it on every read; it is also for credentials that no store
// would otherwise be asked about.
package revocation
