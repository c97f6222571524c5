package conformance

import "strings"

// subjectStoreCases are about the store behind what a subject has: it fails, is
// shared, or knows the asking id as a former one.
func subjectStoreCases() []Case {
	return []Case{{
		ID: "S3", Slug: "subject/superseded-id-manages-no-devices",
		Rule:   "An id that was replaced by a step-up or a renewal lists and ends nothing.",
		Clause: "DESIGN section 3 (no device operations)",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			for _, how := range gentle {
				d, other := s.home("alice"), s.home("alice")
				old := s.holder(d.Value)
				s.Check(d.Post(how.target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				t.forget()
				before := s.row(d.Value)
				s.Check(old.Get("/devices"), superseded())
				t.Calls(OpLoad, OpLoad)
				for _, target := range []string{
					"/revoke?handle=" + other.Handle, "/revoke?handle=" + d.Handle, "/revoke?handle=", "/revoke-others", "/revoke-all",
				} {
					s.Check(old.Post(target), superseded())
					t.Calls(OpLoad, OpLoad)
				}
				t.Events()
				Equal(t, how.name+": the new id's record", s.row(d.Value), before)
				s.Check(old.Get("/me"), says("subject=alice"))
				other.alive()
				d.alive()
				t.Events()
			}
		},
	}, {
		ID: "S19", Slug: "subject/store-fails",
		Rule:   "While the store does not confirm it, no session is listed or said to have ended: the answer is 503, no cookie is deleted, and trying again works.",
		Clause: "DESIGN section 2: three answers, never two; CVE-2020-15223",
		Run: func(t *T) {
			t.Config.StoreTimeout = patience
			s := t.Serve(subjectApp())
			for _, f := range failures {
				for _, step := range []struct {
					op             Operation
					method, target string
					works          Want
				}{
					{OpList, "GET", "/devices", Want{Status: 200, Asked: true}},
					{OpEndOne, "POST", "/revoke?handle=*", Want{Status: 200, Asked: true}},
					{OpEndOthers, "POST", "/revoke-others", says("revoked", "set")},
					{OpEndAll, "POST", "/revoke-all", says("revoked", "delete")},
				} {
					alice, other := s.home("alice"), s.home("alice")
					target := strings.ReplaceAll(step.target, "*", other.Handle)
					id := alice.Value
					t.Store.Fail(Always(f.fault, step.op))
					s.storeFailed(alice.Do(step.method, target), OpLoad, step.op)
					t.Store.Fail(nil)
					Equal(t, "cookie after "+f.name, alice.Value, id)
					if f.fault != FaultAfter {
						other.alive()
						alice.alive()
					}
					t.forget()
					if f.fault == FaultAfter && step.op == OpEndAll {
						// It was done; only the reply said nothing of it.
						alice.out()
						other.out()
						continue
					}
					s.Check(alice.Do(step.method, target), step.works)
					if step.op != OpList {
						t.forget()
						other.out()
					}
					t.NoError(s.manager.RevokeAll(t.Context(), "alice"))
				}
			}
		},
	}, {
		ID: "S19", Slug: "subject/revoke-others-half-done",
		Rule:   "A change of password that ended the others and could not change the acting id says 503, keeps the acting session as it was, and can be completed.",
		Clause: "DESIGN section 2: three answers, never two",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			alice, other := s.home("alice"), s.home("alice")
			t.Store.Fail(Always(FaultError, OpRename))
			s.Check(alice.Post("/revoke-others"), unavailable())
			t.Calls(OpLoad, OpEndOthers, OpRename)
			t.told("revoked", []*device{other}, "subject_revoked:others", "store_failure:error")
			t.Store.Fail(nil)
			other.out()
			alice.alive()
			old := alice.holding(alice.Value)
			s.Check(alice.Post("/revoke-others"), says("revoked", "set"))
			t.forget()
			old.out()
			alice.alive()
			// A list with something in it that is no session is not shown in part.
			for _, fault := range []Fault{FaultGarbage, FaultMixUp} {
				other = s.home("bob")
				t.Store.Fail(Always(fault, OpList))
				s.storeFailed(alice.Get("/devices"), OpLoad, OpList)
				t.Store.Fail(nil)
			}
			s.Check(alice.Get("/devices"), says(alice.line("", " (here)")))
			other.alive()
		},
	}, {
		ID: "S22", Slug: "subject/apps-on-one-store-are-apart",
		Rule:   "What one application lists, ends, denies or counts of a subject is nothing of another application's on the same store and secret.",
		Clause: "DESIGN section 3 (store key); ATTACKS S22",
		Run: func(t *T) {
			t.Config.SubjectLimit = 2
			shop := t.Serve(subjectApp())
			t.Config.App = "forum"
			forum := t.Serve(subjectApp())
			mine := shop.home("alice")
			theirs := []*device{forum.home("alice"), forum.home("alice")}
			check := func() {
				t.Helper()
				for _, d := range theirs {
					d.alive()
				}
				a := forum.Check(theirs[0].Get("/devices"), says(theirs[0].line("", " (here)")+theirs[1].line("", "")))
				Equal(t, "sessions at the forum", strings.Count(a.Body, "\n"), 2)
				t.Events()
				t.forget()
			}
			shop.Check(mine.Get("/devices"), says(mine.line("", " (here)")))
			check()
			shop.Check(mine.Post("/revoke?handle="+theirs[1].Handle), says("ended=false"))
			check()
			shop.Check(mine.Post("/revoke-others"), says("revoked", "set"))
			t.Events("subject_revoked:others", "session_renewed:revoked")
			check()
			t.NoError(shop.manager.Revocations().RevokeSession(t.Context(), "alice", theirs[0].Handle))
			t.Events("session_denied")
			check()
			t.NoError(shop.manager.Revocations().LogoutEverywhere(t.Context(), "alice"))
			told := ends{}
			told.take(t, "subject_revoked:all")
			check()
			told.out(mine)
			shop.Check(shop.Browser().Post("/disable?user=alice"), Want{Status: 200, Body: "disabled"})
			Equal(t, "the application of the event", t.Events("subject_revoked:all")[0].App, "conformance")
			check()
			for range 2 {
				mine = shop.home("alice")
			}
			t.forget()
			check()
			forum.Check(theirs[0].Post("/revoke-all"), says("revoked", "delete"))
			t.told("revoked", theirs, "subject_revoked:all")
			mine.alive()
		},
	}}
}
