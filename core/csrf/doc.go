// Package csrf decides whether a request that changes something comes from a page of
// this application: layer one, the headers that browsers set and pages cannot.
//
// Cookies travel with every request to their host, whoever's page made it. What the
// page cannot choose is Sec-Fetch-Site, which says how the page and the target are
// related (W3C Fetch Metadata), and Origin, which says whose page it is (Fetch
// standard, "append a request Origin header"). Both are a browser's word and protect
// its user only: any other client writes what it likes, and has no cookies of somebody
// else to be robbed of. So nothing here replaces a token or a login.
//
// A sibling host ("same-site") is not trusted by default: it may be another team's, a
// customer's, or taken over, and SameSite cookies do reach us from there.
//
// It keeps no state and reads no body.
package csrf
