//go:build !cgo

package main

import "errors"

// openVault: a PKCS#11 library is C, and cannot be called without cgo.
func openVault(_, _, _ string) (vault, error) {
	return nil, errors.New("built without cgo: install a C compiler and set CGO_ENABLED=1")
}
