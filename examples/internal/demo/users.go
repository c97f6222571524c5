package demo

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// User is a row of the demo's user table.
type User struct {
	Name     string
	Password string // because the page prints it; a real table holds argon2id or bcrypt hashes
	Roles    []string
	Scopes   []string // what the user's access tokens may be good for
}

// Users is the user table.
var Users = []User{
	{Name: "alice", Password: "wonderland", Roles: []string{"admin"}, Scopes: []string{profileScope, ordersScope}},
	{Name: "bob", Password: "builder", Scopes: []string{profileScope}},
}

// ErrCredentials is a wrong name or password. It does not say which.
var ErrCredentials = errors.New("wrong user or password")

// check takes the same time for every wrong answer, and compares hashes because
// comparing the passwords would tell their length.
func check(name, password string) (User, error) {
	var user User
	found := 0
	got := sha256.Sum256([]byte(name + "\x00" + password))
	for _, u := range Users {
		want := sha256.Sum256([]byte(u.Name + "\x00" + u.Password))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			user, found = u, 1
		}
	}
	if found == 0 {
		return User{}, ErrCredentials
	}
	return user, nil
}

func (u User) identity() session.Identity {
	return session.Identity{Subject: u.Name, Roles: u.Roles, Scopes: u.Scopes, Method: "password"}
}

// Login logs name in. ErrCredentials, or an error of the session. The subject is
// the table's spelling of the name, never the client's.
func (a *App) Login(ctx context.Context, s *session.Session, name, password string) error {
	u, err := check(name, password)
	if err != nil {
		return err
	}
	if err := s.Login(ctx, u.identity()); err != nil {
		return err
	}
	return notices.Add(s, "Hello "+u.Name+". Your session has a new id since you logged in.")
}

// Logout logs out. For a user it revokes the session instead of only ending it: that
// ends the access tokens that were issued for it too, which are good elsewhere.
func (a *App) Logout(ctx context.Context, s *session.Session) error {
	p, err := s.Principal()
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return s.Logout(ctx)
	case err != nil:
		return err
	}
	_, err = s.Revoke(ctx, p.Session)
	return err
}

// StepUp lets whoever is logged in prove it again. For the same subject, Login
// gives the session a new id and keeps the rest.
func (a *App) StepUp(ctx context.Context, s *session.Session, password string) error {
	p, err := s.Principal()
	if err != nil {
		return err
	}
	u, err := check(p.Subject, password)
	if err != nil {
		return err
	}
	if err := s.Login(ctx, u.identity()); err != nil {
		return err
	}
	return notices.Add(s, "Thank you. The session goes on under a new id, with all its data.")
}

// After is the page that a step-up leads to. The form names it and never gives a
// URL, so that nobody can be sent elsewhere.
func After(name string) string {
	if name == "vault" {
		return "/vault"
	}
	return "/"
}
