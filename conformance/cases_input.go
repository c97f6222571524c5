package conformance

// inputCases are about what clients send in place of an honest cookie, and about
// stores that fail.
func inputCases() []Case { return nil }
