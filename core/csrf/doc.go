// Package csrf decides whether a request that changes something was meant by the user
// whose cookies came with it. Cookies travel with every request to their host, whoever's
// page made it; so do passwords of Basic authentication and client certificates.
//
// There are two layers, and neither replaces the other. Both are on by default.
//
// Layer one looks at the headers that browsers set and pages cannot: Sec-Fetch-Site,
// which says how the page and the target are related (W3C Fetch Metadata), and Origin,
// which says whose page it is (Fetch standard, "append a request Origin header"); where both
// are absent, a Referer of another page speaks against a request. Check decides. Both are a browser's word and protect its user only: any other client writes
// what it likes. A sibling host ("same-site") is not trusted by default: it may be
// another team's, a customer's, or taken over, and SameSite cookies do reach us from
// there.
//
// Layer two is a token that a page of somebody else cannot know: a MAC over who is logged
// in, in a header or a form field. It is good for one login and no other: a login, a
// proof of identity, a change of role or of user make another; the renewal of a session's
// id does not. Before a login it belongs to a random value in a cookie of its own, which
// no sibling host can plant (__Host-). It is masked anew each time that it is written
// into an answer, so that compression tells nothing about it (BREACH). Nothing is stored.
//
// Package adapter puts the layers in order. This package keeps no state and reads no
// body.
package csrf
