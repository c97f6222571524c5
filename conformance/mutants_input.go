package conformance

// inputMutants break the rules of inputCases.
func inputMutants() []Mutant { return nil }
