package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/strict"
)

const metadataPath = "/.well-known/openid-configuration"

// fetch returns the keys that the issuer publishes now. The metadata is read each
// time: an issuer that moves its keys is followed, and one that left is noticed.
func (r *RemoteKeys) fetch(ctx context.Context) (keys []*verificationKey, err error) {
	defer func() {
		// No framework recovers in this goroutine: a Transport that panics would
		// end the program.
		if p := recover(); p != nil {
			keys, err = nil, fmt.Errorf("a panic: %v", p)
		}
	}()
	location := r.cfg.URL
	if location == "" {
		if location, err = r.discover(ctx); err != nil {
			return nil, err
		}
	}
	doc, err := r.get(ctx, location, "application/jwk-set+json, application/json")
	if err != nil {
		return nil, err
	}
	return parseKeySet(doc)
}

// discover returns jwks_uri of the issuer's metadata (OpenID Connect Discovery
// section 4).
func (r *RemoteKeys) discover(ctx context.Context) (string, error) {
	doc, err := r.get(ctx, strings.TrimSuffix(r.cfg.Issuer, "/")+metadataPath, "application/json")
	if err != nil {
		return "", err
	}
	issuer, location, err := parseMetadata(doc)
	if err != nil {
		return "", fmt.Errorf("the metadata: %w", err)
	}
	if issuer != r.cfg.Issuer {
		// Section 4.3. Whoever can put a document there, on a host that many
		// tenants share for instance, must not speak for another.
		return "", fmt.Errorf("the metadata is that of %q", issuer)
	}
	if reason := urlReason(location, r.cfg.InsecureHTTP); reason != "" {
		return "", fmt.Errorf("jwks_uri %q %s", location, reason)
	}
	return location, nil
}

// metadataLimits are far above what issuers publish and far below what would hurt.
var metadataLimits = strict.Limits{Depth: 8, Members: 1024}

// parseMetadata returns the members issuer and jwks_uri. A member that occurs twice,
// or in two cases, makes the document mean one thing here and another elsewhere.
func parseMetadata(doc []byte) (issuer, location string, err error) {
	want := map[string]*string{"issuer": &issuer, "jwks_uri": &location}
	fault := strict.Object(string(doc), metadataLimits, func(name string, v strict.Value) bool {
		if member := want[name]; member != nil {
			*member, _ = v.Text()
		}
		return true
	})
	switch {
	case fault != strict.OK:
		return "", "", errors.New("not one JSON object whose members occur once each")
	case issuer == "":
		return "", "", errors.New("no issuer, or not a string")
	case location == "":
		return "", "", errors.New("no jwks_uri, or not a string")
	default:
		return issuer, location, nil
	}
}

func (r *RemoteKeys) get(ctx context.Context, location, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	return exchange(r.client, req, r.cfg.MaxBytes)
}

// exchange returns the body of the answer to req, which must be 200 and have at most
// limit bytes. An error names where it was asked, and nothing else of the request.
func exchange(client *http.Client, req *http.Request, limit int64) ([]byte, error) {
	// Said explicitly, this keeps http.Transport from asking for gzip and from
	// undoing it: what is counted below is what is parsed.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", req.URL, resp.StatusCode)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, fmt.Errorf("%s answered with the coding %q, which was not asked for", req.URL, coding)
	}
	// One byte more than allowed tells a document that is too long from one that
	// just fits: a set that was cut off could parse, and would revoke the rest.
	doc, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil {
		// A server that sees us hang up at the deadline may end its answer in due
		// form, in time for the last read.
		err = req.Context().Err()
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", req.URL, err)
	case int64(len(doc)) > limit:
		return nil, fmt.Errorf("%s answered with more than %d bytes", req.URL, limit)
	default:
		return doc, nil
	}
}
