package conformance

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// fingerprintCases are about sessions that are used from elsewhere.
func fingerprintCases() []Case {
	return []Case{fingerprintReported(), fingerprintStepsUp(), fingerprintRevokes(), fingerprintIgnored()}
}

// at is what a client at ip sends through the proxy that these cases trust.
func at(ip string) string { return "X-Forwarded-For: " + ip }

// Where a user is: at home, in the same provider's network, and elsewhere.
const (
	homeIP, nearIP, farIP    = "203.0.113.7", "203.0.7.113", "198.51.100.9"
	homeIP6, nearIP6, farIP6 = "2001:db8:1::7", "2001:db8:ffff::9", "2001:db9::7"
)

// printed is subjectApp behind a proxy that it trusts.
func printed() App {
	app := subjectApp()
	app.TrustProxy = []string{socketPeer}
	return app
}

// moves makes the device send other lines.
func (d *device) moves(lines ...string) *device { d.Lines = lines; return d }

const (
	otherNetwork = "session_fingerprint_changed:network"
	otherBrowser = "session_fingerprint_changed:user-agent"
)

func fingerprintReported() Case {
	return Case{
		ID: "S6", Slug: "subject/fingerprint-is-a-signal",
		Rule:   "A session that is used by another kind of browser or from another network causes one event for each change and nothing else; a new version of the browser, a neighbouring address and the change between IPv4 and IPv6 cause none.",
		Clause: "DESIGN section 3 (fingerprint)",
		Run: func(t *T) {
			s := t.Serve(printed())
			d := s.home("alice", firefox, at(homeIP))
			s.Check(d.Post("/note?v=kept"), says("noted"))
			t.forget()
			id := d.Value
			newer := strings.ReplaceAll(firefox, "140", "141")
			for _, step := range []struct {
				agent, ip string
				event     string
				noted     bool // the session learns what it did not know
			}{
				{firefox, homeIP, "", false},
				{newer, homeIP, "", false},
				{newer, nearIP, "", false},
				{newer, "::ffff:" + homeIP, "", false},
				{newer, homeIP6, "", true}, // the first of its kind
				{newer, nearIP6, "", false},
				{newer, homeIP, "", false},
				{firefox, homeIP6, "", false},
				{firefox, farIP6, otherNetwork, true},
				{firefox, farIP6, "", false},
				{firefox, homeIP, "", false},
				{firefox, farIP, otherNetwork, true},
				{firefox, farIP, "", false},
				{firefox, homeIP, otherNetwork, true},
				{chrome, homeIP, otherBrowser, true},
				{chrome, homeIP, "", false},
				{iphone, homeIP, otherBrowser, true},
				{script, homeIP, otherBrowser, true},
				{"User-Agent: curl/9.1.0", homeIP, "", false},
				{"User-Agent: ", homeIP, otherBrowser, true},
				{chrome, farIP, otherBrowser, true}, // both are one event
			} {
				for again := range 2 {
					a := d.moves(step.agent, at(step.ip)).Get("/me")
					s.Check(a, says("subject=alice"))
					if again > 0 || !step.noted {
						t.Calls(OpLoad)
					} else {
						t.Calls(OpLoad, OpSwap)
					}
					if again > 0 || step.event == "" {
						t.Events()
						continue
					}
					e := t.Events(step.event)[0]
					Equal(t, "whose session", e.Subject+" "+e.Session, "alice "+d.Handle)
					Equal(t, "address", e.ClientIP, netip.MustParseAddr(step.ip))
					Equal(t, "User-Agent", e.UserAgent, strings.TrimPrefix(step.agent, "User-Agent: "))
				}
			}
			Equal(t, "cookie", d.Value, id)
			s.Check(d.Get("/note"), says("note=kept"))
			s.Check(d.Get("/fresh"), says("subject=alice"))
			// Of visitors nothing is kept.
			visitor := &Browser{Server: s, Lines: []string{firefox, at(homeIP)}}
			s.Check(visitor.Post("/note?v=x"), says("noted", "set:7200"))
			t.forget()
			visitor.Lines = []string{chrome, at(farIP)}
			s.Check(visitor.Get("/note"), says("note=x"))
			t.Calls(OpLoad)
			t.Events()
		},
	}
}

func fingerprintStepsUp() Case {
	return Case{
		ID: "S3", Slug: "subject/fingerprint-asks-for-step-up",
		Rule:   "Where the policy asks for it, a session that is used from elsewhere says 401 STEP_UP_REQUIRED to everything that asks, changes nothing and stays its owner's, until its user logs in again; logging out needs no proof.",
		Clause: "RFC 9470 section 3; DESIGN section 3 (fingerprint)",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintStepUp
			s := t.Serve(printed())
			home := s.home("alice", firefox, at(homeIP))
			s.Check(home.Post("/note?v=kept"), says("noted"))
			want := Want{Status: 401, Code: "STEP_UP_REQUIRED", Asked: true, Challenge: `error="insufficient_user_authentication"`}
			before := s.row(home.Value)
			for _, elsewhere := range []struct {
				lines []string
				event string
			}{
				{[]string{firefox, at(farIP)}, otherNetwork}, {[]string{script, at(homeIP)}, otherBrowser},
			} {
				away := home.holding(home.Value).moves(elsewhere.lines...)
				s.Check(away.Get("/public"), Want{Status: 200, Body: "public"})
				t.forget()
				for _, target := range []string{"/me", "/whoami", "/admin", "/fresh", "/note", "/hits", "/flash", "/authority", "/devices"} {
					a := s.Check(away.Get(target), want)
					if strings.Contains(a.Header.Get("WWW-Authenticate"), "max_age") {
						t.Failf("the challenge names an age, but it is not age that is wrong")
					}
					t.Calls(OpLoad)
					t.Events(elsewhere.event)
				}
				for _, target := range []string{
					"/note?v=x", "/hit", "/flash?v=x", "/renew", "/revoke?handle=" + home.Handle, "/revoke-others", "/revoke-all",
				} {
					s.Check(away.Post(target), want)
					t.Calls(OpLoad)
					t.Events(elsewhere.event)
				}
				// What is refused is no use of the session either.
				t.Clock.Advance(2 * time.Hour)
				s.Check(away.Get("/me"), want)
				t.Calls(OpLoad)
				t.Events(elsewhere.event)
				Equal(t, "the session's record", s.row(home.Value), before)
				s.Check(home.Get("/me"), says("subject=alice", "set"))
				t.Calls(OpLoad, OpSwap)
				before = s.row(home.Value)
				s.Check(home.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad)
				t.Events()
			}
			// Its user proves who it is, from there.
			away := home.holding(home.Value).moves(firefox, at(farIP))
			s.Check(away.Post("/stepup?user=alice"), says("stepped up", "set"))
			t.Calls(OpLoad, OpRename)
			t.Events(otherNetwork, "session_renewed:step-up", "authn_login_success:step-up")
			// The old id keeps its authority where it was, and only there.
			s.Check(home.Get("/me"), says("subject=alice"))
			thief := home.holding(home.Value).moves(firefox, at("192.0.2.1"))
			s.Check(thief.Get("/me"), Anonymous())
			t.Events(otherNetwork)
			s.Check(away.Get("/me"), says("subject=alice"))
			s.Check(away.Get("/note"), says("note=kept"))
			s.Check(away.Get("/fresh"), says("subject=alice"))
			t.forget()
			home.out()
			// Back home is elsewhere by now.
			back := home.holding(away.Value).moves(firefox, at(homeIP))
			s.Check(back.Get("/me"), want)
			t.forget()
			s.Check(back.Post("/logout"), says("logged out", "delete"))
			t.Calls(OpLoad, OpTake)
			t.Events(otherNetwork, "session_expired:logout")
			away.out()
			// Somebody else may log in there as well.
			home = s.home("alice", firefox, at(homeIP))
			away = home.holding(home.Value).moves(firefox, at(farIP))
			s.Check(away.Post("/login?user=bob"), says("logged in", "set"))
			t.Events(otherNetwork, "session_expired:user-switch", "session_created", "authn_login_success")
			s.Check(away.Get("/me"), says("subject=bob"))
			s.Check(away.Get("/note"), says("note="))
		},
	}
}

func fingerprintRevokes() Case {
	return Case{
		ID: "S6", Slug: "subject/fingerprint-revokes",
		Rule:   "Where the policy asks for it, a session that is used from elsewhere is over, once and everywhere, also for its owner; if the store cannot end it, it is not accepted either.",
		Clause: "DESIGN section 3 (fingerprint)",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintRevoke
			s := t.Serve(printed())
			for _, elsewhere := range []struct {
				lines []string
				event string
			}{
				{[]string{firefox, at(farIP)}, otherNetwork}, {[]string{script, at(homeIP)}, otherBrowser},
			} {
				home, other := s.home("alice", firefox, at(homeIP)), s.home("alice", firefox, at(homeIP))
				away := home.holding(home.Value).moves(elsewhere.lines...)
				t.Store.Fail(Always(FaultError, OpEndOne))
				s.Check(away.Get("/me"), unavailable())
				t.Calls(OpLoad, OpEndOne)
				t.Events(elsewhere.event, "store_failure:error")
				t.Store.Fail(nil)
				s.Check(away.Get("/me"), Anonymous())
				t.Calls(OpLoad, OpEndOne)
				events := t.Events(elsewhere.event, "session_expired:fingerprint")
				Equal(t, "session that ended", events[1].Session, home.Handle)
				away.out()
				home.out()
				other.alive()
				t.forget()
			}
			// Several at once end it once; a version and a neighbour do not.
			home := s.home("alice", firefox, at(homeIP))
			home.moves(strings.ReplaceAll(firefox, "140", "141"), at(nearIP)).alive()
			t.Events()
			const n = 5
			var flights []*flight
			home.moves(firefox, at(farIP))
			for range n {
				flights = append(flights, home.send("GET", "/me"))
			}
			for _, f := range flights {
				s.Check(f.land(), Anonymous())
			}
			ends := 0
			for _, e := range t.Audit.Take() {
				if e.Name == "session_expired" {
					ends++
				}
			}
			Equal(t, "ends that were told", ends, 1)
			t.forget()
			home.out()
		},
	}
}

func fingerprintIgnored() Case {
	return Case{
		ID: "S18", Slug: "subject/fingerprint-ignored",
		Rule:   "Where the policy ignores it, nothing of the client's browser or network is compared or kept; and where it does not, neither is kept as it was.",
		Clause: "DESIGN section 3 (kept as a keyed hash)",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintIgnore
			s := t.Serve(printed())
			d := s.home("alice", firefox, at(homeIP))
			for _, lines := range [][]string{{chrome, at(homeIP)}, {firefox, at(farIP)}, {script, at(farIP6)}, nil} {
				s.Check(d.moves(lines...).Get("/me"), says("subject=alice"))
				t.Calls(OpLoad)
				t.Events()
			}
			for _, v := range t.Store.Written() {
				if strings.Trim(v[printFrom:linkAt], "\x00") != "" {
					t.Failf("something of the client is kept: %x", v[printFrom:linkAt])
				}
			}
			t.Config.Fingerprint = session.FingerprintReport
			one := t.Serve(printed())
			t.Config.Secret = []byte("what the servers of another fleet share")
			other := t.Serve(printed())
			first, second := one.device("alice", firefox, at(homeIP)), other.device("alice", firefox, at(homeIP))
			a, b := one.row(first.Value).Value[printFrom:linkAt], other.row(second.Value).Value[printFrom:linkAt]
			if a == b || strings.Trim(a, "\x00") == "" {
				t.Failf("the fingerprint is not keyed: %x, %x", a, b)
			}
			ip := netip.MustParseAddr(homeIP).As4()
			for _, v := range t.Store.Written() {
				for _, plain := range []string{"Mozilla", "140", homeIP, string(ip[:]), string(ip[:2]) + "\x00\x00"} {
					if strings.Contains(v, plain) {
						t.Failf("%q is stored", plain)
					}
				}
			}
		},
	}
}
