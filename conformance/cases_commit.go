package conformance

// commitCases are the commit matrix: every way in which an answer can begin, and
// whether the session was stored and its cookie sent before it did.
func commitCases() []Case { return nil }
