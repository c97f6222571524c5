// Package sallyport is one guarded gate for Gin, Echo and Fiber: a core that
// knows no framework decides, thin adapters carry its decisions in each
// framework's own idiom, and one conformance suite proves that all of them hold
// the same line.
//
// This package holds no code; it is the map. An application imports the adapter
// of its framework and the core packages that it configures:
//
//	gin    package authgin, for Gin
//	echo   package authecho, for Echo v4
//	fiber  package authfiber, for Fiber v2
//
//	core           the shared vocabulary: Principal, Code, the errors
//	core/session   the Manager and its sessions, typed keys, the Store interface
//	core/token     access tokens: keys, issuer, verifier, the keys of others
//	core/cookie    the attributes of a cookie, checked once, and its exact bytes
//	core/audit     what happened, for the log: events and sinks
//	core/memstore  the embedded store, the default, with bounded memory
//
// Authors of stores and adapters also need:
//
//	core/storetest  the contract of every Store interface, as tests
//	core/adapter    the rim that every adapter builds on
//	conformance     the HTTP suite that every adapter must pass
//
// Imports run one way only: adapters, core/adapter, the features, what they are
// made of, core. The adapters, core and this module are modules of their own, so
// that nobody downloads a framework that they do not use.
package sallyport
