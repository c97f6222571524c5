package main

import "slices"

// mutants are all of them, in the order of the suite's families.
var mutants = slices.Concat(sessionMutants, subjectMutants, inputMutants, trustMutants, commitMutants, tokenMutants, bearerMutants, refreshMutants, grantMutants, corsMutants, csrfMutants)
