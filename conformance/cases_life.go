package conformance

import "slices"

// lifeCases are about how sessions begin, change and end.
func lifeCases() []Case {
	return slices.Concat(
		beginLifeCases(), changeLifeCases(), supersededLifeCases(), endLifeCases(), lateLifeCases(), timeLifeCases(), dataLifeCases(), guardLifeCases(),
		bufferCases(),
	)
}
