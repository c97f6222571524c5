package adapter

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/strict"
)

// params are the parameters of a request to a token endpoint, each of which may be there
// once (RFC 6749 section 3.2).
type params map[string]string

// media is what a body may be encoded as.
type media uint8

const (
	jsonBody media = 1 << iota
	formBody
	multipartBody // read by CSRF alone
)

var (
	errMediaType = errors.New("adapter: the Content-Type is not one that is read here, or there are several")
	errBody      = errors.New("adapter: the body cannot be read as what its Content-Type says")
	errDuplicate = errors.New("adapter: a parameter is there twice")
)

// paramLimits: what clients send is flat and short.
var paramLimits = strict.Limits{Depth: 4, Members: 32}

// readParams reads the body. Everything is read strictly, because what another reader
// in front, such as a firewall, may have understood differently was not checked by it.
func readParams(x Exchange, accepted media) (params, *Denied) {
	kind, ok := mediaOf(x.HeaderLines("Content-Type"))
	if !ok || kind&accepted == 0 {
		return nil, deny(core.UnsupportedMediaType, errMediaType)
	}
	body, err := x.Body()
	if err != nil {
		return nil, deny(core.InvalidRequest, err)
	}
	p := params{}
	if kind == formBody {
		err = p.readForm(string(body))
	} else {
		err = p.readJSON(string(body))
	}
	if err != nil {
		return nil, deny(core.InvalidRequest, err)
	}
	return p, nil
}

// mediaOf goes by the type alone, as isForm does. A charset other than UTF-8 shows in the
// text.
func mediaOf(lines []string) (media, bool) {
	if len(lines) != 1 {
		return 0, false
	}
	kind, _, _ := strings.Cut(lines[0], ";")
	switch strings.ToLower(strings.Trim(kind, " \t")) {
	case "application/json":
		return jsonBody, true
	case "application/x-www-form-urlencoded":
		return formBody, true
	case "multipart/form-data":
		return multipartBody, true
	default:
		return 0, false
	}
}

func (p params) readForm(body string) error {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		var err error
		if name, err = url.QueryUnescape(name); err != nil {
			return errBody
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return errBody
		}
		if _, twice := p[name]; twice {
			return errDuplicate
		}
		if len(p) == paramLimits.Members {
			return errBody
		}
		p[name] = value
	}
	return nil
}

// readJSON takes members that are strings; others are nothing that is asked for here. An
// empty body says as much as an empty object.
func (p params) readJSON(body string) error {
	if strings.Trim(body, " \t\r\n") == "" {
		return nil
	}
	odd := ""
	fault := strict.Object(body, paramLimits, func(name string, v strict.Value) bool {
		text, ok := v.Text()
		switch {
		case ok:
			p[name] = text
		case known[strict.Fold(name)]:
			odd = name
		}
		return true
	})
	switch {
	case fault == strict.Duplicate || fault == strict.Case:
		return errDuplicate
	case fault != strict.OK:
		return errBody
	case odd != "":
		return fmt.Errorf("adapter: %s is not a string", odd)
	default:
		return nil
	}
}

// known are the parameters that mean something to one of the endpoints.
var known = map[string]bool{
	"grant_type": true, "refresh_token": true, "scope": true, "client_id": true, "client_secret": true,
	"token": true, "token_type_hint": true, "audience": true, "resource": true,
}
