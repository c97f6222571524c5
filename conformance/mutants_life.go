package conformance

// lifeMutants break the rules of lifeCases.
func lifeMutants() []Mutant { return nil }
