package storetest

import (
	"context"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// tables makes a store that decides by another table.
func tables(f func(t *table)) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { f(&r.kin.table) })
}

// decides makes a store of which the row of a verdict has another condition.
func decides(v refresh.Verdict, when func(q *question) bool) func(func() time.Time) refresh.Store {
	return tables(func(t *table) { t.replace(v, when) })
}

func (t *table) replace(v refresh.Verdict, when func(q *question) bool) {
	for i := range t.rows {
		if t.rows[i].verdict == v {
			t.rows[i].when = when
		}
	}
}

// calls makes a store that calls one verdict another, which does the same.
func calls(v, other refresh.Verdict) func(func() time.Time) refresh.Store {
	return tables(func(t *table) {
		for i := range t.rows {
			if t.rows[i].verdict == v {
				t.rows[i].verdict = other
			}
		}
	})
}

// does makes a store in which an answer does something besides.
func does(v refresh.Verdict, also func(q *question)) func(func() time.Time) refresh.Store {
	return tables(func(t *table) {
		do := t.do[v]
		t.do[v] = func(q *question) {
			do(q)
			also(q)
		}
	})
}

// answers makes a store in which every answer does something besides.
func answers(also func(q *question)) func(func() time.Time) refresh.Store {
	return tables(func(t *table) {
		answer := t.answer
		t.answer = func(q *question) {
			answer(q)
			also(q)
		}
	})
}

func never(*question) bool { return false }

// coalescesForTwo leaves a request no time that is under way when a repeat arrives.
func coalescesForTwo(q *question) bool {
	return q.latest() && (q.fixed(2*q.grace) || q.confirmed(2*q.grace))
}

// voidsAt makes a store in which a late repeat voids what is below another stamp.
func voidsAt(floor func(f *refresh.Family) uint64) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) {
		keep := r.kin.void
		r.kin.void = func(r *reference, f *refresh.Family, until time.Time) error {
			f.Floor = floor(f)
			return keep(r, f, until)
		}
	})
}

// insteps makes a Rotate that reads, decides and writes, each in a step of its own.
func insteps(write func(r *reference, f refresh.Family)) func(func() time.Time) refresh.Store {
	return kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (out refresh.Outcome, err error) {
			f, err := r.FindFamily(ctx, key)
			if err != nil {
				return out, err
			}
			pause()
			r.step("rotate", func(now time.Time) {
				verdict := r.kin.table.present(&f, p, now.UnixMicro())
				if verdict.Answered() {
					write(r, f)
				} else {
					r.kin.ends(r, &f, now, now.Add(p.Rules.Denied))
				}
				out = refresh.Outcome{Verdict: verdict, Family: f}
			})
			return out, nil
		}
	})
}

func overwritten(r *reference, f refresh.Family) { r.fams[f.Key()] = f }

var brokenDecisions = []brokenFamilyStore{
	{"a login sets a window", "rotate/login-has-no-window", kins(func(_ *brokenKin, r *reference) {
		r.kin.begin = func(f *refresh.Family, now int64) {
			begins(f, now)
			f.Fixed = now
		}
	})},
	{"a login coalesces by when it began", "rotate/login-has-no-window", decides(refresh.Coalesced, func(q *question) bool {
		return q.coalesces() || q.latest() && q.now-q.f.Created <= 3*q.grace
	})},
	{"a login is confirmed by its first use", "rotate/login-has-no-window", tables(func(t *table) {
		t.replace(refresh.Coalesced, func(q *question) bool { return q.coalesces() || q.latest() && q.f.Generation == 1 })
	})},

	{"the next secret is the last one", "rotate/latest-rotates", does(refresh.Rotated, func(q *question) { q.f.Secret = loginSecret })},
	{"the next secret is that of the token", "rotate/latest-rotates", does(refresh.Rotated, func(q *question) { q.f.Secret = q.p.Secret })},
	{"a rotation skips a generation", "rotate/latest-rotates", does(refresh.Rotated, func(q *question) { q.f.Generation++ })},
	{"a rotation is confirmed by the one before", "rotate/latest-rotates", does(refresh.Rotated, func(q *question) { q.f.Confirmed = q.now })},
	{"a rotation is not fixed", "rotate/latest-rotates", does(refresh.Rotated, func(q *question) { q.f.Fixed = q.f.Created })},
	{"the latest is reuse once the window has passed", "rotate/latest-rotates", decides(refresh.Rotated, func(q *question) bool {
		return q.latest() && q.f.Fixed == 0
	})},
	{"a rotation is not stored", "rotate/latest-rotates", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			before, _ := r.FindFamily(ctx, key)
			out, err := r.Rotate(ctx, key, p)
			if out.Verdict == refresh.Rotated {
				r.step("rotate", func(time.Time) { r.fams[key] = before })
			}
			return out, err
		}
	})},

	{"nothing coalesces", "rotate/latest-soon-coalesces", decides(refresh.Coalesced, never)},
	{"coalesces for one grace", "rotate/latest-soon-coalesces", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(q.grace) || q.confirmed(2*q.grace))
	})},
	{"coalesces for two graces from the rotation", "rotate/latest-soon-coalesces", decides(refresh.Coalesced, coalescesForTwo)},
	{"coalesces until just before the end", "rotate/latest-soon-coalesces", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace-1) || q.confirmed(2*q.grace))
	})},
	{"coalesces for a second more", "rotate/latest-soon-coalesces", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace+999_000) || q.confirmed(2*q.grace))
	})},
	{"a coalesced answer confirms nothing", "rotate/latest-soon-coalesces", tables(func(t *table) {
		t.do[refresh.Coalesced] = func(*question) {}
	})},
	{"a coalesced answer fixes the generation", "rotate/latest-soon-coalesces", does(refresh.Coalesced, func(q *question) { q.f.Fixed = q.now })},

	{"a repeat makes the window of the rotation shorter", "rotate/request-under-way-when-the-repeat-arrives", decides(refresh.Coalesced, func(q *question) bool {
		return q.coalesces() && q.f.Stamp == uint64(q.f.Fixed) || coalescesForTwo(q)
	})},
	{"a request with the predecessor is not waited for", "rotate/request-under-way-when-the-repeat-arrives", decides(refresh.Coalesced, coalescesForTwo)},
	{"coalesces from the rotation alone", "rotate/coalesces-from-the-confirmation", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && q.fixed(3*q.grace)
	})},
	{"a confirmation shuts the window of the rotation", "rotate/coalesces-from-the-confirmation", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace) && q.f.Confirmed == 0 || q.confirmed(2*q.grace))
	})},
	{"coalesces for one grace from the confirmation", "rotate/coalesces-from-the-confirmation", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace) || q.confirmed(q.grace))
	})},
	{"coalesces for three graces from the confirmation", "rotate/coalesces-from-the-confirmation", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace) || q.confirmed(3*q.grace))
	})},
	{"coalesces for long from the confirmation", "rotate/coalesces-from-the-confirmation", decides(refresh.Coalesced, func(q *question) bool {
		return q.latest() && (q.fixed(3*q.grace) || q.confirmed(2*q.grace+1000))
	})},
	{"a login that was not fixed has no window", "rotate/coalesces-after-a-confirmed-login", decides(refresh.Coalesced, func(q *question) bool {
		return q.coalesces() && q.f.Fixed != 0
	})},
	{"the last confirmation counts", "rotate/first-confirmation-counts", does(refresh.Coalesced, func(q *question) { q.f.Confirmed = q.now })},
	{"a sighting counts anew", "rotate/first-confirmation-counts", sees(func(f *refresh.Family, latest bool, now int64) {
		if latest {
			f.Confirmed = now
		}
	})},

	{"nothing repeats", "rotate/predecessor-soon-repeats", decides(refresh.Repeated, never)},
	{"repeats until just before the end", "rotate/predecessor-soon-repeats", decides(refresh.Repeated, func(q *question) bool {
		return q.fixed(q.grace-1) || q.confirmed(q.grace)
	})},
	{"repeats as long as it coalesces", "rotate/predecessor-soon-repeats", decides(refresh.Repeated, func(q *question) bool {
		return q.fixed(3*q.grace) || q.confirmed(q.grace)
	})},
	{"a repeat is a rotation", "rotate/predecessor-soon-repeats", does(refresh.Repeated, func(q *question) { q.f.Fixed = q.now })},
	{"a repeat is made with the newest secret", "rotate/predecessor-soon-repeats", does(refresh.Repeated, func(q *question) { q.f.Secret = q.p.Secret })},
	{"a repeat is another generation", "rotate/predecessor-soon-repeats", does(refresh.Repeated, func(q *question) { q.f.Generation++ })},
	{"a repeat confirms", "rotate/predecessor-soon-repeats", does(refresh.Repeated, func(q *question) { q.f.Confirmed = q.now })},

	{"repeats from the rotation alone", "rotate/predecessor-repeats-from-the-confirmation", decides(refresh.Repeated, func(q *question) bool {
		return q.fixed(q.grace)
	})},
	{"a confirmation ends the repeats", "rotate/predecessor-repeats-from-the-confirmation", decides(refresh.Repeated, func(q *question) bool {
		return q.fixed(q.grace) && q.f.Confirmed == 0
	})},
	{"repeats for long from the confirmation", "rotate/predecessor-repeats-from-the-confirmation", decides(refresh.Repeated, func(q *question) bool {
		return q.fixed(q.grace) || q.confirmed(2*q.grace+1000)
	})},

	{"a confirmed generation may be repeated late", "rotate/predecessor-of-a-confirmed-is-reuse", decides(refresh.Reused, never)},
	{"what was presented is not confirmed", "rotate/predecessor-of-a-confirmed-is-reuse", tables(func(t *table) {
		t.do[refresh.Coalesced] = func(*question) {}
	})},
	{"reuse is called older", "rotate/predecessor-of-a-confirmed-is-reuse", calls(refresh.Reused, refresh.ReusedOlder)},
	{"reuse ends nothing", "rotate/predecessor-of-a-confirmed-is-reuse", kins(func(_ *brokenKin, r *reference) {
		r.kin.ends = func(*reference, *refresh.Family, time.Time, time.Time) {}
	})},
	{"reuse returns no family", "rotate/predecessor-of-a-confirmed-is-reuse", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			out, err := r.Rotate(ctx, key, p)
			if !out.Verdict.Answered() {
				out.Family = refresh.Family{}
			}
			return out, err
		}
	})},

	{"no late repeat", "rotate/late-repeat", decides(refresh.LateRepeated, never)},
	{"late repeats for ever", "rotate/late-repeat", decides(refresh.LateRepeated, func(q *question) bool { return q.p.Rules.Wired })},
	{"late repeats until just before the end", "rotate/late-repeat", decides(refresh.LateRepeated, func(q *question) bool {
		return q.p.Rules.Wired && q.fixed((24*time.Hour).Microseconds()-1)
	})},
	{"late repeats void nothing", "rotate/late-repeat", voidsAt(func(f *refresh.Family) uint64 { return 0 })},
	{"late repeats void the last answer's own", "rotate/late-repeat", voidsAt(func(f *refresh.Family) uint64 { return f.Stamp + 1 })},
	{"late repeats spare the answer before", "rotate/late-repeat", voidsAt(func(f *refresh.Family) uint64 { return f.Stamp - 1 })},
	{"late repeats confirm", "rotate/late-repeat", does(refresh.LateRepeated, func(q *question) { q.f.Confirmed = q.now })},
	{"late repeats are made with the newest secret", "rotate/late-repeat", does(refresh.LateRepeated, func(q *question) { q.f.Secret = tokenSecret })},
	{"late repeats set no window", "rotate/late-repeat-begins-the-windows-again", tables(func(t *table) {
		t.do[refresh.LateRepeated] = func(*question) {}
	})},
	{"there is one late repeat", "rotate/late-repeat-begins-the-windows-again", decides(refresh.LateRepeated, func(q *question) bool {
		return q.late() && q.f.Floor == 0
	})},
	{"late repeats are counted from the rotation", "rotate/late-repeat-begins-the-windows-again", decides(refresh.LateRepeated, func(q *question) bool {
		return q.late() && q.now-q.f.Created <= (25*time.Hour).Microseconds()
	})},
	{"late repeats without sightings", "rotate/late-and-unwired", decides(refresh.LateRepeated, func(q *question) bool {
		return q.fixed((24 * time.Hour).Microseconds())
	})},
	{"too late is called reuse", "rotate/late-and-unwired", calls(refresh.ReusedUnconfirmed, refresh.Reused)},

	{"older ones repeat in time", "rotate/older-is-reuse", tables(func(t *table) {
		t.replace(refresh.ReusedOlder, func(q *question) bool { return !q.fixed(q.grace) && !q.predecessor() })
		t.replace(refresh.Repeated, func(q *question) bool { return q.fixed(q.grace) || q.confirmed(q.grace) })
	})},
	{"older ones are like the predecessor", "rotate/older-is-reuse", decides(refresh.ReusedOlder, never)},
	{"older ones are refused and nothing ends", "rotate/older-is-reuse", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			if f, err := r.FindFamily(ctx, key); err == nil && p.Generation+1 < f.Generation {
				return refresh.Outcome{Verdict: refresh.ReusedOlder, Family: f}, nil
			}
			return r.Rotate(ctx, key, p)
		}
	})},

	{"newer ones are reuse", "rotate/newer-recovers", decides(refresh.Recovered, never)},
	{"only the next one recovers", "rotate/newer-recovers", decides(refresh.Recovered, func(q *question) bool { return q.p.Generation == q.f.Generation+1 })},
	{"generations are 32 bits", "rotate/newer-recovers", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			short := *p
			short.Generation &= 1<<32 - 1
			return r.Rotate(ctx, key, &short)
		}
	})},
	{"a recovery is one generation", "rotate/newer-recovers", does(refresh.Recovered, func(q *question) { q.f.Generation = 3 })},
	{"a recovery has the newest secret", "rotate/newer-recovers", does(refresh.Recovered, func(q *question) { q.f.Secret = q.p.Signing })},
	{"a recovery is not confirmed", "rotate/newer-recovers", does(refresh.Recovered, func(q *question) { q.f.Confirmed = 0 })},
	{"a recovery rotates", "rotate/newer-recovers", calls(refresh.Recovered, refresh.Rotated)},
	{"a recovery sets no window", "rotate/recovery-begins-the-windows", does(refresh.Recovered, func(q *question) { q.f.Fixed, q.f.Confirmed = 1, 1 })},
	{"after a recovery the old is not old", "rotate/recovery-begins-the-windows", tables(func(t *table) {
		t.replace(refresh.ReusedOlder, func(q *question) bool { return !q.predecessor() && q.f.Confirmed != q.f.Fixed })
	})},

	{"bindings are not looked at", "rotate/misbound", decides(refresh.Misbound, never)},
	{"bindings are looked at when the time has passed", "rotate/misbound", tables(func(t *table) {
		t.rows = append(t.rows[2:6:6], t.rows[0], t.rows[1], t.rows[6], t.rows[7], t.rows[8])
	})},
	{"newer ones need no binding", "rotate/misbound", decides(refresh.Misbound, func(q *question) bool { return !q.bound() && !q.newer() })},
	{"no binding is any", "rotate/misbound", decides(refresh.Misbound, func(q *question) bool {
		return !q.bound() && q.p.Binding != refresh.Binding{}
	})},
	{"misbound is refused and nothing ends", "rotate/misbound", kins(func(_ *brokenKin, r *reference) {
		r.kin.ends = func(r *reference, f *refresh.Family, now, until time.Time) {
			if f.Fixed == 0 || f.Generation != 3 {
				ends(r, f, now, until)
			}
		}
	})},
	{"bindings are cut", "rotate/all-bytes-of-the-binding-count", decides(refresh.Misbound, func(q *question) bool {
		return [15]byte(q.p.Binding[:15]) != [15]byte(q.f.Binding[:15])
	})},
	{"an unbound family is anybody's", "rotate/all-bytes-of-the-binding-count", decides(refresh.Misbound, func(q *question) bool {
		return !q.bound() && q.f.Binding != refresh.Binding{}
	})},

	{"stamps are the clock", "rotate/stamps-rise", tables(func(t *table) {
		t.answer = func(q *question) {
			q.f.Stamp = uint64(q.now)
			q.f.Expires = min(q.now+q.f.Idle.Microseconds(), q.f.Ends)
		}
	})},
	{"stamps are a count", "rotate/stamps-rise", tables(func(t *table) {
		t.answer = func(q *question) {
			q.f.Stamp++
			q.f.Expires = min(q.now+q.f.Idle.Microseconds(), q.f.Ends)
		}
	})},
	{"a coalesced answer has the stamp of the last", "rotate/stamps-rise", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			before, _ := r.FindFamily(ctx, key)
			out, err := r.Rotate(ctx, key, p)
			if out.Verdict == refresh.Coalesced {
				out.Family.Stamp = before.Stamp
			}
			return out, err
		}
	})},
	{"stamps are milliseconds", "rotate/stamps-are-a-clock", answers(func(q *question) { q.f.Stamp = (q.f.Stamp + 999) / 1000 * 1000 })},
	{"the clock is the store's alone", "rotate/stamps-are-a-clock", tables(func(t *table) {
		t.clock = func(_ *refresh.Family, now int64) int64 { return now }
	})},
	{"the rules are those of the first call", "rotate/rules-are-those-of-the-call", kins(func(b *brokenKin, r *reference) {
		var rules *refresh.Rules
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			old := *p
			if rules == nil {
				rules = &old.Rules
			}
			old.Rules = *rules
			return r.Rotate(ctx, key, &old)
		}
	})},

	{"the floor is kept after a rotation", "rotate/every-path", tables(func(t *table) {
		rotate := t.do[refresh.Rotated]
		t.do[refresh.Rotated] = func(q *question) {
			floor := q.f.Floor
			rotate(q)
			q.f.Floor = floor
		}
	})},
	{"the floor is kept after a recovery", "rotate/every-path", tables(func(t *table) {
		recovers := t.do[refresh.Recovered]
		t.do[refresh.Recovered] = func(q *question) {
			floor := q.f.Floor
			recovers(q)
			q.f.Floor = floor
		}
	})},
	{"a void is taken for a confirmation", "rotate/every-path", decides(refresh.Reused, func(q *question) bool {
		return q.f.Confirmed != 0 || q.f.Floor != 0 && !q.fixed(time.Minute.Microseconds())
	})},

	{"the decision is read, then written", "rotate/exactly-one-of-many", insteps(overwritten)},
	{"coalesced answers are made outside the step", "rotate/many-coalesce", kins(func(b *brokenKin, r *reference) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			f, err := r.FindFamily(ctx, key)
			if err == nil && f.Generation == p.Generation {
				pause()
				if v := r.kin.table.present(&f, p, r.now().UnixMicro()); v == refresh.Coalesced {
					r.step("rotate", func(time.Time) { r.fams[key] = f })
					return refresh.Outcome{Verdict: v, Family: f}, nil
				}
			}
			return r.Rotate(ctx, key, p)
		}
	})},
	{"without grace the decision is read, then written", "rotate/many-without-grace", insteps(overwritten)},
	{"a late rotation brings back what was ended", "rotate/beside-end", insteps(func(r *reference, f refresh.Family) {
		clear(r.past(f.Owner).denied) // the record is asked alone
		overwritten(r, f)
	})},
	{"a late rotation brings back what was revoked", "rotate/beside-raised-epoch", insteps(func(r *reference, f refresh.Family) {
		f.Epoch = r.past(f.Owner).epoch // read again, for the answer
		overwritten(r, f)
	})},
	{"a late rotation brings back what was denied", "rotate/beside-deny", insteps(func(r *reference, f refresh.Family) {
		delete(r.past(f.Owner).denied, f.Handle)
		overwritten(r, f)
	})},
	{"a family may end more than once", "rotate/beside-reuse", insteps(overwritten)},
}
