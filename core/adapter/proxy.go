package adapter

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/sallyport-go/sallyport/core"
)

// Proxies are the peers whose X-Forwarded-For and X-Forwarded-Proto are believed.
// nil believes nobody, which is the default: without a list, any client could
// choose the address that audit and limits see.
type Proxies struct{ prefixes []netip.Prefix }

// NewProxies parses prefixes ("10.0.0.0/8") and addresses ("127.0.0.1"). The
// error joins every mistake, each a *core.ConfigError. No entry gives nil.
func NewProxies(list []string) (*Proxies, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var errs []error
	p := &Proxies{}
	for _, s := range list {
		prefix, err := netip.ParsePrefix(s)
		if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
			prefix, err = ip.Prefix(ip.BitLen())
		}
		if err == nil && prefix.Addr().Is4In6() {
			// Peers are compared unmapped, so a mapped prefix would match nobody.
			prefix, err = prefix.Addr().Unmap().Prefix(max(prefix.Bits()-96, 0))
		}
		switch {
		case err != nil:
			errs = append(errs, &core.ConfigError{Field: "Config.TrustProxy", Value: s, Reason: "is neither an address nor a prefix"})
		case prefix.Bits() == 0:
			errs = append(errs, &core.ConfigError{Field: "Config.TrustProxy", Value: s, Reason: "would believe every client about itself"})
		default:
			p.prefixes = append(p.prefixes, prefix.Masked())
		}
	}
	return p, errors.Join(errs...)
}

func (p *Proxies) trusts(ip netip.Addr) bool {
	if p == nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	for _, prefix := range p.prefixes {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// ClientIP returns the address of the client behind peer. forwardedFor are the
// lines of X-Forwarded-For in order. It walks from the right, where our own
// proxies wrote, to the first address that is none of theirs: what stands left of
// it was claimed by the client.
func (p *Proxies) ClientIP(peer netip.Addr, forwardedFor []string) netip.Addr {
	peer = peer.Unmap()
	if !p.trusts(peer) {
		return peer
	}
	for i := len(forwardedFor) - 1; i >= 0; i-- {
		for line, more := forwardedFor[i], true; more; {
			hop := line
			comma := strings.LastIndexByte(line, ',')
			if more = comma >= 0; more {
				line, hop = line[:comma], line[comma+1:]
			}
			ip, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				return peer // the last one that we know
			}
			if peer = ip.Unmap(); !p.trusts(peer) {
				return peer
			}
		}
	}
	return peer
}

// Secure reports whether the client spoke TLS: to us, or to a proxy that we
// believe. With several values the last one, which that proxy wrote, counts.
func (p *Proxies) Secure(peer netip.Addr, tls bool, forwardedProto []string) bool {
	if tls || len(forwardedProto) == 0 || !p.trusts(peer) {
		return tls
	}
	last := forwardedProto[len(forwardedProto)-1]
	last = last[strings.LastIndexByte(last, ',')+1:]
	return strings.EqualFold(strings.TrimSpace(last), "https")
}
