package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// revokeAllCases are about everything that a subject has.
func revokeAllCases() []Case {
	return []Case{{
		ID: "S6", Slug: "subject/revoke-all",
		Rule:   "A user who logs out everywhere is logged out everywhere at once, with one event for each session, and only the acting browser's cookie is deleted.",
		Clause: "OWASP ASVS 5.0 7.4.3; DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(subjectApp().with("POST", "/leave", func(r Request) error {
				if err := note.Set(r.Session(), "last words"); err != nil {
					return r.Fail(err)
				}
				return answer(r, r.Session().RevokeAll(r.Context()), "left")
			}).with("POST", "/slow-leave", func(r Request) error {
				if _, err := r.Principal(); err != nil {
					return r.Fail(err)
				}
				hold.hold()
				return answer(r, r.Session().RevokeAll(r.Context()), "left")
			}))
			phone, laptop, unseen, bob := s.home("alice"), s.home("alice"), s.device("alice"), s.home("bob")
			visitor := s.Browser()
			s.Check(visitor.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			old := laptop.holding(laptop.Value)
			s.Check(laptop.Post("/revoke-all"), says("revoked", "delete"))
			t.Calls(OpLoad, OpEndAll)
			t.told("revoked", []*device{phone, laptop, unseen}, "subject_revoked:all")
			for _, d := range []*device{old, phone, unseen} {
				d.out()
			}
			bob.alive()
			s.Check(visitor.Get("/note"), says("note=cart"))
			t.Events()
			laptop = s.home("alice")
			laptop.alive()
			t.forget()
			s.Check(laptop.Post("/leave"), says("left", "delete"))
			t.told("revoked", []*device{laptop}, "subject_revoked:all", "session_write_dropped")
			t.Calls(OpLoad, OpEndAll)
			// A double click ends everything once, and deletes one cookie.
			laptop, phone = s.home("alice"), s.home("alice")
			flights := []*flight{laptop.send("POST", "/slow-leave"), laptop.send("POST", "/slow-leave")}
			hold.await(t, 2)
			hold.release()
			deletions := 0
			for _, f := range flights {
				a := f.land()
				want := says("left")
				if len(a.Cookies()) > 0 {
					want.Cookies = []string{"delete"}
					deletions++
				}
				s.Check(a, want)
			}
			Equal(t, "deletions", deletions, 1)
			told := ends{}
			told.take(t, "subject_revoked:all", "subject_revoked:all")
			for _, d := range []*device{laptop, phone} {
				told.out(d)
			}
			// Nobody has nothing to end.
			t.forget()
			s.Check(s.Browser().Post("/revoke-all"), Anonymous())
			s.Check(s.Browser().Post("/revoke-others"), Anonymous())
			s.Check(s.Browser().Post("/revoke?handle="+bob.Handle), Anonymous())
			t.nothing()
			for _, target := range []string{"/revoke-all", "/revoke-others", "/revoke?handle=" + bob.Handle} {
				s.Check(visitor.Post(target), Anonymous())
				t.Calls(OpLoad)
				t.Events()
			}
			bob.alive()
		},
	}, {
		ID: "S7", Slug: "subject/disabled-user-is-out",
		Rule:   "A user whom the application disables is refused at the next request with every id that the user holds, and may come back if the application lets them log in again.",
		Clause: "OWASP ASVS 5.0 7.4.2; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			phone, laptop, unseen, root := s.home("alice"), s.home("alice"), s.device("alice"), s.home("root")
			// One whose answer was lost, so that both ids are held.
			old := laptop.holding(laptop.Value)
			s.Check(laptop.Post("/renew"), says("renewed", "set"))
			t.forget()
			s.Check(root.Post("/disable?user=alice"), Want{Status: 200, Body: "disabled"})
			t.Calls(OpEndAll)
			t.told("revoked", []*device{phone, laptop, unseen}, "subject_revoked:all")
			for _, d := range []*device{old, laptop, phone, unseen} {
				for _, target := range []string{"/me", "/devices", "/fresh", "/admin"} {
					s.Check(d.Get(target), Anonymous())
					t.Events(unknownID)
				}
				for _, target := range []string{"/renew", "/revoke-others", "/revoke-all", "/revoke?handle=" + root.Handle} {
					s.Check(d.Post(target), Anonymous())
					t.Events(unknownID)
				}
				t.Store.Calls()
				d.out()
			}
			root.alive()
			// Nothing is left to end; it is no mistake to say so again.
			t.forget()
			s.Check(root.Post("/disable?user=alice"), Want{Status: 200, Body: "disabled"})
			s.Check(root.Post("/disable?user=never-seen"), Want{Status: 200, Body: "disabled"})
			t.Events("subject_revoked:all", "subject_revoked:all")
			t.Calls(OpEndAll, OpEndAll)
			s.Check(root.Post("/disable?user="), Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
			t.nothing()
			again := s.home("alice")
			phone.out()
			again.alive()
			root.alive()
		},
	}, {
		ID: "S7", Slug: "subject/application-acts-for-user",
		Rule:   "An application lists and ends a user's sessions without being one of them; a handle counts only together with its user, and a store that fails is no empty list and no success.",
		Clause: "OWASP ASVS 5.0 7.4.5; DESIGN section 3 (Revoke takes the subject)",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			m := s.manager
			phone, laptop, bob := s.home("alice", iphone), s.home("alice", firefox), s.home("bob")
			list, err := m.Devices(t.Context(), "alice")
			t.NoError(err)
			Equal(t, "sessions of alice", len(list), 2)
			for i, d := range []*device{phone, laptop} {
				Equal(t, "handle", list[i].Handle, d.Handle)
				Equal(t, "session that asks", list[i].Current, false)
			}
			Equal(t, "names", list[0].Name+"; "+list[1].Name, "Safari, iPhone; Firefox, Linux")
			none, err := m.Devices(t.Context(), "never-seen")
			t.NoError(err)
			Equal(t, "sessions of nobody", len(none), 0)
			t.Calls(OpList, OpList)
			for _, row := range [][2]string{{"bob", phone.Handle}, {"alice", bob.Handle}, {"Alice", phone.Handle}, {"alice ", phone.Handle}} {
				ended, err := m.Revoke(t.Context(), row[0], row[1])
				t.NoError(err)
				Equal(t, fmt.Sprintf("session of %q and %s ended", row[0], row[1]), ended, false)
				t.Calls(OpEndOne)
			}
			for _, handle := range []string{"", "x", phone.Value, phone.Handle + "="} {
				ended, err := m.Revoke(t.Context(), "alice", handle)
				t.NoError(err)
				Equal(t, fmt.Sprintf("handle %q ended", handle), ended, false)
			}
			_, listErr := m.Devices(t.Context(), "")
			_, endErr := m.Revoke(t.Context(), "", phone.Handle)
			for _, err := range []error{listErr, endErr, m.RevokeAll(t.Context(), "")} {
				if !errors.Is(err, session.ErrNoSubject) {
					t.Failf("nobody's sessions: got %v, want %v", err, session.ErrNoSubject)
				}
			}
			t.nothing()
			t.Store.Fail(Always(FaultError))
			_, listErr = m.Devices(t.Context(), "alice")
			ended, endErr := m.Revoke(t.Context(), "alice", phone.Handle)
			for _, err := range []error{listErr, endErr} {
				if !errors.Is(err, core.ErrUnknown) || ended {
					t.Failf("a store that fails: got %v, ended %t", err, ended)
				}
			}
			t.Store.Fail(nil)
			t.Events("store_failure:error", "store_failure:error")
			phone.alive()
			t.forget()
			ended, err = m.Revoke(t.Context(), "alice", phone.Handle)
			t.NoError(err)
			Equal(t, "ended", ended, true)
			t.told("revoked", []*device{phone})
			t.Calls(OpEndOne)
			phone.out()
			laptop.alive()
			bob.alive()
		},
	}, {
		ID: "S7", Slug: "subject/disable-fails",
		Rule:   "When the store does not confirm that a user is out the application is told so, never that it is done, and doing it again completes it.",
		Clause: "DESIGN section 2: three answers, never two; CVE-2020-15223",
		Run: func(t *T) {
			t.Config.StoreTimeout = patience
			s := t.Serve(subjectApp())
			for _, f := range failures {
				phone, root := s.home("alice"), s.home("root")
				t.Store.Fail(Always(f.fault, OpEndAll))
				s.Check(root.Post("/disable?user=alice"), Want{Status: 503, Code: "STORE_UNAVAILABLE"})
				t.Calls(OpEndAll)
				Equal(t, "whose revocation failed", t.Events("store_failure:error")[0].Subject, "alice")
				if err := s.manager.RevokeAll(t.Context(), "alice"); !errors.Is(err, core.ErrUnknown) {
					t.Failf("after %s: got %v, want an unknown outcome", f.name, err)
				}
				t.Store.Fail(nil)
				if f.fault != FaultAfter {
					phone.alive()
				}
				t.forget()
				s.Check(root.Post("/disable?user=alice"), Want{Status: 200, Body: "disabled"})
				t.forget()
				phone.out()
				root.alive()
			}
		},
	}, {
		ID: "S7", Slug: "subject/epoch-alone-ends-sessions",
		Rule:   "What is revoked by the subject's epoch dies although its record is there and no list names it, and each session's end is told once, by whoever comes across it.",
		Clause: "DESIGN sections 3 and 5; ATTACKS DR13",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(subjectApp(), hold))
			phone, laptop, unseen, bob := s.home("alice"), s.home("alice"), s.device("alice"), s.home("bob")
			t.NoError(s.manager.Revocations().LogoutEverywhere(t.Context(), "alice"))
			t.Calls(OpRaise)
			told := ends{}
			told.take(t, "subject_revoked:all")
			for _, d := range []*device{phone, unseen} {
				told.out(d)
			}
			// However many come across it at once.
			const n = 5
			var flights []*flight
			for range n {
				flights = append(flights, laptop.send("GET", "/me"))
			}
			for _, f := range flights {
				s.Check(f.land(), Anonymous())
			}
			told.take(t, unknownID, unknownID, unknownID, unknownID, unknownID)
			Equal(t, "ends that were told", fmt.Sprint(told), fmt.Sprint(ends{phone.Handle: 1, unseen.Handle: 1, laptop.Handle: 1}))
			bob.alive()
			t.forget()
			// Who logs in afterwards is not meant, and has one device.
			again := s.home("alice")
			s.Check(again.Get("/devices"), says(again.line("", " (here)")))
			t.forget()
			phone.out()

			// The list has lost everything.
			other := s.home("alice")
			t.Store.Store = unlisted{t.Store.Store}
			t.forget()
			s.Check(again.Post("/revoke-all"), says("revoked"))
			told = ends{}
			told.take(t, "subject_revoked:all")
			told.out(again)
			told.out(other)
			bob.alive()
		},
	}, {
		ID: "S7", Slug: "subject/denied-handle-ends-session",
		Rule:   "A session that the application revokes by its subject and handle alone is over at its next request, and no other is; too many are refused and none is forgotten.",
		Clause: "DESIGN section 5 (denied handles)",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			phone, laptop, bob := s.home("alice"), s.home("alice"), s.home("bob")
			revoked := s.manager.Revocations()
			// Under another subject it means nothing, and a handle is a handle.
			t.NoError(revoked.RevokeSession(t.Context(), "bob", phone.Handle))
			Equal(t, "session in the event", t.Events("session_denied")[0].Session, phone.Handle)
			t.Calls(OpDeny)
			for _, h := range []string{"", "x", phone.Value, phone.Handle + "="} {
				if err := revoked.RevokeSession(t.Context(), "alice", h); !errors.Is(err, revocation.ErrNoHandle) {
					t.Failf("revoked by the handle %q: %v", h, err)
				}
			}
			t.nothing()
			phone.alive()
			t.forget()
			t.NoError(revoked.RevokeSession(t.Context(), "alice", phone.Handle))
			told := ends{}
			told.take(t, "session_denied")
			told.out(phone)
			laptop.alive()
			bob.alive()

			for i := range revocation.MaxDenied - 1 {
				h := revocation.Handle{1, byte(i)}
				t.NoError(revoked.RevokeSession(t.Context(), "alice", h.String()))
			}
			if err := revoked.RevokeSession(t.Context(), "alice", laptop.Handle); !errors.Is(err, revocation.ErrFull) {
				t.Failf("one denial too many: got %v, want %v", err, revocation.ErrFull)
			}
			tablet := s.home("alice")
			t.forget()
			s.Check(laptop.Post("/revoke?handle="+tablet.Handle), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
			t.Events()
			tablet.alive()
			laptop.alive()
			// What ends everything needs no room.
			t.forget()
			s.Check(laptop.Post("/revoke-others"), says("revoked", "set"))
			t.told("revoked", []*device{tablet}, "subject_revoked:others", "session_renewed:revoked")
			tablet = s.home("alice")
			s.Check(laptop.Post("/revoke?handle="+tablet.Handle), says("ended=true"))
			t.forget()
			tablet.out()
			phone.out()
			laptop.alive()
		},
	}, {
		ID: "S7", Slug: "subject/lost-revocation-is-restored",
		Rule:   "A session that knows of a revocation which the store has lost puts it back, once and with an event, and goes on.",
		Clause: "DESIGN section 5 (epoch rule); ATTACKS DR8",
		Run: func(t *T) {
			forgetful := &behind{Store: t.Store.Store}
			t.Store.Store = forgetful
			s := t.Serve(subjectApp())
			alice := s.home("alice")
			forgetful.lost = true
			t.Store.Fail(Always(FaultError, OpRestore))
			s.Check(alice.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad, OpRestore)
			t.Events("store_failure:error")
			t.Store.Fail(nil)
			s.Check(alice.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad, OpRestore)
			Equal(t, "session that knew", t.Events("epoch_restored")[0].Session, alice.Handle)
			s.Check(alice.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad)
			t.Events()
			Equal(t, "the epoch that was put back", forgetful.restored, fmt.Sprint(s.row(alice.Value).Epoch))
		},
	}}
}

// unlisted is a store that has lost the list of what belongs to whom.
type unlisted struct{ session.Store }

func (unlisted) List(context.Context, revocation.Owner) ([]session.Keyed, error) { return nil, nil }

func (u unlisted) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	_, err := u.RaiseEpoch(ctx, owner, until)
	return nil, err
}

// behind is a store that has lost an epoch until it is told.
type behind struct {
	session.Store
	lost     bool
	restored string
}

func (b *behind) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := b.Store.Load(ctx, keys, out)
	for i := range out {
		out[i].Behind = b.lost && out[i].Version != 0
	}
	return err
}

func (b *behind) RestoreEpoch(_ context.Context, _ revocation.Owner, epoch uint64, _ time.Time) error {
	b.lost, b.restored = false, fmt.Sprint(epoch)
	return nil
}
