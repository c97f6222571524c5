package demo

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// Device is what GET /devices answers for each session of whoever asks.
type Device struct {
	Session string    `json:"session"`
	Name    string    `json:"name"`
	Method  string    `json:"method"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"`
	Current bool      `json:"current"`
}

// Devices lists where the user is logged in.
func (a *App) Devices(ctx context.Context, s *session.Session) ([]Device, error) {
	list, err := s.Devices(ctx)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, len(list))
	for i, d := range list {
		devices[i] = Device{d.Handle, d.Name, d.Method, d.Created, d.Touched, d.Current}
	}
	return devices, nil
}

// Revoke logs out one device of the user, which may be the one that asks.
func (a *App) Revoke(ctx context.Context, s *session.Session, handle string) error {
	ended, err := s.Revoke(ctx, handle)
	if err != nil {
		return err
	}
	switch _, err := s.Principal(); {
	case errors.Is(err, core.ErrAnonymous):
		return nil // it was this one, and a notice would begin another session
	case err != nil:
		return err
	case !ended:
		return notices.Add(s, "You are not logged in on such a device.")
	}
	return notices.Add(s, "That device is logged out. Its next request is refused.")
}

// RevokeOthers logs out every device of the user but the one that asks.
func (a *App) RevokeOthers(ctx context.Context, s *session.Session) error {
	if err := s.RevokeOthers(ctx); err != nil {
		return err
	}
	return notices.Add(s, "Every other device is logged out, and this device has a new id.")
}

// ChangePassword stands in for one. The demo's user table stays as it is; what
// follows for the sessions is real.
func (a *App) ChangePassword(ctx context.Context, s *session.Session) error {
	if err := s.RevokeOthers(ctx); err != nil {
		return err
	}
	return notices.Add(s, "This device has a new id and every other one is logged out, as after any change of password. "+
		"The password itself is still the old one, because this is a demo.")
}
