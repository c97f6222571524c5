package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// replaced is a session whose id was replaced by a request whose answer has not
// arrived: the client still has old.
type replaced struct {
	*env
	old, next string
}

const (
	byRenewal = "renewal"
	byStepUp  = "step-up"
)

var replacements = []string{byRenewal, byStepUp}

func (e *env) replace(how, old string) string {
	e.t.Helper()
	s := e.begin(old)
	if how == byRenewal {
		require.NoError(e.t, s.Renew(e.t.Context()))
	} else {
		id := ann()
		id.Method = "webauthn"
		require.NoError(e.t, s.Login(e.t.Context(), id))
	}
	return e.value(s)
}

func newReplaced(t *testing.T, how string) replaced {
	t.Helper()
	e := newEnv(t)
	old := e.login(ann())
	s := e.begin(old)
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, notice.Add(s, "saved"))
	e.silent(s)
	e.clock.advance(time.Hour)
	r := replaced{env: e, old: old, next: e.replace(how, old)}
	e.quiet()
	return r
}

func TestSnapshotKeepsOldAuthority(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			r := newReplaced(t, how)
			for _, at := range []time.Duration{0, 30 * time.Second, 59*time.Second + 999*time.Millisecond} {
				r.clock.advance(at - r.clock.now().Sub(noon.Add(time.Hour)))
				s := r.begin(r.old)
				require.NoError(t, s.Authorize())
				p, err := s.Principal()
				require.NoError(t, err)
				require.Equal(t, "ann", p.Subject)
				require.Equal(t, "password", p.Method, "as before the step")
				require.Equal(t, noon, p.AuthTime.UTC())
				fresh, err := s.Fresh(24 * time.Hour)
				require.NoError(t, err)
				require.False(t, fresh, "never fresh")
				r.has(s, cart, "apple")
				info, err := s.Info()
				require.NoError(t, err)
				require.Equal(t, noon.Add(time.Hour+time.Minute), info.AbsoluteEnd.UTC())
				require.Equal(t, session.Outcome{Asked: true}, s.Finish(), "never a Set-Cookie")
			}
			r.quiet()
			r.clock.advance(time.Millisecond)
			require.Empty(t, r.subject(r.begin(r.old)), "60 s and no more")
			require.Equal(t, []string{"session_use_after_expire unknown-id"}, r.audit.drain(), "no session ended with it")
			require.Equal(t, "ann", r.subject(r.begin(r.next)))
		})
	}
}

func TestSnapshotEndsWithTheFirstUseOfTheNewID(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			r := newReplaced(t, how)
			require.Equal(t, "ann", r.subject(r.begin(r.old)))
			s := r.begin(r.next)
			require.Equal(t, "ann", r.subject(s))
			require.Empty(t, r.subject(r.begin(r.old)), "before that answer is even finished")
			r.silent(s)
			require.Empty(t, r.subject(r.begin(r.old)))
			r.has(r.begin(r.old), cart, "")

			// The record has forgotten it: later requests cost one read.
			r.quiet()
			r.silent(r.live(r.next))
			require.Equal(t, map[string]int{"load": 1}, r.store.count())
			require.Empty(t, r.audit.drain())
			require.Equal(t, 1, r.mem.Stats().Authenticated)
		})
	}
}

// A new id whose first use cannot end the snapshot is not served: two ids would
// hold one session.
func TestSnapshotThatCannotBeEnded(t *testing.T) {
	r := newReplaced(t, byStepUp)
	r.store.fail(errDown, "take")
	s := r.begin(r.next)
	_, err := s.Principal()
	require.ErrorIs(t, err, core.ErrUnknown)
	r.silent(s)
	r.store.heal()
	require.Equal(t, "ann", r.subject(r.begin(r.next)))
	require.Empty(t, r.subject(r.begin(r.old)))
}

func TestSnapshotMakesNoTransition(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			r := newReplaced(t, how)
			for desc, do := range map[string]func(*session.Session) error{
				"login":  func(s *session.Session) error { return s.Login(t.Context(), ann()) },
				"switch": func(s *session.Session) error { return s.Login(t.Context(), bob()) },
				"renew":  func(s *session.Session) error { return s.Renew(t.Context()) },
				"logout": func(s *session.Session) error { return s.Logout(t.Context()) },
				"devices": func(s *session.Session) error {
					_, err := s.Devices(t.Context())
					return err
				},
				"revoke": func(s *session.Session) error {
					info, err := s.Info()
					require.NoError(t, err)
					_, err = s.Revoke(t.Context(), info.Handle)
					return err
				},
				"revoke others": func(s *session.Session) error { return s.RevokeOthers(t.Context()) },
				"revoke all":    func(s *session.Session) error { return s.RevokeAll(t.Context()) },
			} {
				s := r.begin(r.old)
				r.quiet()
				require.ErrorIs(t, do(s), session.ErrSuperseded, desc)
				require.Equal(t, "ann", r.subject(s), desc)
				r.silent(s)
				require.Equal(t, map[string]int{"load": 2}, r.store.count(), desc)
			}
			require.Equal(t, "ann", r.subject(r.begin(r.old)))
			require.Equal(t, "ann", r.subject(r.begin(r.next)))
		})
	}
}

func TestSnapshotForwardsDataOfARenewal(t *testing.T) {
	r := newReplaced(t, byRenewal)
	s := r.begin(r.old)
	require.NoError(t, cart.Set(s, "pear"))
	require.NoError(t, hits.Add(s, 2))
	shown, err := notice.Take(s)
	require.NoError(t, err)
	require.Equal(t, []string{"saved"}, shown)
	require.NoError(t, other.SetIfAbsent(s, "once"))
	require.ErrorIs(t, other.SetIfAbsent(s, "twice"), session.ErrConflict)
	require.NoError(t, other.CompareAndSet(s, "once", "again"))
	r.silent(s)
	require.Empty(t, r.audit.drain())
	r.has(r.begin(r.old), cart, "pear")

	s = r.begin(r.next)
	r.has(s, cart, "pear")
	r.has(s, other, "again")
	n, err := hits.Get(s)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	shown, err = notice.Take(s)
	require.NoError(t, err)
	require.Empty(t, shown)
}

func TestSnapshotRefusesDataAfterAStepUp(t *testing.T) {
	r := newReplaced(t, byStepUp)
	for desc, do := range map[string]func(*session.Session) error{
		"set":    func(s *session.Session) error { return cart.Set(s, "pear") },
		"delete": func(s *session.Session) error { return cart.Delete(s) },
		"add":    func(s *session.Session) error { return hits.Add(s, 1) },
		"flash":  func(s *session.Session) error { return notice.Add(s, "x") },
		"take": func(s *session.Session) error {
			_, err := notice.Take(s)
			return err
		},
		"compare and set": func(s *session.Session) error { return cart.CompareAndSet(s, "apple", "pear") },
		"set if absent":   func(s *session.Session) error { return other.SetIfAbsent(s, "x") },
	} {
		s := r.begin(r.old)
		r.quiet()
		require.ErrorIs(t, do(s), session.ErrSuperseded, desc)
		out := s.Finish()
		require.ErrorIs(t, out.Err, session.ErrSuperseded, "%s: an answer that claims to have stored something does not go out", desc)
		require.Empty(t, out.SetCookie)
		require.Equal(t, map[string]int{"load": 2}, r.store.count(), desc)

		s = r.begin(r.old)
		require.ErrorIs(t, do(s), session.ErrSuperseded, desc)
		require.ErrorIs(t, s.Commit(t.Context()), session.ErrSuperseded)
		r.silent(s) // the handler has been told
	}
	s := r.begin(r.next)
	r.has(s, cart, "apple")
	r.has(s, other, "")
	shown, err := notice.Take(s)
	require.NoError(t, err)
	require.Equal(t, []string{"saved"}, shown)
}

// What the session holds after a step-up is not readable under the old id: it
// may be there because of the step-up.
func TestSnapshotOfAStepUpReadsOldData(t *testing.T) {
	e := newEnv(t)
	old := e.login(ann())
	s := e.begin(old)
	require.NoError(t, cart.Set(s, "apple"))
	e.silent(s)
	s = e.begin(old)
	require.NoError(t, s.Login(t.Context(), ann()))
	require.NoError(t, other.Set(s, "for the stepped-up only"))
	require.NoError(t, cart.Delete(s))
	e.value(s)
	s = e.begin(old)
	e.has(s, cart, "apple")
	e.has(s, other, "")
}

func TestSnapshotDiesWithItsSuccessor(t *testing.T) {
	for _, how := range replacements {
		for _, tc := range []struct {
			desc string
			end  func(r replaced)
		}{
			{"renewed again", func(r replaced) { r.replace(byRenewal, r.next) }},
			{"stepped up again", func(r replaced) { r.replace(byStepUp, r.next) }},
			{"logged out", func(r replaced) { r.logout(r.next) }},
			{"switched", func(r replaced) {
				s := r.begin(r.next)
				require.NoError(r.t, s.Login(r.t.Context(), bob()))
				r.value(s)
			}},
			{"taken out of the store", func(r replaced) {
				for k := range r.store.keys {
					var out [1]session.Entry
					require.NoError(r.t, r.mem.Load(r.t.Context(), []session.StoreKey{k}, out[:]))
					if out[0].Expires.After(r.clock.now().Add(time.Hour)) {
						_, err := r.mem.Take(r.t.Context(), k)
						require.NoError(r.t, err)
					}
				}
			}},
		} {
			t.Run(how+", "+tc.desc, func(t *testing.T) {
				r := newReplaced(t, how)
				require.Equal(t, "ann", r.subject(r.begin(r.old)))
				tc.end(r)
				s := r.begin(r.old)
				require.Empty(t, r.subject(s))
				r.has(s, cart, "")
				r.silent(s)
			})
		}
	}
}

// A step-up close to the end of the session does not prolong the old id.
func TestSnapshotEndsWithTheOldDeadline(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			e := newEnv(t, func(c *session.Config) { c.IdleTimeout, c.TouchInterval = time.Hour, 10*time.Minute })
			old := e.login(ann())
			e.clock.advance(time.Hour - 10*time.Second)
			next := e.replace(how, old)
			e.clock.advance(10*time.Second - time.Millisecond)
			require.Equal(t, "ann", e.subject(e.begin(old)))
			e.clock.advance(time.Millisecond)
			require.Empty(t, e.subject(e.begin(old)))
			require.Equal(t, "ann", e.subject(e.begin(next)))
		})
	}
}

// A request that began under the old id commits after the replacement.
func TestInFlightCommit(t *testing.T) {
	t.Run("after a renewal its write arrives", func(t *testing.T) {
		e := newEnv(t)
		old := e.login(ann())
		s := e.begin(old)
		require.NoError(t, cart.Set(s, "apple"))
		require.NoError(t, hits.Add(s, 1))
		next := e.replace(byRenewal, old)
		e.silent(s)
		s = e.begin(next)
		e.has(s, cart, "apple")
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
	t.Run("after a renewal, explicitly, and goes on", func(t *testing.T) {
		e := newEnv(t)
		old := e.login(ann())
		s := e.begin(old)
		require.NoError(t, cart.Set(s, "apple"))
		next := e.replace(byRenewal, old)
		require.NoError(t, s.Commit(t.Context()))
		require.Equal(t, "ann", e.subject(s))
		fresh, err := s.Fresh(time.Hour)
		require.NoError(t, err)
		require.False(t, fresh)
		require.ErrorIs(t, s.Logout(t.Context()), session.ErrSuperseded)
		require.NoError(t, other.Set(s, "too"))
		e.silent(s)
		s = e.begin(next)
		e.has(s, cart, "apple")
		e.has(s, other, "too")
	})
	t.Run("after a renewal whose new id is in use", func(t *testing.T) {
		e := newEnv(t)
		old := e.login(ann())
		s := e.begin(old)
		require.NoError(t, cart.Set(s, "apple"))
		next := e.replace(byRenewal, old)
		e.silent(e.live(next)) // the snapshot is gone, and with it the way
		e.quiet()
		e.silent(s)
		require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
		e.has(e.begin(next), cart, "")
	})
	t.Run("after a step-up it is refused", func(t *testing.T) {
		e := newEnv(t)
		old := e.login(ann())
		s := e.begin(old)
		require.NoError(t, cart.Set(s, "apple"))
		next := e.replace(byStepUp, old)
		out := s.Finish()
		require.ErrorIs(t, out.Err, session.ErrSuperseded)
		require.Empty(t, out.SetCookie)
		e.has(e.begin(next), cart, "")
	})
	t.Run("after a role change it is dropped", func(t *testing.T) {
		e := newEnv(t)
		old := e.login(ann())
		s := e.begin(old)
		require.NoError(t, s.Authorize())
		require.NoError(t, cart.Set(s, "apple"))
		change := e.begin(old)
		require.NoError(t, change.Login(t.Context(), session.Identity{Subject: "ann"}))
		next := e.value(change)
		e.quiet()
		out := s.Finish()
		require.ErrorIs(t, out.Err, core.ErrAnonymous)
		require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
		e.has(e.begin(next), cart, "")
	})
	t.Run("a touch is no write", func(t *testing.T) {
		for _, how := range replacements {
			e := newEnv(t)
			old := e.login(ann())
			e.clock.advance(time.Hour)
			s := e.live(old)
			e.replace(how, old)
			e.silent(s)
		}
	})
}

// Two requests of one client replace the id at the same time. One wins; the
// other has presented an id that is superseded, which is no log-out.
func TestParallelReplacements(t *testing.T) {
	for _, first := range replacements {
		for _, second := range replacements {
			for _, pending := range []bool{false, true} {
				desc := first + " beats " + second
				if pending {
					desc += " with writes"
				}
				t.Run(desc, func(t *testing.T) {
					e := newEnv(t)
					old := e.login(ann())
					s := e.live(old)
					if pending {
						require.NoError(t, cart.Set(s, "apple"))
					}
					var next string
					e.store.next("rename", func() { next = e.replace(first, old) })
					e.quiet()
					var err error
					if second == byRenewal {
						err = s.Renew(t.Context())
					} else {
						err = s.Login(t.Context(), ann())
					}
					require.ErrorIs(t, err, session.ErrSuperseded)
					require.NotContains(t, e.audit.drain(), "session_expired")
					require.Equal(t, "ann", e.subject(s), "this request is still ann's")
					out := s.Finish()
					require.Empty(t, out.SetCookie, "and nothing may overwrite the new id in the jar")
					switch {
					case pending:
						require.ErrorIs(t, out.Err, session.ErrSuperseded, "the write is refused and not lost in silence")
						e.has(e.begin(next), cart, "")
					default:
						require.NoError(t, out.Err)
					}
					require.Equal(t, "ann", e.subject(e.begin(next)))
					require.Equal(t, 1, e.mem.Stats().Authenticated)
				})
			}
		}
	}
}

// After losing the race a handler may go on to write. That must not make a new
// anonymous session, whose cookie would wipe the fresh one out of the jar.
func TestWriteAfterALostReplacement(t *testing.T) {
	e := newEnv(t)
	old := e.login(ann())
	s := e.live(old)
	next := e.replace(byRenewal, old)
	require.ErrorIs(t, s.Renew(t.Context()), session.ErrSuperseded)
	require.NoError(t, cart.Set(s, "apple"))
	e.silent(s)
	e.has(e.begin(next), cart, "apple")
	require.Zero(t, e.mem.Stats().Anonymous)
}

// Failing twice is no way round the refusal.
func TestLostReplacementTwice(t *testing.T) {
	e := newEnv(t)
	old := e.login(ann())
	s := e.live(old)
	require.NoError(t, cart.Set(s, "apple"))
	e.replace(byRenewal, old)
	require.ErrorIs(t, s.Renew(t.Context()), session.ErrSuperseded)
	require.ErrorIs(t, s.Renew(t.Context()), session.ErrSuperseded)
	require.ErrorIs(t, s.Logout(t.Context()), session.ErrSuperseded)
	require.ErrorIs(t, s.Finish().Err, session.ErrSuperseded)
}

// A log-out or switch that meets the snapshot of a replacement which came first
// is refused.
func TestTransitionMeetsASnapshot(t *testing.T) {
	for _, how := range replacements {
		for desc, do := range map[string]func(*session.Session) error{
			"logout": func(s *session.Session) error { return s.Logout(t.Context()) },
			"switch": func(s *session.Session) error { return s.Login(t.Context(), bob()) },
		} {
			t.Run(how+", "+desc, func(t *testing.T) {
				e := newEnv(t)
				old := e.login(ann())
				s := e.live(old)
				next := e.replace(how, old)
				e.quiet()
				require.ErrorIs(t, do(s), session.ErrSuperseded)
				e.silent(s)
				require.Empty(t, e.audit.drain(), "nothing ended")
				require.Equal(t, "ann", e.subject(e.begin(next)))
			})
		}
	}
}

// Renewal works for visitors, too.
func TestRenewOfAVisitor(t *testing.T) {
	e := newEnv(t)
	old := e.visit()
	s := e.begin(old)
	require.NoError(t, s.Renew(t.Context()))
	next := e.value(s)
	require.NotEqual(t, old, next)
	late := e.begin(old)
	require.NoError(t, other.Set(late, "late"))
	e.silent(late)
	s = e.begin(next)
	require.Empty(t, e.subject(s))
	e.has(s, cart, "apple")
	e.has(s, other, "late")
	e.silent(s)
	e.has(e.begin(old), cart, "")
}
