package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// inputCases are about what clients send in place of an honest cookie, and about
// stores that fail.
func inputCases() []Case {
	return slices.Concat(idCases(), elsewhereCases(), jarCases(), userCases(), dataCases(), storeCases(), storeWriteCases())
}

// settle forgets what the preparation of a case did to the store and the trail.
func (t *T) settle() {
	t.Store.Calls()
	t.Audit.Take()
}

// cookies is one Cookie line with the session cookie once for each value.
func (s *Server) cookies(values ...string) string {
	pairs := make([]string, len(values))
	for i, v := range values {
		pairs[i] = s.Cookie + "=" + v
	}
	return "Cookie: " + strings.Join(pairs, "; ")
}

// neverIssued is a value of the right shape that no server made.
func neverIssued(n int) string {
	sum := sha256.Sum256([]byte("never issued " + strconv.Itoa(n)))
	return base64.RawURLEncoding.EncodeToString(slices.Concat(sum[:4], sum[:]))
}

// notTaken checks that the request for a protected route was nobody's, and that
// only a value of the right shape was worth a store call. A server may refuse
// bytes that no header can hold before any middleware runs.
func (s *Server) notTaken(a *Answer, value string) {
	s.t.Helper()
	shaped := newValue.MatchString(value)
	if !shaped && (a.Status == 400 || a.Status == 431) {
		s.checkCookies(a, nil)
		if strings.Contains(a.Body, "subject=") {
			s.t.Failf("the refusal of the request names a user")
		}
	} else {
		s.Check(a, Anonymous())
	}
	if shaped {
		s.t.Calls(OpLoad)
		s.t.Events("session_use_after_expire:unknown-id")
		return
	}
	s.t.Calls()
	s.t.Events()
}
