package conformance

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/session"
)

// subjectMutants break the rules of subjectCases.
func subjectMutants() []Mutant {
	return slices.Concat(deviceMutants(), revokeMutants(), revokeAllMutants(), limitMutants(), fingerprintMutants(), subjectStoreMutants())
}

func deviceMutants() []Mutant {
	const list, handle = "subject/devices-lists-own-sessions", "subject/handle-is-no-credential"
	return []Mutant{
		{Name: "the list of devices has everybody's sessions", Slug: list, Store: bend(listsEverybody)},
		{Name: "the list of devices has sessions that have ended", Slug: list, Store: bend(listsTheDead)},
		{Name: "the list of devices begins with the youngest", Slug: list, Store: bend(listsBackwards)},
		{Name: "the list of devices tells ids", Slug: list, Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.URL.Path == "/devices" {
				h.Set("X-Devices", r.Header.Get("Cookie"))
			}
		})},
		{Name: "the list of devices has what a renewal leaves", Slug: list, Store: bend(changesLeft(func(left, _ session.Entry) *session.Entry {
			left.Listed = true
			return &left
		}))},
		{Name: "a device's name is what its client sent", Slug: "subject/device-names-are-tame", Store: bend(rewrites(func(e session.Entry) session.Entry {
			e.Value = strings.ReplaceAll(e.Value, "tame", "t\r\n\xff")
			return e
		}))},
		{Name: "what names a session opens it", Slug: handle, Store: bend(handleAsValue)},
	}
}

func revokeMutants() []Mutant {
	const one, foreign, own, others = "subject/revoke-one", "subject/foreign-handle-revokes-nothing", "subject/revoke-own-handle-is-logout", "subject/revoke-others"
	const underWay, oldIDs = "subject/revoke-others-and-what-is-under-way", "subject/revoke-others-ends-old-ids"
	return []Mutant{
		{Name: "a revoked session goes on", Slug: one, Store: bend(endsNothing)},
		{Name: "a revoked session goes on where it was read before", Slug: one, Store: bend(caches)},
		{Name: "revoking one device revokes all", Slug: one, Store: bend(endsAllForOne)},
		{Name: "any handle will do, whoever's session it names", Slug: foreign, Store: bend(endsAnybodys)},
		{Name: "what does not exist is denied, until there is no room", Slug: foreign, Store: bend(deniesBlindly)},
		{Name: "the cookie survives the revocation of its own session", Slug: own, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			h.Del("Set-Cookie")
		})},
		{Name: "both of two revocations delete the cookie", Slug: own, Store: bend(endsTwice)},
		{Name: "CVE-2025-46336: a late write undoes the revocation", Slug: "subject/late-write-undoes-no-revocation", Store: bend(bringsBack)},
		{Name: "CVE-2026-34828 listmonk: a change of password leaves the other sessions", Slug: others, Store: bend(endsNothing)},
		{Name: "the id from before a change of password goes on", Slug: others, Store: bend(leavesOld)},
		{Name: "the acting session ends with the others", Slug: others, Store: bend(sparesNobody)},
		{Name: "the others end one by one", Slug: others, Store: bend(endsOneByOne)},
		{Name: "what another device has under way survives", Slug: underWay, Store: bend(bringsBackRenamed)},
		{Name: "whoever has the newest id keeps the session", Slug: "subject/revoke-others-meets-a-new-id", Store: bend(findsNoHandle)},
		{Name: "the former id of another device survives", Slug: oldIDs, Store: bend(caches)},
		{Name: "the former id of the acting session survives", Slug: oldIDs, Store: bend(keepsSnapshotsAlive)},
	}
}

func revokeAllMutants() []Mutant {
	const all, disabled, epochAlone, denied = "subject/revoke-all", "subject/disabled-user-is-out", "subject/epoch-alone-ends-sessions", "subject/denied-handle-ends-session"
	return []Mutant{
		{Name: "logging out everywhere forgets the oldest device", Slug: all, Store: bend(forgetsTheOldest)},
		{Name: "both of two logouts everywhere delete the cookie", Slug: all, Store: bend(endsAllTwice)},
		{Name: "every browser that was logged out deletes its cookie", Slug: all, Front: reanswer(func(status int, h http.Header) int {
			if status == http.StatusUnauthorized {
				h.Add("Set-Cookie", deletionLine)
			}
			return status
		})},
		{Name: "an administrator's revocation asks for the handle alone", Slug: "subject/application-acts-for-user", Store: bend(endsAnybodys)},
		{Name: "an administrator's list that failed is an empty one", Slug: "subject/application-acts-for-user", Store: bend(listsNothingOnError)},
		{Name: "a disabled user's sessions go on", Slug: disabled, Store: bend(endsNothing)},
		{Name: "a disabled user's session goes on where it was read before", Slug: disabled, Store: bend(caches)},
		{Name: "CVE-2020-15223: a failed revocation is reported as done", Slug: "subject/disable-fails", Store: bend(claimsEnds)},
		{Name: "the epoch is raised nowhere", Slug: epochAlone, Store: bend(raisesNothing)},
		{Name: "only what the list names is revoked", Slug: epochAlone, Store: bend(endsWhatIsListed)},
		{Name: "what the epoch ended is told to nobody", Slug: epochAlone, Store: bend(tellsNobody)},
		{Name: "what the epoch ended is told twice", Slug: epochAlone, Store: bend(tellsTwice)},
		{Name: "a denied handle is forgotten", Slug: denied, Store: bend(deniesNothing)},
		{Name: "the oldest denial makes room", Slug: denied, Store: bend(deniesWithoutEnd)},
		{Name: "a lost revocation stays lost", Slug: "subject/lost-revocation-is-restored", Store: bend(restoresNothing)},
	}
}

func limitMutants() []Mutant {
	const evicts, refuses, parallel, noted = "subject/limit-evicts-the-oldest", "subject/limit-refuses", "subject/limit-holds-in-parallel", "subject/first-presentation-is-noted-once"
	admits := func(change func(*session.Admission)) func(session.Store) session.Store { return bend(admitsBy(change)) }
	unlimited := func(a *session.Admission) { a.Max = 1 << 20 }
	return []Mutant{
		{Name: "there is no limit", Slug: evicts, Store: admits(unlimited)},
		{Name: "the limit is one too high", Slug: evicts, Store: admits(func(a *session.Admission) { a.Max++ })},
		{Name: "a login that never arrived pushes out one that is used", Slug: evicts, Store: bend(rewrites(func(e session.Entry) session.Entry {
			e.Presented = e.Listed
			return e
		}))},
		{Name: "what the limit ended is not told", Slug: evicts, Store: bend(tellsEvicted(func([]session.Keyed) []session.Keyed { return nil }))},
		{Name: "the limit evicts where it is to refuse", Slug: refuses, Config: func(c *session.Config) { c.RefuseAtLimit = false }},
		{Name: "logins that never arrived lock a user out", Slug: refuses, Store: bend(rewrites(func(e session.Entry) session.Entry {
			e.Presented = e.Listed
			return e
		}))},
		{Name: "a refused login costs a cart", Slug: refuses, Store: bend(listsNothing)},
		{Name: "parallel logins pass the limit", Slug: parallel, Store: bend(countsOnce)},
		{Name: "an end by the limit is told twice", Slug: parallel, Store: bend(tellsEvicted(func(k []session.Keyed) []session.Keyed { return append(k, k...) }))},
		{Name: "nobody notes that an id has arrived", Slug: noted, Config: func(c *session.Config) { c.SubjectLimit = 0 }},
		{Name: "an arrival is noted although nobody asks", Slug: noted, Config: func(c *session.Config) { c.SubjectLimit = 5 }},
		{Name: "each of several requests at once notes the arrival", Slug: noted, Store: bend(lastWriterWins)},
	}
}

func fingerprintMutants() []Mutant {
	const signal, asks, revokes = "subject/fingerprint-is-a-signal", "subject/fingerprint-asks-for-step-up", "subject/fingerprint-revokes"
	policy := func(p session.FingerprintPolicy) func(*session.Config) {
		return func(c *session.Config) { c.Fingerprint = p }
	}
	return []Mutant{
		{Name: "a session that moves tells nobody", Slug: signal, Config: policy(session.FingerprintIgnore)},
		{Name: "a session that moves is challenged by default", Slug: signal, Config: policy(session.FingerprintStepUp)},
		{Name: "a session that moves ends by default", Slug: signal, Config: policy(session.FingerprintRevoke)},
		{Name: "a new version is another browser", Slug: signal, Front: onRequest(func(r *http.Request) {
			if strings.Contains(r.UserAgent(), "rv:141") {
				r.Header.Set("User-Agent", "Firefox-141")
			}
		})},
		{Name: "any change of address is a move", Slug: signal, Front: onRequest(func(r *http.Request) {
			if r.Header.Get("X-Forwarded-For") == nearIP {
				r.Header.Set("X-Forwarded-For", farIP)
			}
		})},
		{Name: "IPv6 after IPv4 is a move", Slug: signal, Front: onRequest(func(r *http.Request) {
			if r.Header.Get("X-Forwarded-For") == homeIP6 {
				r.Header.Set("X-Forwarded-For", farIP)
			}
		})},
		{Name: "a change is told again and again", Slug: signal, Store: bend(changesNothing)},
		{Name: "nobody is asked to step up", Slug: asks, Config: policy(session.FingerprintReport)},
		{Name: "a session to be stepped up is ended", Slug: asks, Config: policy(session.FingerprintRevoke)},
		{Name: "the challenge is lost", Slug: asks, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) { h.Del("WWW-Authenticate") })},
		{Name: "a suspect session goes on for whoever is at home", Slug: revokes, Store: bend(endsNothing)},
		{Name: "a suspect session is challenged instead", Slug: revokes, Config: policy(session.FingerprintStepUp)},
		{Name: "what the policy ignores is kept", Slug: "subject/fingerprint-ignored", Config: func(c *session.Config) {
			if c.Fingerprint == session.FingerprintIgnore {
				c.Fingerprint = session.FingerprintReport
			}
		}},
		{Name: "all fleets share one key", Slug: "subject/fingerprint-ignored", Config: func(c *session.Config) {
			c.Secret = []byte("what all servers of one case share")
		}},
	}
}

func subjectStoreMutants() []Mutant {
	const fails, apart = "subject/store-fails", "subject/apps-on-one-store-are-apart"
	return []Mutant{
		{Name: "a former id manages devices", Slug: "subject/superseded-id-manages-no-devices", Store: bend(leavesOld)},
		{Name: "CVE-2020-15223: a revocation that failed is reported as done", Slug: fails, Store: bend(claimsEnds)},
		{Name: "a list that failed is an empty one", Slug: fails, Store: bend(listsNothingOnError)},
		{Name: "CVE-2020-15223: a failed logout everywhere deletes the cookie", Slug: fails, Front: reanswer(func(status int, h http.Header) int {
			if status == http.StatusServiceUnavailable {
				h.Add("Set-Cookie", deletionLine)
			}
			return status
		})},
		{Name: "a change of password that failed halfway is reported as done", Slug: "subject/revoke-others-half-done", Store: bend(claimsRenames)},
		{Name: "a list is shown as far as it can be read", Slug: "subject/revoke-others-half-done", Store: bend(listsTheReadable)},
		{Name: "applications share subjects", Slug: apart, Config: func(c *session.Config) { c.App = "conformance" }},
	}
}
