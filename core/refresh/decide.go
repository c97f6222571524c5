package refresh

import "time"

// Rules are what a family is kept by.
type Rules struct {
	// Grace is how long an answer may be under way.
	Grace time.Duration
	// Wired says that every verifier of the access tokens reports sightings and
	// consults the registry.
	Wired bool
	// Denied is how long the store remembers a denial or a void: longer than any
	// access token lives.
	Denied time.Duration
}

// lateRepeat is how long after a rotation a client may say that it never got the
// answer.
const lateRepeat = 24 * time.Hour

// Presented is a refresh token with a right MAC, and what it is judged by.
type Presented struct {
	Generation uint64
	// Secret is the one that the token is made with, Signing the one that a next
	// generation is to be made with.
	Secret, Signing SecretID
	Binding         Binding
	Rules           Rules
}

// Verdict is what a presented token comes to.
type Verdict uint8

// The verdicts. The first five are answered, the others end the family.
const (
	// Coalesced: the latest token, again or very soon. An access token alone.
	Coalesced Verdict = iota + 1
	// Rotated: the latest token. The next one.
	Rotated
	// Repeated: its predecessor, while the answer to it may be under way. The same
	// one again.
	Repeated
	// LateRepeated: the same, later, and nobody has used the latest one. What was
	// answered for it before is void.
	LateRepeated
	// Recovered: a token newer than the store knows, which has lost a write. An access
	// token alone.
	Recovered
	// Reused: the predecessor, although its successor was used.
	Reused
	// ReusedOlder: a token older than that.
	ReusedOlder
	// ReusedUnconfirmed: the predecessor, too late, whose successor nobody was seen to
	// use. An answer that was lost for a day looks like this, and so does a theft.
	ReusedUnconfirmed
	// Misbound: a token of another client or device.
	Misbound
)

// Answered reports whether the client gets an answer. Otherwise the family ends.
func (v Verdict) Answered() bool { return v >= Coalesced && v <= Recovered }

// Present decides about a presented token and makes f what it is afterwards. It is for
// stores, which call it on a live family in one atomic step and keep what comes of it: f,
// with a void if the verdict is LateRepeated (answers of f.Generation below f.Floor), or,
// if the verdict is not Answered, no family and a denial of its handle. now is the
// store's clock in microseconds.
func (f *Family) Present(p *Presented, now int64) Verdict {
	now = f.clock(now)
	v := f.verdict(p, now)
	switch v {
	case Coalesced:
		f.confirm(now)
	case Rotated:
		f.State = State{Generation: f.Generation + 1, Secret: p.Signing, Fixed: now, Stamp: f.Stamp}
	case LateRepeated:
		f.Fixed = now
	case Recovered:
		f.State = State{Generation: p.Generation, Secret: p.Secret, Fixed: now, Confirmed: now, Stamp: f.Stamp}
	case Repeated:
	default:
		return v
	}
	f.Stamp = max(f.Stamp+1, uint64(now))
	if v == LateRepeated {
		f.Floor = f.Stamp
	}
	f.use(now)
	return v
}

func (f *Family) verdict(p *Presented, now int64) Verdict {
	grace := p.Rules.Grace.Microseconds()
	switch {
	case p.Binding != f.Binding:
		return Misbound
	case p.Generation > f.Generation:
		return Recovered
	case p.Generation == f.Generation:
		if f.coalesces(now, grace) {
			return Coalesced
		}
		return Rotated
	case p.Generation+1 != f.Generation:
		return ReusedOlder
	case now <= f.Fixed+grace, f.Confirmed != 0 && now <= f.Confirmed+grace:
		return Repeated
	case f.Confirmed != 0:
		return Reused
	case p.Rules.Wired && now <= f.Fixed+lateRepeat.Microseconds():
		return LateRepeated
	default:
		return ReusedUnconfirmed
	}
}

// coalesces reports whether a request with the predecessor may still be under way, which a
// next generation would make two generations old. A repeat is given until grace after the
// generation was fixed and arrives until twice that; what read the jar just before it did
// arrives until three times that. Once the generation is confirmed it is in the jar, so only
// what was under way then, and the answers to that, remain. Zero is never: nothing coalesces
// with a login that nobody has confirmed.
func (f *Family) coalesces(now, grace int64) bool {
	return f.Fixed != 0 && now <= f.Fixed+3*grace || f.Confirmed != 0 && now <= f.Confirmed+2*grace
}

func (f *Family) confirm(now int64) {
	if f.Confirmed == 0 {
		f.Confirmed = now
	}
}
