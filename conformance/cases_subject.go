package conformance

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// subjectCases are about all the sessions of one subject.
func subjectCases() []Case {
	return slices.Concat([]Case{devicesListed(), deviceNames(), handleIsNoCredential()}, revokeCases(), revokeAllCases(), limitCases(), fingerprintCases(), subjectStoreCases())
}

// What browsers say that they are.
const (
	firefox = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	chrome  = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
	script  = "User-Agent: curl/8.5.0"
)

// device is a browser in which User is logged in, with its session's handle and the
// time of its login.
type device struct {
	*Browser
	User, Handle, Since string
}

// device logs user (and what else the route takes) in with a browser that sends
// lines, a second after whatever was before, so that the order of sessions is known.
func (s *Server) device(user string, lines ...string) *device {
	s.t.Helper()
	s.t.forget()
	s.t.Clock.Advance(time.Second)
	d := &device{Browser: &Browser{Server: s, Lines: lines}, Since: s.t.Clock.Now().Format(time.TimeOnly)}
	d.User, _, _ = strings.Cut(user, "&")
	s.Check(d.Post("/login?user="+user), says("logged in", "set"))
	s.t.Calls(OpCreate)
	d.Handle = s.t.Events("session_created", "authn_login_success")[0].Session
	return d
}

// holding is the device with another cookie.
func (d *device) holding(value string) *device {
	return &device{&Browser{Server: d.Server, Value: value, Lines: d.Lines}, d.User, d.Handle, d.Since}
}

// home is a device whose id was presented.
func (s *Server) home(user string, lines ...string) *device {
	s.t.Helper()
	d := s.device(user, lines...)
	d.alive()
	s.t.forget()
	return d
}

// alive checks that the device's user is logged in.
func (d *device) alive() {
	d.t.Helper()
	Equal(d.t, "answer to the session "+d.Handle, d.Get("/me").Body, "subject="+d.User)
}

// out checks that the device is nobody's, also for a route that asks nobody to log
// in, and that the store knows nothing of it any more.
func (d *device) out() {
	d.t.Helper()
	d.Check(d.Get("/me"), Anonymous())
	d.Check(d.Get("/whoami"), says("anonymous"))
	d.t.Events(unknownID, unknownID)
	d.t.Calls(OpLoad, OpLoad)
	d.noRow(d.Value)
}

// ends counts how often the end of a session was told.
type ends map[string]int

// take is Events for what may have been told of before or comes now: a store may
// end what is revoked when it is revoked, or when somebody comes across it.
func (e ends) take(t *T, others ...string) {
	t.Helper()
	var rest []string
	for _, event := range t.Audit.Take() {
		if event.Name == audit.SessionExpired && event.Cause == audit.CauseRevoked {
			e[event.Session]++
			continue
		}
		name := string(event.Name)
		if event.Cause != "" {
			name += ":" + string(event.Cause)
		}
		rest = append(rest, name)
	}
	if !slices.Equal(rest, others) {
		t.Failf("audit events beside the ends of sessions: got %q, want %q", rest, others)
	}
}

// out is out for a device whose end is told once, by now.
func (e ends) out(d *device) {
	d.t.Helper()
	d.Check(d.Get("/me"), Anonymous())
	e.take(d.t, unknownID)
	Equal(d.t, "times that the session's end was told", e[d.Handle], 1)
	d.t.forget()
	d.out()
}

// told checks that exactly these sessions' ends were told, each with cause, and
// then these other events.
func (t *T) told(cause string, of []*device, others ...string) {
	t.Helper()
	var want []string
	for range of {
		want = append(want, "session_expired:"+cause)
	}
	events := t.Events(append(want, others...)...)
	for i, d := range of {
		Equal(t, "session that ended", events[i].Session, d.Handle)
	}
}

// line is what the page of devices says about a device.
func (d *device) line(name, suffix string) string {
	return fmt.Sprintf("%s %s by test since %s%s\n", d.Handle, name, d.Since, suffix)
}

func devicesListed() Case {
	return Case{
		ID: "S6", Slug: "subject/devices-lists-own-sessions",
		Rule:   "The list of devices has the subject's live sessions, each once, oldest first, with the asking one marked, and holds nothing that opens one.",
		Clause: "OWASP ASVS 5.0 7.5.2; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			visitor := s.Browser()
			s.Check(visitor.Post("/note?v=cart"), says("noted", "set:7200"))
			phone, laptop, bob := s.device("alice", iphone), s.device("alice", firefox), s.device("bob", chrome)
			named := s.device("alice&device=kitchen")
			names := []string{"Safari, iPhone", "Firefox, Linux", "kitchen"}
			all := []*device{phone, laptop, named}
			check := func(here *device, of ...*device) {
				t.Helper()
				var want strings.Builder
				for i, d := range all {
					suffix := ""
					if d == here {
						suffix = " (here)"
					}
					if slices.Contains(of, d) {
						want.WriteString(d.line(names[i], suffix))
					}
				}
				a := s.Check(here.Get("/devices"), says(want.String()))
				t.Calls(OpLoad, OpList)
				t.Events()
				for _, d := range []*device{phone, laptop, named, bob, {Browser: visitor}} {
					if d.Value != "" && strings.Contains(a.Raw, d.Value[6:]) {
						t.Failf("the list holds a credential")
					}
				}
				for _, k := range t.Store.known() {
					for _, form := range []string{
						hex.EncodeToString(k.Hash[:]), base64.RawURLEncoding.EncodeToString(k.Hash[:]), base64.StdEncoding.EncodeToString(k.Hash[:]),
					} {
						if strings.Contains(a.Raw, form[:20]) {
							t.Failf("the list holds a store key")
						}
					}
				}
			}
			for _, d := range all {
				check(d, all...)
			}
			s.Check(bob.Get("/devices"), says(bob.line("Chrome, Windows", " (here)")))
			t.forget()
			// A session is on the list once, whatever its id and whatever that leaves.
			s.Check(phone.Post("/renew"), says("renewed", "set"))
			t.forget()
			check(laptop, all...)
			s.Check(laptop.Post("/stepup?user=alice"), says("stepped up", "set"))
			s.Check(laptop.Get("/me"), says("subject=alice"))
			t.forget()
			a := s.Check(phone.Get("/devices"), Want{Status: 200, Asked: true})
			Equal(t, "sessions after a renewal and a step-up", strings.Count(a.Body, "\n"), 3)
			if !strings.Contains(a.Body, laptop.Handle+" Firefox, Linux by otp since "+laptop.Since+"\n") {
				t.Failf("the step-up is not on the list: %q", a.Body)
			}
			// What has ended is not on it.
			s.Check(laptop.Post("/logout"), says("logged out", "delete"))
			t.forget()
			check(phone, phone, named)
			t.Clock.Advance(23 * time.Hour)
			s.Check(phone.Get("/me"), says("subject=alice", "set"))
			t.Clock.Advance(time.Hour)
			t.forget()
			a = phone.Get("/devices")
			s.Check(a, says(phone.line(names[0], " (here)")))
			// Nobody has no devices, and a visitor is nobody.
			t.forget()
			s.Check(s.Browser().Get("/devices"), Anonymous())
			t.nothing()
		},
	}
}

func deviceNames() Case {
	return Case{
		ID: "S11", Slug: "subject/device-names-are-tame",
		Rule:   "Whatever a client calls itself, its device's name is short printable ASCII, and its session works.",
		Clause: "session.Device; RFC 9110 section 10.1.5",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			for _, row := range [][2]string{
				{"", ""}, {" ", ""}, {"tame", "tame"}, {"tame/1.0 (X11; Linux x86_64)", "tame, Linux"},
				{"(Windows NT 10.0)", "Windows"}, {"/", ""}, {"a\tb", "ab"}, {"t\xc3\xa4me\xff/1", "tme"}, {"\xff", ""},
				{"<b>tame</b>", "<b>tame<"}, {strings.Repeat("x", 24) + "tail", strings.Repeat("x", 24)},
				{strings.Repeat("long ", 5000), "long"}, {"Mozilla/5.0 Chrome/1 Safari/1 Edg/1", "Edge"},
			} {
				d := s.device("alice", "User-Agent: "+row[0])
				s.Check(d.Get("/devices"), says(d.line(row[1], " (here)")))
				t.Events()
				s.Check(d.Post("/logout"), says("logged out", "delete"))
			}
		},
	}
}

func handleIsNoCredential() Case {
	return Case{
		ID: "S16", Slug: "subject/handle-is-no-credential",
		Rule:   "What applications and logs see of a session (its handle, in whatever field) is no cookie, and a cookie's value is no handle.",
		Clause: "DESIGN section 3; ATTACKS S16",
		Run: func(t *T) {
			s := t.Serve(subjectApp().with("GET", "/principal", func(r Request) error {
				p, err := r.Principal()
				return answer(r, err, p.Session)
			}))
			alice, other := s.home("alice"), s.home("alice")
			handle := alice.Get("/principal").Body
			Equal(t, "the principal's handle", handle, alice.Handle)
			parsed, ok := revocation.ParseHandle(handle)
			if !ok {
				t.Failf("the handle %q is none", handle)
			}
			artefacts := []string{
				handle, handle + "==", handle + handle, (handle + handle + handle)[:48], alice.Value[:6] + (handle + handle)[:42],
				hex.EncodeToString(parsed[:]), hex.EncodeToString(append(parsed[:], parsed[:8]...)), strings.Fields(alice.Get("/devices").Body)[0],
			}
			for _, k := range t.Store.known() {
				artefacts = append(artefacts, hex.EncodeToString(k.Hash[:]), hex.EncodeToString(k.Hash[:])[:48],
					base64.RawURLEncoding.EncodeToString(slices.Concat(k.Tag[:], k.Hash[:])))
			}
			t.forget()
			for _, v := range artefacts {
				s.notTaken(s.Do("GET", "/devices", s.cookies(v)), v)
				s.notTaken(s.Do("GET", "/me", s.cookies(v)), v)
			}
			for _, v := range []string{other.Value, other.Value[:22], other.Value[6:28], other.Value[26:]} {
				s.Check(alice.Post("/revoke?handle="+v), says("ended=false"))
				t.Events()
			}
			other.alive()
			alice.alive()
			t.Events()
		},
	}
}
