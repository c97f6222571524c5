package conformance

// cookieCases are about the cookie itself and what surrounds it in an answer.
func cookieCases() []Case { return nil }
