// Package token issues and verifies access tokens: JSON Web Tokens in the profile
// of RFC 9068, with the strictness of RFC 8725 and its successor.
//
// A KeyRing holds the keys through their lives, an Issuer signs with it, a Verifier
// accepts what it signed and nothing else. A service that only verifies takes its
// keys from the issuer's published set, through RemoteKeys.
//
// Signatures are made by any crypto.Signer and checked by golang-jwt's methods.
// Everything around them is decoded here, in one strict pass: what golang-jwt lets
// through by default (no exp, duplicate members, an unknown crit, any typ) does not
// pass.
package token
