package session

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/identity"
)

// Identity is who logs in, as the application has just verified.
type Identity struct {
	// Subject names the account: 1 to 255 bytes of UTF-8. Two spellings are two
	// subjects, so give the canonical one.
	Subject string
	// Roles and Scopes go into the session as they are; at most 255 of each, 1
	// to 255 bytes each.
	Roles  []string
	Scopes []string
	// Method says how the subject proved itself: "password", "webauthn". At
	// most 255 bytes; may be empty.
	Method string
	// Device names the client in Session.Devices. At most 255 bytes; default the
	// kinds of browser and system that the User-Agent claims, without versions.
	Device string
	// AuthTime is when it did so. Zero means now; it may not be in the future.
	AuthTime time.Time
}

// check returns every mistake at once.
func (id Identity) check(now time.Time) error {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "session.Identity." + field, Value: value, Reason: reason})
	}
	identity.Subject(id.Subject, bad)
	identity.Text("Method", id.Method, bad)
	identity.Text("Device", id.Device, bad)
	identity.AuthTime(id.AuthTime, now, bad)
	for _, l := range []struct {
		field string
		names []string
	}{{"Roles", id.Roles}, {"Scopes", id.Scopes}} {
		identity.Names(l.field, l.names, bad)
		if len(encodeList(l.names)) > maxListLen {
			bad(l.field, strconv.Itoa(len(l.names))+" names", "must be at most 65535 bytes together")
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("session: %w", errors.Join(errs...))
	}
	return nil
}
