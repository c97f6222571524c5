package main

import (
	"crypto"

	"github.com/sallyport-go/sallyport/core/token"
)

// vault is what the program needs of an HSM.
type vault interface {
	// Generate makes a key pair inside, to be found by its label later.
	Generate(label string, algorithm token.Algorithm) (crypto.Signer, error)
	// Find returns a key pair that is there already, as a program does at its start.
	Find(label string) (crypto.Signer, error)
	// Protection says what the HSM lets out of a private key.
	Protection(key crypto.Signer) (protection, error)
	// Close deletes what Generate made and disconnects. No key signs after that.
	Close() error
}

// protection is what an HSM says of a private key (PKCS #11 version 2.40, section
// 4.9), and what it did when it was asked for the private value.
type protection struct {
	Local            bool // generated inside, not imported
	Sensitive        bool // not to be read in the clear
	AlwaysSensitive  bool // and never was readable
	Extractable      bool // may be wrapped with another key and carried out
	NeverExtractable bool // and never could be
	// Asked is the attribute that holds the private value, and Refusal the error that
	// came in its place; nil: it was given.
	Asked   string
	Refusal error
}
