//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// keepFromTerminal lets Ctrl-C reach the demo alone, which ends cmd once requests
// that are under way have been answered.
func keepFromTerminal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
