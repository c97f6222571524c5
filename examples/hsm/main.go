// Command hsm signs access tokens with keys that never leave a PKCS#11 token.
//
//	go run .                                                a throw-away SoftHSM
//	HSM_PIN=… go run . -module /path/to/lib.so -token name  an HSM of yours
//
// It generates its keys in the token, issues, rotates and revokes, says what a
// service elsewhere makes of it, and deletes the keys again. The exit status is not
// zero if anything is not as it must be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	module := flag.String("module", "", "the vendor's PKCS#11 `library`; default: SoftHSM with a throw-away token")
	label := flag.String("token", "", "the `label` of the token in it; the environment's HSM_PIN logs in")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *module, *label)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hsm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, module, label string) (err error) {
	pin := os.Getenv("HSM_PIN")
	if module == "" {
		dir, err := os.MkdirTemp("", "sallyport-hsm")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		soft, err := newSoftHSM(ctx, dir)
		if err != nil {
			return err
		}
		if err := os.Setenv(softHSMConf, soft.conf); err != nil {
			return err
		}
		module, label, pin = soft.module, soft.label, soft.pin
	}
	v, err := openVault(module, label, pin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	fmt.Fprintf(w, "PKCS#11 library %s, token %q\n", module, label)
	return show(ctx, w, v)
}
