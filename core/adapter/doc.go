// Package adapter is for authors of adapters: it carries the decisions of the
// core to a web framework. Applications use authgin, authecho or authfiber.
//
// An adapter binds its framework's request to Exchange, keeps one State per
// request, and does in its framework's idiom:
//
//	BeginSession            before the handlers
//	CommitSession           at the last moment before headers leave
//	AbandonSession          instead, if a handler panicked
//
// and answers a *Denied natively. For frameworks on net/http, HTTP does all of
// that but the native answer. docs/adapters.md is the guide, and package
// conformance proves the result.
package adapter
