package cors

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// Tell records that a request was not allowed, if Config.Debug asks for it. e says where
// it came from, and its Cause is the Answer's; Name, Time and Err are set here. Err names
// what was asked for, up to 256 bytes of each, and what to do about it as far as that is
// plain. Nothing of r is kept.
func (p *Policy) Tell(ctx context.Context, e audit.Event, r Request) {
	c := p.now.Load()
	if c == nil || !c.debug || e.Cause == "" {
		return
	}
	e.Name, e.Time = audit.CORSRefused, c.clock()
	e.Err = errors.New("cors: a page of " + quote(r.Origin) + " " + c.explain(e.Cause, r))
	c.audit.Record(ctx, e)
}

// explain judges by the policy of this moment, which may be a later one than the request
// was judged by: then it says less.
func (c *compiled) explain(cause audit.Cause, r Request) string {
	switch cause {
	case audit.CauseMethod:
		return "asks for the method " + quote(r.RequestMethod) + ", which is not allowed" + c.methodHint(r.RequestMethod)
	case audit.CauseHeader:
		_, element, fault := c.headers.asked(r.RequestHeaders)
		if fault == "" {
			return "asks for the headers " + quote(r.RequestHeaders) + ", which were not allowed"
		}
		return "asks for the headers " + quote(r.RequestHeaders) + ", of which " + strconv.Quote(cut(element)) + " " + fault + c.headerHint(element)
	case audit.CausePrivateNetwork:
		return "asks for a private network, and DangerouslyAllowPrivateNetwork is off"
	default:
		return "is not allowed" + c.originHint(r.Origin)
	}
}

// The hints are for the mistakes that are hard to see.

func (c *compiled) originHint(lines []string) string {
	if len(lines) != 1 {
		return tooMany(lines)
	}
	from := cut(lines[0])
	if reason := origin.Malformed(from); reason != "" {
		return ": it " + reason
	}
	if twin := twin(from); c.origins.allows(twin) == twin {
		return ", but " + twin + " is"
	}
	return ""
}

func twin(of string) string {
	if rest, ok := strings.CutPrefix(of, "http://"); ok {
		return "https://" + rest
	}
	return "http://" + strings.TrimPrefix(of, "https://")
}

func (c *compiled) methodHint(lines []string) string {
	if len(lines) != 1 {
		return tooMany(lines)
	}
	if upper := strings.ToUpper(cut(lines[0])); upper != lines[0] && c.methods.allows(upper) {
		return ", but " + upper + " is"
	}
	return ""
}

func (c *compiled) headerHint(element string) string {
	switch lower := strings.ToLower(cut(element)); {
	case c.headers.any && lower == authorization:
		return ": the asterisk does not cover it, so name it too"
	case lower != element && c.headers.allows(lower):
		return ": browsers write it in lower case"
	default:
		return ""
	}
}

func tooMany(lines []string) string {
	if len(lines) > 1 {
		return ": that is more than one"
	}
	return ""
}

const maxQuote = 256

// quote makes text of the lines of a header, without knowing how many or how long they are.
func quote(lines []string) string {
	switch len(lines) {
	case 0:
		return "none"
	case 1:
		return strconv.Quote(cut(lines[0]))
	default:
		return strconv.Quote(cut(lines[0])) + ", " + strconv.Quote(cut(lines[1])) + " in " + strconv.Itoa(len(lines)) + " lines"
	}
}

func cut(s string) string { return s[:min(len(s), maxQuote)] }
