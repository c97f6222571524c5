// Package core holds the vocabulary that every part of Sallyport shares: who is
// asking (Principal), what a refusal is called (Code), and the errors that keep
// "anonymous" and "unknown" apart all the way up.
//
// It imports nothing but the standard library and depends on no other package
// of the suite. Applications meet it through the adapters; code below the HTTP
// layer uses PrincipalFrom to read the identity out of a context.Context.
package core
