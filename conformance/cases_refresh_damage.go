package conformance

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// refreshDamageCases are about what looks like a refresh token and is none of this
// service's.
func refreshDamageCases() []Case {
	return []Case{refreshDamaged(), refreshMixed(), refreshForeign(), refreshOtherKind(), refreshFlood()}
}

// The parts of a refresh token, behind its prefix and its base64url.
const rotPrefix = "spr_"

var rotParts = []struct {
	name     string
	from, to int
}{
	{"version", 0, 1}, {"secret", 1, 5}, {"tag", 5, 9}, {"handle", 9, 25}, {"generation", 25, 31}, {"mac", 31, 63},
}

func rotDecode(t *T, token string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, rotPrefix))
	t.NoError(err)
	Equal(t, "bytes of a refresh token", len(raw), rotParts[len(rotParts)-1].to)
	return raw
}

func rotEncode(raw []byte) string { return rotPrefix + base64.RawURLEncoding.EncodeToString(raw) }

// refreshNothing presents a token that proves nothing and checks that nothing came of it:
// the store has not heard of it, and no family has ended.
func (h *Holder) refreshNothing(token, cause string) {
	h.t.Helper()
	other := h.copy()
	other.Refresh = token
	h.t.forget()
	h.Check(other.Present(), denied(core.InvalidGrant))
	h.t.Events("refresh_token_refused:" + cause)
	h.t.Calls()
}

func refreshDamaged() Case {
	return Case{
		ID: "R9", Slug: "refresh/damaged",
		Rule:   "A refresh token that is not, byte for byte, one that was made here is refused without a store call and ends nothing, whatever is wrong with it.",
		Clause: "ATTACKS R9, RF12; DESIGN section 5; CVE-2026-27840",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			good := alice.Refresh
			body := strings.TrimPrefix(good, rotPrefix)
			for _, cut := range []int{1, 2, 3, 4, 32, 43, len(body) - 1} {
				alice.refreshNothing(good[:len(good)-cut], "shape")
				alice.refreshNothing(good[cut:], "shape")
				alice.refreshNothing(rotPrefix+body[cut:], "shape")
			}
			for _, token := range []string{
				good + "A", good + "AAAA", good + "=", good + "==", good + good, good + "." + good, good + "%00", good + "\x00", " " + good, good + " ",
				good + "\n", good + "\r\n", good[:40] + "\n" + good[41:], good[:40] + "\n" + good[40:], good[:40] + "\r\n" + good[42:],
				"A" + good, rotPrefix + "AAAA" + body, body, "SPR_" + body, "spr-" + body, "spr_" + strings.ToLower(body),
				"spr_", "spr_" + strings.Repeat("A", 84), strings.Repeat("A", 88), "null", "0", "-", rotPrefix + strings.Repeat("-", 84),
				rotPrefix + strings.Repeat("=", 84), rotPrefix + strings.Repeat("\u00e9", 42), rotPrefix + body[:80] + "====",
				rotPrefix + hex.EncodeToString(rotDecode(t, good)), good[:len(good)-1] + "*", strings.Repeat(good, 600),
			} {
				alice.refreshNothing(token, "shape")
			}
			// In the alphabet that is not for URLs, if that makes a difference.
			other := rotPrefix + base64.RawStdEncoding.EncodeToString(slices.Concat(rotDecode(t, good)[:60], []byte{0xfb, 0xff, 0xfe}))
			alice.refreshNothing(other, "shape")
			upper := alice.copy()
			upper.Refresh = rotPrefix + strings.ToUpper(body)
			if status := upper.Present().Status; status != 400 && status != 503 {
				t.Failf("in capitals: got %d", status)
			}
			t.Calls()
			// One bit of each byte, and of some bytes all bits.
			raw := rotDecode(t, good)
			for _, part := range rotParts {
				for i := part.from; i < part.to; i++ {
					bits := []byte{1 << (i % 8)}
					if i == part.from || i == part.to-1 {
						bits = []byte{0x01, 0x80, 0xff}
					}
					for _, bit := range bits {
						changed := slices.Clone(raw)
						changed[i] ^= bit
						switch part.name {
						case "version":
							alice.refreshNothing(rotEncode(changed), "shape")
						case "secret":
							alice.refreshUnknownSecret(rotEncode(changed))
						default:
							alice.refreshNothing(rotEncode(changed), "mac")
						}
					}
				}
			}
			for _, mac := range [][]byte{make([]byte, 32), []byte(strings.Repeat("\xff", 32)), raw[:32], slices.Concat(raw[31:47], raw[31:47])} {
				alice.refreshNothing(rotEncode(slices.Concat(raw[:31], mac)), "mac")
			}
			// All that is as if it had never been sent.
			alice.refreshIs("rotated")
			alice.accessGood("alice")
		},
	}
}

// refreshUnknownSecret presents a token that says it was made with a secret which this
// node has not got: that may be its own fault, and it must not log anybody out for it.
func (h *Holder) refreshUnknownSecret(token string) {
	h.t.Helper()
	other := h.copy()
	other.Refresh = token
	h.t.forget()
	h.Check(other.Present(), denied(core.StoreUnavailable))
	h.t.Events("refresh_token_refused:secret")
	h.t.Calls()
}

func refreshMixed() Case {
	return Case{
		ID: "RF13", Slug: "refresh/mixed",
		Rule:   "Parts of two tokens make none: neither the family nor the generation of one goes with the rest of another, and neither family ends.",
		Clause: "ATTACKS R9, RF13",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice, phone, bob := s.enter("user=alice"), s.enter("user=alice"), s.enter("user=bob")
			old := alice.copy()
			t.Clock.Advance(rotCoalesce)
			alice.refreshIs("rotated")
			mine := rotDecode(t, alice.Refresh)
			for name, other := range map[string]*Holder{"her other family": phone, "another user": bob, "the generation before": old} {
				t.note("parts of "+name, "")
				theirs := rotDecode(t, other.Refresh)
				for _, part := range rotParts {
					mixed := slices.Concat(mine[:part.from], theirs[part.from:part.to], mine[part.to:])
					if slices.Equal(mixed, mine) || slices.Equal(mixed, theirs) {
						continue
					}
					alice.refreshNothing(rotEncode(mixed), "mac")
				}
				// Tag and handle together, which are the family.
				mixed := slices.Concat(mine[:5], theirs[5:25], mine[25:])
				if !slices.Equal(mixed, mine) {
					alice.refreshNothing(rotEncode(mixed), "mac")
				}
			}
			for _, generation := range []byte{0, 1, 3, 255} {
				mixed := slices.Clone(mine)
				mixed[30] = generation
				alice.refreshNothing(rotEncode(mixed), "mac")
			}
			alice.refreshIs("coalesced")
			alice.accessGood("alice")
			phone.refreshIs("rotated")
			bob.refreshIs("rotated")
		},
	}
}

func refreshForeign() Case {
	return Case{
		ID: "R9", Slug: "refresh/made-elsewhere",
		Rule:   "A token of another transport or another application is none of ours, made with the same secret on the same store; one that is rightly made and names no family is refused without ending any.",
		Clause: "DESIGN section 5: a token of one transport is refused in the other; table row 7",
		Run: func(t *T) {
			inBody, inCookie := t.Auth(refresh.Body), t.Auth(refresh.Cookie)
			one, two := inBody.Serve(), inCookie.Serve()
			alice, bob := one.enter("user=alice"), two.enter("user=bob")
			alice.refreshNothing(bob.Refresh, "mac")
			bob.refreshNothing(alice.Refresh, "mac")

			// Another application, another secret, and another store.
			made := func(app string, secret []byte, store refresh.Store) string {
				registry, err := revocation.New(store, revocation.Config{App: app, Secret: t.Config.Secret, Now: t.Clock.Now})
				t.NoError(err)
				cfg := inBody.Rotation
				cfg.Audit, cfg.Secrets = nil, [][]byte{secret}
				r, err := refresh.New(registry, cfg)
				t.NoError(err)
				tokens, err := r.Login(t.Context(), refresh.Identity{Subject: "alice"}, refresh.From{})
				t.NoError(err)
				return tokens.Refresh
			}
			elsewhere, err := defaultStore(t.Clock.Now)
			t.NoError(err)
			alice.refreshNothing(made("another", refreshSecret(1), t.Store), "mac")
			alice.refreshUnknownSecret(made("conformance", refreshSecret(2), t.Store))
			lost := alice.copy()
			lost.Refresh = made("conformance", refreshSecret(1), elsewhere.(refresh.Store))
			lost.refreshGone()
			alice.refreshIs("rotated")
			bob.refreshIs("rotated")
		},
	}
}

func refreshOtherKind() Case {
	return Case{
		ID: "R10", Slug: "refresh/other-kind",
		Rule:   "An access token is no refresh token and a refresh token no access token.",
		Clause: "ATTACKS R10; RFC 9700 section 4.14",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				alice := s.enter("user=alice")
				alice.refreshNothing(alice.Access, "shape")
				t.forget()
				s.Check(s.Do("GET", "/api/me", authorization(alice.Refresh)), refused(core.InvalidSignature))
				t.tokensRefused(1)
				t.Calls()
				alice.refreshIs("rotated")
				alice.accessGood("alice")
			}
		},
	}
}

func refreshFlood() Case {
	return Case{
		ID: "RF12", Slug: "refresh/guessing",
		Rule:   "Guesses cost no store call, make no key and lock nobody out, also while the store is down.",
		Clause: "ATTACKS RF12, DR16",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			raw := rotDecode(t, alice.Refresh)
			keys := t.Store.Keys()
			for _, fault := range []func(Operation) Fault{nil, Always(FaultError)} {
				t.Store.Fail(fault)
				for i := range 30 {
					guess := slices.Clone(raw)
					copy(guess[31:], fmt.Sprintf("%032d", i))
					alice.refreshNothing(rotEncode(guess), "mac")
					copy(guess[9:], fmt.Sprintf("%016d", i))
					alice.refreshNothing(rotEncode(guess), "mac")
				}
			}
			t.Store.Fail(nil)
			Equal(t, "keys in the store", t.Store.Keys(), keys)
			alice.refreshIs("rotated")
		},
	}
}
