package session

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// FingerprintPolicy says what follows when a logged-in session is used from
// another kind of browser, or from another network, than before. Neither proves
// anything: people move, and a thief can copy both. A new version of the same
// browser is no difference, and neither is a change from IPv4 to IPv6 or back.
type FingerprintPolicy uint8

const (
	// FingerprintReport tells Config.Audit, once for each change.
	FingerprintReport FingerprintPolicy = iota
	// FingerprintStepUp also refuses the session's identity, with ErrStepUp,
	// until its user logs in again.
	FingerprintStepUp
	// FingerprintRevoke also ends the session. It logs out people who travel.
	FingerprintRevoke
	// FingerprintIgnore keeps and compares nothing.
	FingerprintIgnore
)

// fingerprint is what a session remembers of the client: three bytes each of a keyed
// hash of the kind of browser, the IPv4 network, the IPv6 network, and of browser and
// network as they were last seen together: what every request compares first. Zero is
// "not seen". Three bytes are enough to notice a change, and too few to say which of
// the world's networks it was.
type fingerprint [printLen]byte

const (
	printPart = 3
	printLen  = 4 * printPart
	agentAt   = 0 * printPart
	net4At    = 1 * printPart
	net6At    = 2 * printPart
	bothAt    = 3 * printPart
)

// Networks are as coarse as what one access provider moves its customers about in.
const (
	net4Bits = 16
	net6Bits = 32
)

type printer struct {
	policy FingerprintPolicy
	key    [sha256.Size]byte
}

func newPrinter(policy FingerprintPolicy, app string, secret []byte) (printer, error) {
	p := printer{policy: policy}
	r, err := realm.New(app, secret)
	if err != nil {
		return p, err
	}
	key, err := r.Key("fingerprint")
	copy(p.key[:], key)
	return p, err
}

// of returns the fingerprint of a request.
func (p *printer) of(userAgent string, ip netip.Addr) (f fingerprint) {
	if p.policy == FingerprintIgnore {
		return f
	}
	browser, system := kindOf(userAgent)
	network, bytes, at := networkOf(ip)
	put := func(at int, part [printPart]byte) { copy(f[at:], part[:]) }
	put(agentAt, p.part(browser, system, nil))
	if bytes > 0 {
		put(at, p.part("", "", network[:bytes]))
	}
	put(bothAt, p.part(browser, system, network[:bytes]))
	return f
}

// same reports whether a request is all that it was when was was last seen: one
// hash, because every request of a logged-in session asks.
func (p *printer) same(was fingerprint, userAgent string, ip netip.Addr) bool {
	browser, system := kindOf(userAgent)
	network, bytes, _ := networkOf(ip)
	return p.part(browser, system, network[:bytes]) == [printPart]byte(was[bothAt:])
}

// networkOf returns the address, how many of its bytes are the network, none if
// there is no address, and which part of a fingerprint that belongs to.
func networkOf(ip netip.Addr) (network [16]byte, bytes, at int) {
	switch ip = ip.Unmap(); {
	case ip.Is4():
		raw := ip.As4()
		copy(network[:], raw[:])
		return network, net4Bits / 8, net4At
	case ip.Is6():
		return ip.As16(), net6Bits / 8, net6At
	default:
		return network, 0, 0
	}
}

// part hashes a key and what it is given into bytes that are not all zero. Length
// extension, the weakness of a key in front of SHA-256, needs the whole hash, of
// which this keeps a tenth.
func (p *printer) part(browser, system string, network []byte) (part [printPart]byte) {
	var in [sha256.Size + 2*(maxKind+1) + net6Bits/8]byte
	n := copy(in[:], p.key[:])
	// Names hold no zero byte (kindOf), so the split is unique.
	n += copy(in[n:n+maxKind], browser) + 1
	n += copy(in[n:n+maxKind], system) + 1
	n += copy(in[n:], network)
	sum := sha256.Sum256(in[:n])
	sum[0] |= 1
	copy(part[:], sum[:])
	return part
}

// differs compares what both have seen. cause is empty if nothing differs. fresh
// says that f has seen what was not seen before.
func (f fingerprint) differs(was fingerprint) (cause audit.Cause, fresh bool) {
	for _, at := range [...]int{net6At, net4At, agentAt} {
		now, then := [printPart]byte(f[at:]), [printPart]byte(was[at:])
		switch {
		case now == [printPart]byte{} || now == then:
		case then == [printPart]byte{}:
			fresh = true
		case at == agentAt:
			cause = audit.CauseUserAgent
		default:
			cause = audit.CauseNetwork
		}
	}
	return cause, fresh
}

// over is what is remembered after f was seen by a session that remembers was.
func (f fingerprint) over(was fingerprint) fingerprint {
	for _, at := range [...]int{agentAt, net4At, net6At, bothAt} {
		if part := f[at : at+printPart]; [printPart]byte(part) != [printPart]byte{} {
			copy(was[at:], part)
		}
	}
	return was
}

// maxKind bounds what is kept of a browser that no row below knows.
const maxKind = 24

// browsers and systems are looked for in this order: each names itself after those
// below it, too.
var (
	browsers = [...][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = [...][2]string{
		{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

// kindOf reduces a User-Agent to the kinds of browser and system, without any
// version. What it does not know is called by its first word.
func kindOf(userAgent string) (browser, system string) {
	for _, s := range systems {
		if strings.Contains(userAgent, s[0]) {
			system = s[1]
			break
		}
	}
	for _, b := range browsers {
		if strings.Contains(userAgent, b[0]) {
			return b[1], system
		}
	}
	end := strings.IndexAny(userAgent, "/ ;(")
	if end < 0 {
		end = len(userAgent)
	}
	browser = userAgent[:min(end, maxKind)]
	if i := strings.IndexByte(browser, 0); i >= 0 {
		browser = browser[:i]
	}
	return browser, system
}

// deviceOf is what a list of sessions calls the client, unless the application
// knows better. What is not printable ASCII is left out: it is the client's text.
func deviceOf(userAgent string) string {
	browser, system := kindOf(userAgent)
	name := browser
	if system != "" && browser != "" {
		name += ", "
	}
	name += system
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, name)
}

// examine compares the request with what its session remembers and reports whether
// the policy lets it go on.
func (s *Session) examine(r *record) bool {
	p := &s.m.prints
	if r.subject == "" || p.policy == FingerprintIgnore || p.same(r.print, s.userAgent, s.clientIP) {
		return true
	}
	seen := p.of(s.userAgent, s.clientIP)
	cause, fresh := seen.differs(r.print)
	if cause == "" && !fresh {
		return true
	}
	if cause != "" {
		s.event(audit.SessionFingerprint, cause, r, nil)
		switch p.policy {
		case FingerprintStepUp:
			s.cause = ErrStepUp
			return true // nothing is remembered but by the login that is asked for
		case FingerprintRevoke:
			return false
		}
	}
	s.print, s.printDue = seen.over(r.print), true
	return true
}

// endSuspect ends the session by its handle: a renewal may have moved it meanwhile,
// and what looks stolen must not live on under another id.
func (s *Session) endSuspect() error {
	ctx, cancel := s.m.storeContext(s.ctx, true)
	defer cancel()
	_, err := s.m.store.EndOne(ctx, s.rec.owner, s.rec.handle, s.m.until())
	if err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	if err == nil {
		s.event(audit.SessionExpired, audit.CauseFingerprint, &s.rec, nil)
	}
	s.forget()
	return nil
}
