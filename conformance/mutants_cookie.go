package conformance

// cookieMutants break the rules of cookieCases.
func cookieMutants() []Mutant { return nil }
