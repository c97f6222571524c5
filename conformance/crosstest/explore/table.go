package main

import "github.com/sallyport-go/sallyport/conformance/crosstest/rotation"

// ours are the scenarios that the real rule is put through. The first thief does all
// that the others do; they are there by name because each is what one of the rule's parts
// is for.
func ours(short bool) []scenario {
	if short {
		return []scenario{
			{name: "no thief, days pass", grace: 2, tabs: 2, leaps: true},
			{name: "no thief, a logout", grace: 1, tabs: 2, logout: true},
			{name: "no thief, a forgotten write", grace: 1, tabs: 2, forget: true},
			{name: "any thief", grace: 1, tabs: 1, thief: anything},
			{name: "any thief, everything late", grace: 1, tabs: 1, thief: anything, late: true},
			{name: "polling thief", grace: 2, tabs: 1, thief: polling, period: 1},
		}
	}
	return []scenario{
		{name: "no thief, days pass", grace: 4, tabs: 3, leaps: true},
		{name: "no thief, a logout", grace: 3, tabs: 3, logout: true},
		{name: "no thief, a forgotten write", grace: 1, tabs: 3, forget: true},
		{name: "no thief, a forgotten write", grace: 2, tabs: 2, forget: true, logout: true},
		{name: "any thief", grace: 2, tabs: 3, thief: anything},
		{name: "any thief, a logout", grace: 1, tabs: 3, thief: anything, logout: true},
		{name: "any thief, everything late", grace: 1, tabs: 3, thief: anything, late: true},
		{name: "any thief, a forgotten write", grace: 1, tabs: 1, thief: anything, forget: true},
		{name: "eager thief", grace: 2, tabs: 3, thief: eager},
		{name: "patient thief", grace: 2, tabs: 3, thief: patient},
		{name: "racing thief", grace: 2, tabs: 3, thief: racing},
		{name: "thief who polls every half window", grace: 2, tabs: 3, thief: polling, period: 1},
		{name: "thief who polls every window", grace: 2, tabs: 3, thief: polling, period: 2},
	}
}

// compared is a scheme with the promise that it breaks, and where.
type compared struct {
	scheme rotation.Scheme
	breaks promise
	scenario
}

// enough states for a scheme that breaks its promise.
const enough = 5_000_000

// others are the schemes and the variants, each with what it is known for.
func others() []compared {
	honest := func(tabs int) scenario { return scenario{grace: 2, tabs: tabs, limit: enough} }
	with := func(t thief) scenario {
		return scenario{grace: 2, tabs: 1, thief: t, period: 1, lenient: true, limit: enough}
	}
	s, v := rotation.Others, rotation.Variants
	return []compared{
		{s[0], goesOn, honest(1)},
		{s[1], single, honest(2)},
		{s[2], goesOn, honest(2)},
		{s[3], goesOn, honest(2)},
		{s[4], goesOn, honest(1)},
		{s[5], exposed, with(eager)},
		{s[6], goesOn, honest(3)},
		{s[6], exposed, with(patient)},
		{v[0], exposed, with(patient)},
		{v[1], goesOn, honest(3)},
		{v[2], goesOn, honest(3)},
		{v[3], unaware, with(polling)},
		{v[4], goesOn, honest(3)},
	}
}
