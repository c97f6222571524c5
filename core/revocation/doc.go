// Package revocation remembers what must not be accepted any more although it is
// authentic and has not expired: everything that a subject held before a moment
// (its epoch), single sessions, refresh families and access tokens (denied handles), and
// the access tokens of a lost answer (voids).
//
// Sessions, refresh families and access tokens consult the same Registry, so that one
// act ends all of them.
package revocation
