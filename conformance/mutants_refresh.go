package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// rotBent is a store of families of which single operations are replaced. What a nil
// function stands for goes straight through.
type rotBent struct {
	refresh.Store
	rotate func(context.Context, refresh.Key, *refresh.Presented) (refresh.Outcome, error)
	find   func(context.Context, refresh.Key) (refresh.Family, error)
	end    func(context.Context, refresh.Key, refresh.Rules) (refresh.Family, error)
	sight  func(context.Context, revocation.Owner, revocation.Handle, revocation.Answer) error
	asked  func(context.Context, revocation.Owner, revocation.Asked) (revocation.Found, error)
	create func(context.Context, refresh.Family, int) (refresh.Family, []refresh.Family, error)
	raise  func(context.Context, revocation.Owner, time.Time) (uint64, error)
	deny   func(context.Context, revocation.Owner, revocation.Handle, time.Time) error
}

// rotBend makes a mutant of what do replaces.
func rotBend(do func(*rotBent)) func(refresh.Store) refresh.Store {
	return func(s refresh.Store) refresh.Store {
		b := &rotBent{Store: s}
		do(b)
		return b
	}
}

// Rotate, like the others, is the replacement or the operation itself.
func (b *rotBent) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	if b.rotate != nil {
		return b.rotate(ctx, key, p)
	}
	return b.Store.Rotate(ctx, key, p)
}

func (b *rotBent) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	if b.find != nil {
		return b.find(ctx, key)
	}
	return b.Store.FindFamily(ctx, key)
}

func (b *rotBent) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	if b.end != nil {
		return b.end(ctx, key, rules)
	}
	return b.Store.EndFamily(ctx, key, rules)
}

func (b *rotBent) Sight(ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
	if b.sight != nil {
		return b.sight(ctx, o, h, a)
	}
	return b.Store.Sight(ctx, o, h, a)
}

func (b *rotBent) Revoked(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	if b.asked != nil {
		return b.asked(ctx, o, a)
	}
	return b.Store.Revoked(ctx, o, a)
}

func (b *rotBent) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	if b.create != nil {
		return b.create(ctx, f, limit)
	}
	return b.Store.CreateFamily(ctx, f, limit)
}

func (b *rotBent) RaiseEpoch(ctx context.Context, o revocation.Owner, until time.Time) (uint64, error) {
	if b.raise != nil {
		return b.raise(ctx, o, until)
	}
	return b.Store.RaiseEpoch(ctx, o, until)
}

func (b *rotBent) Deny(ctx context.Context, o revocation.Owner, h revocation.Handle, until time.Time) error {
	if b.deny != nil {
		return b.deny(ctx, o, h, until)
	}
	return b.Store.Deny(ctx, o, h, until)
}

// presenting is a mutant that changes what the store is asked.
func presenting(change func(*refresh.Presented)) func(refresh.Store) refresh.Store {
	return rotBend(func(b *rotBent) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			changed := *p
			change(&changed)
			return b.Store.Rotate(ctx, key, &changed)
		}
	})
}

// raw is the store behind the counters, for what a mutant does on the side.
func (b *rotBent) raw() refresh.Store {
	if counting, ok := b.Store.(*Store); ok {
		return counting.families()
	}
	return b.Store
}

// rotUnlocked finds, decides and writes, one after the other: what comes in between is
// lost. together is how many it waits for between its reading and its writing, so that
// what a scheduler would do now and then happens each time.
func rotUnlocked(together int) func(refresh.Store) refresh.Store {
	return rotBend(func(b *rotBent) {
		var mu sync.Mutex
		kept := map[refresh.Key]refresh.Family{}
		waiting, open := 0, make(chan struct{})
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			b.Store.(*Store).count(OpRotate)
			f, err := b.raw().FindFamily(ctx, key)
			if err != nil {
				return refresh.Outcome{}, err
			}
			mu.Lock()
			if known, ok := kept[key]; ok {
				f = known
			}
			gate := open
			if waiting++; waiting == together {
				waiting, open = 0, make(chan struct{})
				close(gate)
			}
			mu.Unlock()
			select {
			case <-gate:
			case <-time.After(50 * time.Millisecond): // nobody else comes
			}
			v := f.Present(p, b.Store.(*Store).now().UnixMicro())
			mu.Lock()
			defer mu.Unlock()
			kept[key] = f
			return refresh.Outcome{Verdict: v, Family: f}, nil
		}
	})
}

// rotForgetful keeps in memory which tokens were replaced: a restart forgets it.
func rotForgetful() func(refresh.Store) refresh.Store {
	return rotBend(func(b *rotBent) {
		seen := map[refresh.Key]uint64{}
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			changed := *p
			if seen[key] < p.Generation {
				f, err := b.raw().FindFamily(ctx, key)
				if err == nil {
					changed.Generation = f.Generation // whatever is presented first is the latest
				}
			}
			out, err := b.Store.Rotate(ctx, key, &changed)
			if err == nil {
				seen[key] = out.Family.Generation
			}
			return out, err
		}
	})
}

// rotSpared is a mutant that says a family has ended, and keeps it, for some verdicts.
func rotSpared(spare func(refresh.Verdict) bool) func(refresh.Store) refresh.Store {
	return rotBend(func(b *rotBent) {
		b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
			f, err := b.raw().FindFamily(ctx, key)
			if err == nil {
				if v := f.Present(p, b.Store.(*Store).now().UnixMicro()); !v.Answered() && spare(v) {
					b.Store.(*Store).count(OpRotate)
					return refresh.Outcome{Verdict: v, Family: f}, nil
				}
			}
			return b.Store.Rotate(ctx, key, p)
		}
	})
}

// refreshMutants break the rules of refreshCases that can be broken from outside.
func refreshMutants() []Mutant {
	const parallel, nodes, restart, fails = "refresh/parallel", "refresh/parallel-nodes", "refresh/restart", "refresh/store-fails"
	const client, device, kills, second = "refresh/bound-to-client", "refresh/bound-to-device", "refresh/replay-ends-the-family", "refresh/same-second"
	const repeated, afterUse, late, coalesced = "refresh/repeated", "refresh/repeated-after-use", "refresh/late-repeat", "refresh/coalesced"
	noStatus := func(c *refresh.Config) { c.SubjectStatus = nil }
	// afterRotate changes what the rotator is told of a decision.
	afterRotate := func(change func(*refresh.Outcome)) func(refresh.Store) refresh.Store {
		return rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				out, err := b.Store.Rotate(ctx, key, p)
				if err == nil {
					change(&out)
				}
				return out, err
			}
		})
	}
	// onFailure does something to the family when the store has failed.
	onFailure := func(do func(context.Context, refresh.Store, refresh.Key, *refresh.Presented)) func(refresh.Store) refresh.Store {
		return rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				out, err := b.Store.Rotate(ctx, key, p)
				if err != nil && !errors.Is(err, refresh.ErrGone) {
					do(context.WithoutCancel(ctx), b.raw(), key, p)
				}
				return out, err
			}
		})
	}
	sighting := func(f func(b *rotBent, ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error) func(refresh.Store) refresh.Store {
		return rotBend(func(b *rotBent) {
			b.sight = func(ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
				return f(b, ctx, o, h, a)
			}
		})
	}
	asking := func(change func(*revocation.Asked), answer func(*revocation.Found)) func(refresh.Store) refresh.Store {
		return rotBend(func(b *rotBent) {
			b.asked = func(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
				if change != nil {
					change(&a)
				}
				found, err := b.Store.Revoked(ctx, o, a)
				if answer != nil {
					answer(&found)
				}
				return found, err
			}
		})
	}
	seconds := func(d time.Duration) time.Duration { return d.Truncate(time.Second) }
	return []Mutant{
		{Name: "CVE-2026-1035 keycloak: the reuse check and the write are two steps", Slug: parallel, Families: rotUnlocked(50)},
		{Name: "CVE-2026-45720 omni: a token is redeemed twice at once", Slug: nodes, Families: rotUnlocked(10)},
		{Name: "supabase/auth 2613: who comes at once comes first", Slug: parallel, Families: rotUnlocked(2)},
		{Name: "CVE-2026-9802 keycloak: a restart resets the reuse check", Slug: restart, Families: rotForgetful()},
		{Name: "CVE-2026-9802 keycloak: every node has a reuse check of its own", Slug: kills, Families: rotForgetful()},
		{Name: "keycloak 49213: a failure of the store uses up the token", Slug: fails,
			Families: onFailure(func(ctx context.Context, s refresh.Store, key refresh.Key, p *refresh.Presented) {
				_, _ = s.Rotate(ctx, key, p)
				next := *p
				next.Generation++
				next.Rules.Grace = 0
				_, _ = s.Rotate(ctx, key, &next)
			})},
		{Name: "keycloak 49213: a failure of the store ends the family", Slug: fails,
			Families: onFailure(func(ctx context.Context, s refresh.Store, key refresh.Key, p *refresh.Presented) {
				_, _ = s.EndFamily(ctx, key, p.Rules)
			})},
		{Name: "a failure of the store is a refusal", Slug: fails, Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				out, err := b.Store.Rotate(ctx, key, p)
				if err != nil {
					err = refresh.ErrGone
				}
				return out, err
			}
		})},
		{Name: "a rotation whose reply was lost is made again", Slug: fails, Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				out, err := b.Store.Rotate(ctx, key, p)
				if err == nil && out.Verdict == refresh.Repeated {
					next := *p
					next.Generation++
					next.Rules.Grace = -time.Hour
					return b.raw().Rotate(ctx, key, &next)
				}
				return out, err
			}
		})},
		{Name: "keycloak 50999: a replay in the second of the rotation is none", Slug: second, Families: presenting(func(p *refresh.Presented) {
			p.Rules.Grace = max(p.Rules.Grace, time.Second)
		})},
		{Name: "keycloak 50999: times are compared in seconds", Slug: afterUse, Families: presenting(func(p *refresh.Presented) {
			p.Rules.Grace = seconds(p.Rules.Grace) + time.Second - time.Microsecond
		})},
		{Name: "CVE-2026-56750 gitea: the theft is seen and the family kept", Slug: kills, Families: rotSpared(func(refresh.Verdict) bool { return true })},
		{Name: "a replay of the predecessor ends nothing", Slug: "refresh/patient-thief-caught",
			Families: rotSpared(func(v refresh.Verdict) bool { return v == refresh.Reused })},
		{Name: "a lost answer of long ago ends nothing", Slug: "refresh/late-unconfirmed",
			Families: rotSpared(func(v refresh.Verdict) bool { return v == refresh.ReusedUnconfirmed })},
		{Name: "a token of another client ends nothing", Slug: client, Families: rotSpared(func(v refresh.Verdict) bool { return v == refresh.Misbound })},
		{Name: "CVE-2026-55672 zitadel: a refresh token is any client's", Slug: client, Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				changed := *p
				if f, err := b.raw().FindFamily(ctx, key); err == nil {
					changed.Binding = f.Binding
				}
				return b.Store.Rotate(ctx, key, &changed)
			}
		})},
		{Name: "a refresh token is any device's if the client is right", Slug: device, Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				changed := *p
				if f, err := b.raw().FindFamily(ctx, key); err == nil {
					changed.Binding = f.Binding
				}
				return b.Store.Rotate(ctx, key, &changed)
			}
		})},
		{Name: "who names no client is not asked for it", Slug: client, Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				changed := *p
				if f, err := b.raw().FindFamily(ctx, key); err == nil && p.Binding == (refresh.Binding{}) {
					changed.Binding = f.Binding
				}
				return b.Store.Rotate(ctx, key, &changed)
			}
		})},
		{Name: "CVE-2026-43983 pocket-id: a refresh asks nobody about the user", Slug: "refresh/disabled-user", Rotation: noStatus},
		{Name: "CVE-2023-22492 zitadel: a locked user's family lives on", Slug: "refresh/disabled-user", Families: rotBend(func(b *rotBent) {
			b.end = func(ctx context.Context, key refresh.Key, _ refresh.Rules) (refresh.Family, error) {
				b.Store.(*Store).count(OpEndFamily)
				return b.raw().FindFamily(ctx, key)
			}
		})},
		{Name: "CVE-2026-43983 pocket-id: roles and scopes are those of the login", Slug: "refresh/authority-of-now", Rotation: noStatus},
		{Name: "an application that does not know is taken to agree", Slug: "refresh/status-unknown", Rotation: func(c *refresh.Config) {
			ask := c.SubjectStatus
			c.SubjectStatus = func(ctx context.Context, subject string) (refresh.Status, error) {
				status, _ := ask(ctx, subject)
				return status, nil
			}
		}},
		{Name: "an application that does not know is taken to refuse", Slug: "refresh/status-unknown", Rotation: func(c *refresh.Config) {
			ask := c.SubjectStatus
			c.SubjectStatus = func(ctx context.Context, subject string) (refresh.Status, error) {
				status, err := ask(ctx, subject)
				return refresh.Status{Disabled: err != nil, Roles: status.Roles, Scopes: status.Scopes}, nil
			}
		}},
		{Name: "what the application says is remembered", Slug: "refresh/authority-of-now", Rotation: func(c *refresh.Config) {
			ask, seen := c.SubjectStatus, map[string]refresh.Status{}
			c.SubjectStatus = func(ctx context.Context, subject string) (refresh.Status, error) {
				if status, ok := seen[subject]; ok {
					return status, nil
				}
				status, err := ask(ctx, subject)
				seen[subject] = status
				return status, err
			}
		}},
		{Name: "one-time tokens: no grace window", Slug: parallel, Rotation: func(c *refresh.Config) { c.Grace, c.Wired = -1, nil }},
		{Name: "the grace window is a minute", Slug: repeated, Rotation: func(c *refresh.Config) { c.Grace = time.Minute }},
		{Name: "the grace window of the unwired is that of the wired", Slug: "refresh/unwired", Rotation: func(c *refresh.Config) { c.Grace = rotGrace }},
		{Name: "everybody is taken to be wired", Slug: "refresh/unwired", Rotation: func(c *refresh.Config) { c.Wired, c.Grace = []string{audience}, 30*time.Second }},
		{Name: "nobody is taken to be wired", Slug: late, Rotation: func(c *refresh.Config) { c.Wired, c.Grace = nil, rotGrace }},
		{Name: "the idle end is the absolute end", Slug: "refresh/idle-end", Rotation: func(c *refresh.Config) { c.IdleTimeout = 30 * rotLate }},
		{Name: "the absolute end is the default one", Slug: "refresh/absolute-end", Rotation: func(c *refresh.Config) { c.AbsoluteTimeout = 0 }},
		{Name: "a user may have any number of families", Slug: "refresh/family-limit", Rotation: func(c *refresh.Config) { c.SubjectLimit = 0 }},
		{Name: "no limit", Slug: "refresh/limit", Rotation: func(c *refresh.Config) { c.Limiter = nil }},
		{Name: "the limit counts all families together", Slug: "refresh/limit", Rotation: func(c *refresh.Config) {
			each := c.Limiter
			c.Limiter = rotAllow(func(ctx context.Context, _ refresh.Key) bool { return each.Allow(ctx, refresh.Key{}) })
		}},
		{Name: "the limit counts guesses and replays too", Slug: "refresh/limit-hides-no-replay", Families: func(s refresh.Store) refresh.Store {
			return rotBend(func(b *rotBent) {
				counts := map[refresh.Key]int{}
				b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
					if counts[key]++; counts[key] > 2 {
						return refresh.Outcome{}, refresh.ErrRateLimited
					}
					return b.Store.Rotate(ctx, key, p)
				}
			})(s)
		}},
		{Name: "an old secret does not verify", Slug: "refresh/secrets", Rotation: func(c *refresh.Config) { c.Secrets = c.Secrets[:1] }},
		{Name: "the last secret signs", Slug: "refresh/secrets", Rotation: func(c *refresh.Config) {
			c.Secrets = slices.Clone(c.Secrets)
			slices.Reverse(c.Secrets)
		}},
		{Name: "a generation is made with the secret of the node", Slug: "refresh/secrets", Families: rotBend(func(b *rotBent) {
			b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
				out, err := b.Store.Rotate(ctx, key, p)
				out.Family.Secret = p.Signing
				return out, err
			}
		})},
		{Name: "every repeat is another successor", Slug: repeated, Families: afterRotate(func(o *refresh.Outcome) {
			if o.Verdict == refresh.Repeated {
				o.Family.Generation++
			}
		})},
		{Name: "a coalesced answer brings the refresh token again", Slug: coalesced, Families: afterRotate(func(o *refresh.Outcome) {
			if o.Verdict == refresh.Coalesced {
				o.Verdict = refresh.Repeated
			}
		})},
		{Name: "the stamp is a count", Slug: "refresh/stamps", Families: func(s refresh.Store) refresh.Store {
			var mu sync.Mutex
			n := uint64(0)
			count := func(f *refresh.Family) {
				mu.Lock()
				defer mu.Unlock()
				n++
				f.Stamp = n
			}
			return rotBend(func(b *rotBent) {
				b.rotate = func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
					out, err := b.Store.Rotate(ctx, key, p)
					count(&out.Family)
					return out, err
				}
			})(s)
		}},
		{Name: "answers of one moment have one stamp", Slug: "refresh/stamps", Families: func(s refresh.Store) refresh.Store {
			now := s.(*Store).now
			return afterRotate(func(o *refresh.Outcome) { o.Family.Stamp = uint64(now().UnixMicro()) })(s)
		}},
		{Name: "nobody tells of what was seen", Slug: "refresh/thief-who-used-is-exposed", Families: sighting(func(*rotBent, context.Context, revocation.Owner, revocation.Handle, revocation.Answer) error {
			return nil
		})},
		{Name: "a sighting stays at its node", Slug: "refresh/sighting-at-another-node", Families: sighting(func(b *rotBent, _ context.Context, _ revocation.Owner, _ revocation.Handle, _ revocation.Answer) error {
			b.Store.(*Store).count(OpSight)
			return nil
		})},
		{Name: "a sighting that fails is none", Slug: "refresh/sighting-fails", Families: sighting(func(b *rotBent, ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
			err := b.Store.Sight(ctx, o, h, a)
			if err != nil && !errors.Is(err, revocation.ErrVoid) && !errors.Is(err, revocation.ErrEnded) {
				return nil
			}
			return err
		})},
		{Name: "a sighting that fails is a revocation", Slug: "refresh/sighting-fails", Families: sighting(func(b *rotBent, ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
			if err := b.Store.Sight(ctx, o, h, a); err != nil {
				return revocation.ErrEnded
			}
			return nil
		})},
		{Name: "a void token confirms its generation", Slug: late, Families: sighting(func(b *rotBent, ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
			err := b.Store.Sight(ctx, o, h, a)
			if errors.Is(err, revocation.ErrVoid) {
				_ = b.raw().Sight(ctx, o, h, revocation.Answer{Generation: a.Generation, Stamp: 1 << 62})
			}
			return err
		})},
		{Name: "nothing is void", Slug: "refresh/patient-thief-voided", Families: rotBend(func(b *rotBent) {
			b.sight = func(ctx context.Context, o revocation.Owner, h revocation.Handle, a revocation.Answer) error {
				if err := b.Store.Sight(ctx, o, h, a); !errors.Is(err, revocation.ErrVoid) {
					return err
				}
				return nil
			}
			b.asked = func(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
				found, err := b.Store.Revoked(ctx, o, a)
				found.Floor = 0
				return found, err
			}
		})},
		{Name: "voids are not asked for", Slug: "refresh/void-reaches-who-has-seen", Families: asking(func(a *revocation.Asked) { a.Generation = 0 }, nil)},
		{Name: "a void is forgotten", Slug: "refresh/void-reaches-who-has-seen", Families: asking(nil, func(f *revocation.Found) { f.Floor = 0 })},
		{Name: "all of a generation is void", Slug: "refresh/void-reaches-who-has-seen", Families: asking(nil, func(f *revocation.Found) {
			if f.Floor != 0 {
				f.Floor = 1 << 62
			}
		})},
		{Name: "denials of families are not asked for", Slug: kills, Families: asking(nil, func(f *revocation.Found) { f.Denied = false })},
		{Name: "a logout everywhere ends no families", Slug: "refresh/revoked-before", Families: rotBend(func(b *rotBent) {
			b.raise = func(context.Context, revocation.Owner, time.Time) (uint64, error) {
				b.Store.(*Store).count(OpRaise)
				return 1, nil
			}
		})},
		{Name: "the family's end ends no access tokens", Slug: "refresh/revoked-in-flight", Families: rotBend(func(b *rotBent) {
			b.asked = func(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
				a.Session = revocation.Handle{}
				return b.Store.Revoked(ctx, o, a)
			}
			b.sight = func(context.Context, revocation.Owner, revocation.Handle, revocation.Answer) error {
				b.Store.(*Store).count(OpSight)
				return nil
			}
		})},
		{Name: "CVE-2020-15223 fosite: a logout that was not stored is done", Slug: "refresh/end-that-is-not-stored", Families: rotBend(func(b *rotBent) {
			b.end = func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
				f, err := b.Store.EndFamily(ctx, key, rules)
				if err != nil {
					return f, refresh.ErrGone
				}
				return f, nil
			}
		})},
		{Name: "a revocation that was not stored is done", Slug: "refresh/end-that-is-not-stored", Families: rotBend(func(b *rotBent) {
			b.deny = func(ctx context.Context, o revocation.Owner, h revocation.Handle, until time.Time) error {
				_ = b.Store.Deny(ctx, o, h, until)
				return nil
			}
		})},
		{Name: "a logout needs the latest token", Slug: "refresh/ended-by-any-generation", Front: refreshLogoutOfLatest},
		{Name: "CVE-2026-27840 zitadel: a truncated token is good", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, known []string) string {
			for _, k := range known {
				if len(raw) > 40 && strings.HasPrefix(k, raw) {
					return k
				}
			}
			return raw
		})},
		{Name: "what is behind a token is not read", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, _ []string) string {
			return raw[:min(len(raw), 88)]
		})},
		{Name: "white space around a token is trimmed", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, _ []string) string {
			return strings.TrimSpace(raw)
		})},
		{Name: "padding is taken off", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, _ []string) string {
			return strings.TrimRight(raw, "=")
		})},
		{Name: "the prefix is not looked at", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, _ []string) string {
			if len(raw) == 84 {
				return rotPrefix + raw
			}
			return raw
		})},
		{Name: "the case of the prefix does not matter", Slug: "refresh/damaged", Front: refreshRepaired(func(raw string, _ []string) string {
			if len(raw) > 4 && strings.EqualFold(raw[:4], rotPrefix) {
				return rotPrefix + raw[4:]
			}
			return raw
		})},
		{Name: "a wider scope is granted", Slug: "refresh/scope", Front: refreshAnswers(func(asked map[string]any, answer map[string]any) {
			if scope, ok := asked["scope"]; ok {
				answer["scope"] = scope
			}
		})},
	}
}

// rotAllow is a function as a Limiter.
type rotAllow func(context.Context, refresh.Key) bool

func (f rotAllow) Allow(ctx context.Context, key refresh.Key) bool { return f(ctx, key) }
