package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core/csrf"
)

var errNoField = errors.New("adapter: the form has no field of that name")

// tokenOf returns the one token of a request: of a header, and if there is no such line, of
// a form field. csrf.ErrNoToken if there is none, or more than one.
func tokenOf(g *csrf.Guard, x Exchange) (string, error) {
	switch lines := x.HeaderLines(g.HeaderName()); len(lines) {
	case 0:
	case 1:
		return lines[0], nil
	default:
		return "", csrf.ErrNoToken
	}
	types := x.HeaderLines("Content-Type")
	kind, ok := mediaOf(types)
	if !ok || kind != formBody && !(kind == multipartBody && g.Multipart()) {
		return "", csrf.ErrNoToken
	}
	body, err := x.Body()
	token := ""
	switch {
	case err != nil:
	case kind == formBody:
		token, err = formField(string(body), g.FieldName())
	default:
		token, err = multipartField(body, types[0], g.FieldName())
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", csrf.ErrNoToken, err)
	}
	return token, nil
}

// formField returns the value of a field that is there once in a body of
// application/x-www-form-urlencoded. The values of the others do not matter, their names
// must be readable: a more lenient reader could find the field in them once more. No
// browser sends a bare semicolon, which has been a separator to some.
func formField(body, field string) (value string, err error) {
	if strings.Contains(body, ";") {
		return "", errBody
	}
	found := false
	for pair := range strings.SplitSeq(body, "&") {
		name, text, _ := strings.Cut(pair, "=")
		if name, err = url.QueryUnescape(name); err != nil {
			return "", errBody
		}
		if pair == "" || name != field {
			continue
		}
		if found {
			return "", errDuplicate
		}
		found = true
		if value, err = url.QueryUnescape(text); err != nil {
			return "", errBody
		}
	}
	if !found {
		return "", errNoField
	}
	return value, nil
}

// multipartField is formField for a body of multipart/form-data. A part without a readable
// name is refused for the same reason, and so is a file in the field's place.
func multipartField(body []byte, contentType, field string) (value string, err error) {
	_, p, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", errBody
	}
	found := false
	for r := multipart.NewReader(bytes.NewReader(body), p["boundary"]); ; {
		part, err := r.NextPart()
		if err == io.EOF { // the end; a body that breaks off wraps it
			break
		}
		if err != nil {
			return "", errBody
		}
		switch name := part.FormName(); {
		case name == "" || name == field && part.FileName() != "":
			return "", errBody
		case name != field:
			continue
		case found:
			return "", errDuplicate
		}
		found = true
		text, err := io.ReadAll(part)
		if err != nil {
			return "", errBody
		}
		value = string(text)
	}
	if !found {
		return "", errNoField
	}
	return value, nil
}

// onlyJSON reports whether the body, if there is one, says that it is JSON.
func onlyJSON(x Exchange) bool {
	lines := x.HeaderLines("Content-Type")
	if len(lines) == 0 {
		body, err := x.Body()
		return err == nil && len(body) == 0
	}
	kind, ok := mediaOf(lines)
	return ok && kind == jsonBody
}
