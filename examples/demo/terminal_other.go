//go:build !unix

package main

import "os/exec"

// keepFromTerminal does nothing. Redis runs on no such system, and the second service
// ends with its standard input in any case.
func keepFromTerminal(*exec.Cmd) {}
