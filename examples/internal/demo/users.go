package demo

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/sallyport-go/sallyport/core/session"
)

// User is a row of the demo's user table.
type User struct {
	Name     string
	Password string // because the page prints it; a real table holds argon2id or bcrypt hashes
	Roles    []string
}

// Users is the user table.
var Users = []User{
	{Name: "alice", Password: "wonderland", Roles: []string{"admin"}},
	{Name: "bob", Password: "builder"},
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

// Login logs name in. ErrCredentials, or an error of the session. The subject is
// the table's spelling of the name, never the client's.
func (a *App) Login(ctx context.Context, s *session.Session, name, password string) error {
	u, err := check(name, password)
	if err != nil {
		return err
	}
	if err := s.Login(ctx, session.Identity{Subject: u.Name, Roles: u.Roles, Method: "password"}); err != nil {
		return err
	}
	return notices.Add(s, "Hello "+u.Name+". Your session has a new id since you logged in.")
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
	if err := s.Login(ctx, session.Identity{Subject: u.Name, Roles: u.Roles, Method: "password"}); err != nil {
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
