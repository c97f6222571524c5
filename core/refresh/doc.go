// Package refresh rotates refresh tokens. A family is one login on one device; each
// refresh token is a generation of it. A token that was replaced is answered again for
// as long as its successor may have been lost on the way, so that a lost answer or a
// second tab logs nobody out; and as soon as the successor is in use, whoever comes with
// the old one ends the family, because one of the two stole it (RFC 9700 section 4.14).
//
// The store holds no secret: a token is a MAC over its own name, under a secret of the
// server, and can be made again without having been stored.
package refresh
