// Package cookie writes and reads the one cookie that carries a credential.
//
// It serialises Set-Cookie itself, so that every framework sends the same
// bytes, and it reads Cookie lines stricter than net/http does: what a lenient
// reader repairs (blanks, quotes, letter case) is what an attacker uses to make
// one cookie pass for another. A browser lets only a secure origin write a
// cookie named __Host-..., and only for itself; that promise holds on the
// server only if nothing but these exact bytes is read as that name.
package cookie
