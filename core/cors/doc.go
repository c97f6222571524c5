// Package cors decides which pages of other origins may read answers, and with which
// methods and headers they may ask (Fetch standard, "CORS protocol").
//
// CORS takes protection away: it opens answers that the same-origin policy closes. A
// page whose origin is allowed with credentials reads everything that its visitor may
// read, tokens against forged requests included. Allowing an origin is full trust in
// whoever can make a page there.
//
// A Policy is compiled once and is data afterwards. What is not allowed gets no
// Access-Control header at all: an answer never says what would have been allowed, and
// nothing of the request is repeated in it. Every answer of a route with a policy
// varies on Origin, allowed or not, or a cache would hand one origin's answer to
// another.
//
// # What each answer has
//
// A preflight is OPTIONS with Origin and Access-Control-Request-Method, whatever their
// values. Its whole answer is 204 with the headers of this table; to any other request
// they are added. There are no others, and each is there once, in one line.
//
//	every answer                      Vary: Origin
//	every answer to OPTIONS           Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network
//	                                  instead, preflight or not
//	no Origin, or one not allowed     nothing more
//	Origin allowed                    Access-Control-Allow-Origin: the configured origin, or *
//	                                  Access-Control-Allow-Credentials: true, if Credentials
//	  and no preflight                Access-Control-Expose-Headers: a,b, if ResponseHeaders has one that is not safelisted
//	  and a preflight, all allowed    Access-Control-Allow-Methods: A,B, if the method is not safelisted: all Methods, or *
//	                                  Access-Control-Allow-Headers: a,b, if a header was asked for: all RequestHeaders, or *, or *,authorization
//	                                  Access-Control-Max-Age: 600, if MaxAge is set; 0 if it is negative
//	                                  Access-Control-Allow-Private-Network: true, if it was asked for
//	  and a preflight otherwise       nothing more than Vary: as if the origin were not allowed
//
// Lists are sorted by their bytes and joined by a comma without a blank; names of headers
// are in lower case, those of methods as configured. The safelisted methods are GET, HEAD
// and POST; neither they nor the safelisted names of response headers (Cache-Control,
// Content-Language, Content-Length, Content-Type, Expires, Last-Modified, Pragma) are ever
// listed, as they need no permission.
//
// # What is allowed
//
// The checks come in this order, and the first that fails is the Cause.
//
//	origin            one line, byte for byte one of Origins; or of a Pattern: scheme, one
//	                  label of 1 to 63 of a-z, 0-9, - and _, and the rest. With "*" one
//	                  line, whatever it says, null included: what it opens is public
//	method            one line: GET, HEAD, POST, or byte for byte one of Methods. With "*"
//	                  one line, whatever it says
//	header            every name asked for, as browsers write them (Fetch, "CORS-unsafe
//	                  request-header names"): in lower case, sorted, none twice, joined by
//	                  commas, and one of RequestHeaders. With "*" every token in lower case
//	                  but authorization, in at most 4096 bytes. Tolerated, because something
//	                  in between may do it: up to 24 lines, which are one list; one blank or
//	                  tab on either side of a name; 16 empty elements, empty lines included
//	private-network   not asked for, whatever the value, or DangerouslyAllowPrivateNetwork
//
// A request that is no preflight and comes from PublicOrigin, if that is set and not
// allowed, gets nothing either but is no refusal: browsers send Origin to their own
// application too.
package cors
