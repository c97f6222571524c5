package csrf

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-go/sallyport/core/internal/realm"
	"github.com/sallyport-go/sallyport/core/internal/strict"
)

// The errors of Verify.
var (
	// ErrNoToken says that the request brings no token, or several.
	ErrNoToken = errors.New("csrf: the request brings no token against forged requests")
	// ErrToken says that the token is none of this login's.
	ErrToken = errors.New("csrf: the token is not good for this login")
)

var (
	errNobody   = errors.New("csrf: a token belongs to somebody")
	errTokenOff = errors.New("csrf: this Guard makes no tokens")
)

// Binding is what a token belongs to. Make one with ToLogin or ToVisitor: the zero Binding
// is nobody's, like one to the empty string, and no token is good for it.
type Binding struct{ kind, id string }

// ToLogin binds to a login: id is what session.Session.LoginID returns.
func ToLogin(id string) Binding { return Binding{"l", id} }

// ToVisitor binds to the value of the Guard's cookie.
func ToVisitor(nonce string) Binding { return Binding{"v", nonce} }

// A token is base64url of kind 1 | mask 32 | MAC xor mask 32.
const (
	macLen = sha256.Size
	rawLen = 1 + 2*macLen
)

// The kinds of tokens: good for every action of the login, or for one. A token says which
// it is, so that one MAC decides; the MAC covers it.
const (
	everyAction = 1
	oneAction   = 2
)

// newMAC derives the key, so that a secret which other parts of the suite share says
// nothing about it.
func newMAC(app string, secret []byte) (*realm.MAC, error) {
	r, err := realm.New(app, secret)
	if err != nil {
		return nil, err
	}
	return r.MAC("csrf")
}

// macOf is the MAC over who and what a token is for. The general token's is over another
// kind than any action's: neither can be made out of the other (CVE-2020-8166). Names are
// short, so that all of a general token is hashed in one block.
func macOf(m *realm.MAC, kind byte, b Binding, action string) [macLen]byte {
	if kind == oneAction {
		return m.Of("one", b.kind, b.id, action)
	}
	return m.Of("all", b.kind, b.id)
}

// Token returns a token for whoever b is. action is "" for a token that is good for every
// action, or the method and the path, as Action joins them, of the only one that it is
// good for: whoever sees such a token cannot make the other kind out of it, nor one for
// another action. The error is one of the random source, or says that b is nobody or that
// the Guard makes no tokens.
func (g *Guard) Token(b Binding, action string) (string, error) {
	switch {
	case !g.Tokens():
		return "", errTokenOff
	case b.id == "":
		return "", errNobody
	}
	var raw [rawLen]byte
	raw[0] = everyAction
	if action != "" {
		raw[0] = oneAction
	}
	// A mask of its own for each token: of what stays the same in many answers, their
	// compressed lengths tell a byte after the other (BREACH).
	mask, masked := raw[1:1+macLen], raw[1+macLen:]
	if _, err := io.ReadFull(g.rand, mask); err != nil {
		return "", fmt.Errorf("csrf: %w", err)
	}
	mac := macOf(g.macs[0], raw[0], b, action)
	subtle.XORBytes(masked, mac[:], mask)
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// Action names what a request does: "POST /transfer". method is upper-case for those that
// HTML and fetch know, which browsers send so; path is as received, without a query.
func Action(method, path string) string { return method + " " + path }

// Verify returns nil if token was made for b and is good for action, else ErrToken. It
// takes the same time wherever a token differs, allocates nothing for the usual action,
// and accepts a token in one spelling.
func (g *Guard) Verify(token string, b Binding, action string) error {
	var raw [rawLen]byte
	if b.id == "" || !strict.Fill(raw[:], token) {
		return ErrToken
	}
	kind := raw[0]
	if kind != everyAction && kind != oneAction {
		return ErrToken
	}
	var got [macLen]byte
	subtle.XORBytes(got[:], raw[1:1+macLen], raw[1+macLen:])
	for _, m := range g.macs {
		want := macOf(m, kind, b, action)
		if hmac.Equal(got[:], want[:]) {
			return nil
		}
	}
	return ErrToken
}

// Nonce makes a value for the Guard's cookie. The error is one of the random source.
func (g *Guard) Nonce() (string, error) {
	var raw [macLen]byte
	if _, err := io.ReadFull(g.rand, raw[:]); err != nil {
		return "", fmt.Errorf("csrf: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// IsNonce reports whether value has the form of what Nonce makes.
func IsNonce(value string) bool {
	var raw [macLen]byte
	return strict.Fill(raw[:], value)
}
