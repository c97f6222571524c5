//go:build !unix

package main

import "os/exec"

// keepFromTerminal does nothing: redis-server runs on no such system.
func keepFromTerminal(*exec.Cmd) {}
