package main

// thief is what a thief does with a copy of the jar that he takes once, at any time.
type thief uint8

const (
	// nobody: there is none.
	nobody thief = iota
	// eager uses every access token at once.
	eager
	// patient uses none before the latest generation is confirmed.
	patient
	// racing presents tokens only while the client's latest answer is not older than
	// the grace window.
	racing
	// anything presents any token that he has got and uses any access token at any
	// time: what the others do, and all that they do not.
	anything
	// polling presents the token that he stole again and again, reads every claim of
	// every answer, and uses an access token when a claim tells him that somebody else
	// was answered: then the next one would end the family.
	polling
)

// scenario is who there is and what may go wrong. Requests and answers are lost at any
// time in all of them.
type scenario struct {
	name string
	// grace is in how many ticks the grace window is divided.
	grace int
	tabs  int
	thief thief
	// period is that of a polling thief, in ticks.
	period uint8
	// late: requests and answers may be under way for ever. Otherwise a round trip
	// takes the grace window at most.
	late bool
	// logout: a tab may log out at any time.
	logout bool
	// forget: the store may forget its last write, once.
	forget bool
	// leaps: time may pass by the day.
	leaps bool
	// lenient: nothing is promised of an access token that was accepted first within
	// the grace window before the client's refresh. Of the real rule that holds only if
	// it was the one that confirmed its generation.
	lenient bool
	// limit is how many states are enough; 0 is all there are.
	limit int
}

// promise is one that a scheme may break.
type promise uint8

const (
	kept promise = iota
	// goesOn: an honest client is never logged out while requests and answers take no
	// longer than they may, and nobody retries later than a day after.
	goesOn
	// exposed: when a thief's access token was accepted, the client's next refresh
	// ends the family. That is not promised of a token that was answered
	//   - within the coalesce window after an answer to the client, however that
	//     window began,
	//   - within the grace window before the client's next refresh,
	//   - while the client had the latest generation, or it was on its way, and had
	//     used nothing of it,
	// nor of any token of a generation that the thief confirmed within the grace window
	// before the client's next refresh, nor, if the store forgot a write, of what came
	// before the client was answered for what it had.
	exposed
	// unaware: no claim tells a polling thief when to stop.
	unaware
	// single: no refresh token has two successors that are both good.
	single
	// sound: what the machine finds by itself, see machine.fault.
	sound
)

func (p promise) String() string {
	return [...]string{
		"none",
		"an honest client always goes on",
		"a thief whose access token was accepted is exposed at the client's next refresh",
		"no claim tells a thief who polls when to stop",
		"no refresh token has two live successors",
		"nothing void or dead is accepted, and a crash changes nothing",
	}[p]
}
