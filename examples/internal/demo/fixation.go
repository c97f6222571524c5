package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Report is what came of an attempt at session fixation.
type Report struct {
	Refused bool
	Steps   []Step
}

// Step is one step of it. ID is a fingerprint: the id itself would be a credential.
type Step struct{ Did, ID, Saw string }

// fingerprint lets ids be told apart and nothing else.
func fingerprint(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:4])
}

// Fixation attacks this application over HTTP, the way somebody would who can plant
// a cookie in the browser of a victim: choose an id, let the victim log in with
// it, then use it. bob plays the victim.
func (a *App) Fixation(ctx context.Context) (Report, error) {
	raw := make([]byte, 36)
	_, _ = rand.Read(raw)                               // never fails
	chosen := base64.RawURLEncoding.EncodeToString(raw) // of the right form, so that only its origin is wrong
	r := Report{Refused: true}
	note := func(refused bool, did, id, saw string) {
		r.Refused = r.Refused && refused
		r.Steps = append(r.Steps, Step{did, fingerprint(id), saw})
	}
	note(true, "The attacker chooses an id and plants it in the victim's browser", chosen, "")

	_, before, err := a.send(ctx, http.MethodGet, "/", chosen, nil)
	if err != nil {
		return r, err
	}
	note(before != "" && before != chosen, "The victim opens this page with it", before, "the answer sets another id")

	victim := url.Values{"user": {Users[1].Name}, "password": {Users[1].Password}}
	_, after, err := a.send(ctx, http.MethodPost, "/login", before, victim)
	if err != nil {
		return r, err
	}
	note(after != "" && after != before && after != chosen, "The victim logs in", after, "the id changes again")

	for _, try := range []struct {
		did, id string
		want    int
	}{
		{"The attacker uses the id of their choice", chosen, http.StatusUnauthorized},
		{"The attacker uses the id from before the login", before, http.StatusUnauthorized},
		{"The victim uses theirs", after, http.StatusOK},
	} {
		status, _, err := a.send(ctx, http.MethodGet, "/me", try.id, nil)
		if err != nil {
			return r, err
		}
		note(status == try.want, try.did, try.id, fmt.Sprint(status, " ", http.StatusText(status)))
	}
	_, _, err = a.send(ctx, http.MethodPost, "/logout", after, nil)
	return r, err
}

// send makes a request to this application and returns the status and the id that
// the answer sets, if any.
func (a *App) send(ctx context.Context, method, path, id string, form url.Values) (status int, set string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "the demo's own attacker and victim")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	name := a.Sessions.Cookie().Name()
	req.AddCookie(&http.Cookie{Name: name, Value: id})
	res, err := a.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == name {
			set = c.Value
		}
	}
	return res.StatusCode, set, nil
}
