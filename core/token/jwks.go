package token

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// JWKS is the handler that publishes the ring's keys as a JSON Web Key Set (RFC 7517
// section 5): announced, signing and retired ones, public members only, never a
// shared secret. It answers GET and HEAD, with ETag, If-None-Match and
// Cache-Control: public, max-age of KeyRingConfig.MaxAge, or 0 while nothing signs.
func (r *KeyRing) JWKS() http.Handler { return http.HandlerFunc(r.serveKeys) }

func (r *KeyRing) serveKeys(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	r.tend(req.Context())
	now, p := r.now(), r.plan.Load()
	doc := p.published(now)
	sum := sha256.Sum256([]byte(doc))
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
	h.Set("ETag", etag)
	h.Set("Cache-Control", "public, max-age="+strconv.FormatInt(r.maxAge(p, now), 10))
	if matches(req.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Content-Length", strconv.Itoa(len(doc)))
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodGet {
		_, _ = w.Write([]byte(doc)) // a client that hung up is nobody's fault
	}
}

// maxAge is in seconds. A key that is not in the set yet begins to sign an Announce
// after it enters, which is at least twice MaxAge, so no answer outlives its time
// unless somebody adds a key to sign sooner. In a ring in which nothing signs the next
// key does at once, so an answer of that time is not to be kept.
func (r *KeyRing) maxAge(p *plan, now time.Time) int64 {
	if p.signing(now) == nil {
		return 0
	}
	return int64(r.cfg.MaxAge / time.Second)
}

// published is the key set at now. It is ordered by the keys' names, so that all
// nodes with the same keys publish the same bytes.
func (p *plan) published(now time.Time) string {
	keys := make([]*ringKey, 0, len(p.keys))
	for _, k := range p.keys {
		if k.jwk != "" && k.verifies(now) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b *ringKey) int { return strings.Compare(a.verify.id, b.verify.id) })
	var b strings.Builder
	b.WriteString(`{"keys":[`)
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k.jwk)
	}
	b.WriteString(`]}`)
	return b.String()
}

// matches compares as RFC 9110 section 13.1.2 says: weakly. Our tag holds no comma,
// so where somebody else's is cut at one does not matter.
func matches(lines []string, etag string) bool {
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.Trim(tag, " \t")
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
