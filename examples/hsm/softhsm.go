package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// softHSMConf is the variable by which SoftHSM, both the library and its tool, finds
// its configuration.
const softHSMConf = "SOFTHSM2_CONF"

// softHSM is an initialised token that holds no key yet.
type softHSM struct {
	conf, module, label, pin string
}

// errNoSoftHSM says what to install.
var errNoSoftHSM = errors.New("SoftHSM 2 is needed and was not found (Debian: apt-get install softhsm2)")

// softHSMModules is where distributions put the library.
var softHSMModules = []string{
	"/usr/lib/softhsm/libsofthsm2.so",          // Debian
	"/usr/lib64/pkcs11/libsofthsm2.so",         // Fedora
	"/usr/local/lib/softhsm/libsofthsm2.so",    // from source
	"/opt/homebrew/lib/softhsm/libsofthsm2.so", // Homebrew
}

// findSoftHSM returns the paths of the library and of the tool that initialises
// tokens. The error is errNoSoftHSM.
func findSoftHSM() (module, tool string, err error) {
	tool, err = exec.LookPath("softhsm2-util")
	if err != nil {
		return "", "", errNoSoftHSM
	}
	for _, module := range softHSMModules {
		if _, err := os.Stat(module); err == nil {
			return module, tool, nil
		}
	}
	return "", "", errNoSoftHSM
}

// newSoftHSM makes a token below dir, which is all that has to be removed later. The
// machine's own tokens are neither seen nor touched.
func newSoftHSM(ctx context.Context, dir string) (softHSM, error) {
	module, tool, err := findSoftHSM()
	if err != nil {
		return softHSM{}, err
	}
	s := softHSM{conf: filepath.Join(dir, "softhsm2.conf"), module: module, label: "sallyport", pin: rand.Text()}
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return softHSM{}, err
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
		return softHSM{}, err
	}
	init := exec.CommandContext(ctx, tool, "--init-token", "--free", "--label", s.label, "--pin", s.pin, "--so-pin", rand.Text())
	init.Env = append(os.Environ(), softHSMConf+"="+s.conf)
	if out, err := init.CombinedOutput(); err != nil {
		return softHSM{}, fmt.Errorf("%s: %w\n%s", tool, err, out)
	}
	return s, nil
}
