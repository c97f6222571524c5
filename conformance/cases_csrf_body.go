package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfBodyCases are about what a request's body is and says.
func csrfBodyCases() []Case {
	return []Case{csrfAnyType(), csrfFieldInForms(), csrfFieldForms(), csrfBodyStays(), csrfLargeForm(), csrfMultipart(), csrfMultipartHostile(), csrfJSONOnly()}
}

// csrfTypes are content types that a page can send without a preflight, and their spellings
// that have let a check pass.
var csrfTypes = []string{
	"", "text/plain", "text/plain; charset=utf-8", "TEXT/PLAIN", "application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded",
	"application/x-www-form-urlencoded;charset=UTF-8", "application/x-www-form-urlencoded ; x", "application/x-www-form-urlencodedx",
	"multipart/form-data; boundary=b", "MULTIPART/form-data; boundary=b", "multipart/form-data", "multipart/mixed; boundary=b",
	"application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/json;", "text/plain; application/json", "application/jsonx",
	"application/vnd.api+json", "text/json", "application/xml", "application/octet-stream", "junk", "/", ";", "text", "*/*", "application/json, text/plain",
}

// csrfBodyOf is a body that a reader of the type can make something of.
func csrfBodyOf(kind string) string {
	if strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		return csrfPart("amount", "1")
	}
	return `{"amount":"1"}`
}

// garbled reports whether a is a server's own refusal of a multipart form that it cannot
// read, in front of everything.
func (b *csrfTab) garbled(kind string, a *Answer) bool {
	b.t.Helper()
	if a.Status != 400 || a.Code() != "" || !strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		return false
	}
	b.none(a)
	b.t.Calls()
	b.t.Events()
	return true
}

func csrfAnyType() Case {
	return Case{
		ID: "F9", Slug: "csrf/every-content-type",
		Rule:   "The check runs whatever type a body has, however that is written, or if there is none: no type is a proof that no page of somebody else sent it.",
		Clause: "CVE-2024-43787; CVE-2024-48913; CVE-2022-41919; CVE-2021-32677; CVE-2023-29003; CVE-2024-56140",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, kind := range csrfTypes {
					body := csrfBodyOf(kind)
					b.refused(b.send("/transfer", kind, body, csrfCrossSite, b.with()), audit.CauseCrossSite)
					b.refused(b.send("/transfer", kind, body, csrfEvil, b.with()), audit.CauseCrossSite)
					b.refused(b.send("/transfer", kind, body, csrfSameOrigin), audit.CauseTokenMissing)
					b.passed(b.send("/transfer", kind, body, csrfSameOrigin, b.with()))
					if a := b.send("/transfer", kind, "", csrfSameOrigin); !b.garbled(kind, a) {
						b.refused(a, audit.CauseTokenMissing)
					}
				}
				b.refused(b.send("/transfer", " "+jsonType, "{}", csrfSameOrigin), audit.CauseTokenMissing)
				b.refused(b.send("/transfer", jsonType, "{}", csrfSameOrigin, "Content-Type: text/plain"), audit.CauseTokenMissing)
			}
		},
	}
}

func csrfFieldInForms() Case {
	return Case{
		ID: "F9", Slug: "csrf/field-in-forms-only",
		Rule:   "A body is read as a form only if it says, in one line, that it is one.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				form := "csrf_token=" + b.token
				for _, kind := range csrfTypes {
					media, _, _ := strings.Cut(kind, ";")
					a := b.send("/transfer", kind, form, csrfSameOrigin)
					if b.garbled(kind, a) {
						continue
					}
					if strings.EqualFold(strings.TrimSpace(media), urlencoded) {
						b.passed(a)
					} else {
						b.refused(a, audit.CauseTokenMissing)
					}
				}
				b.refused(b.send("/transfer", jsonType, `{"csrf_token":"`+b.token+`"}`, csrfSameOrigin), audit.CauseTokenMissing)
				b.refused(b.send("/transfer", urlencoded, form, csrfSameOrigin, "Content-Type: text/plain"), audit.CauseTokenMissing)
				b.refused(b.send("/transfer", "text/plain", form, csrfSameOrigin, "Content-Type: "+urlencoded), audit.CauseTokenMissing)
				b.refused(b.send("/transfer", csrfMultipartType, csrfPart("csrf_token", b.token), csrfSameOrigin), audit.CauseTokenMissing)
			}
		},
	}
}

func csrfFieldForms() Case {
	return Case{
		ID: "F9", Slug: "csrf/form-is-read-strictly",
		Rule:   "A form that cannot be read without guessing has no token in it.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				form := "csrf_token=" + b.token
				for _, body := range []string{form, "a=1&" + form, form + "&a=1&b=2", "&" + form + "&", "a&" + form, "a=%2B+%25&" + form, form + "&a=%"} {
					b.passed(b.send("/transfer", urlencoded, body, csrfSameOrigin))
				}
				for _, body := range []string{"", "a=1", form + "&%zz=1", "%&" + form, "a=1;" + form, form + ";a=1", form + "%", " " + form} {
					b.refused(b.send("/transfer", urlencoded, body, csrfSameOrigin), audit.CauseTokenMissing)
				}
				for _, body := range []string{form + "\r\n", form + "+", form + ",", "csrf_token=+" + b.token} {
					b.refused(b.send("/transfer", urlencoded, body, csrfSameOrigin), audit.CauseTokenInvalid)
				}
			}
		},
	}
}

// echoed checks that the action happened and had the whole body.
func (b *csrfTab) echoed(a *Answer, body string) {
	b.t.Helper()
	b.Check(a, says(body))
	Equal(b.t, "length of what the handler read", len(a.Body), len(body))
	b.happened()
	b.loaded()
}

func csrfBodyStays() Case {
	return Case{
		ID: "F9", Slug: "csrf/body-stays-readable",
		Rule:   "What was read of a body to look for the token is there for the handler as if nobody had read it.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, n := range []int{1, 100, 60_000} {
					body := "csrf_token=" + b.token + "&filler=" + strings.Repeat("x", n)
					b.echoed(b.send("/echo", urlencoded, body, csrfSameOrigin), body)
					b.echoed(b.send("/echo", "text/plain", body, csrfSameOrigin, b.with()), body)
				}
				// In chunks, as whoever does not know the length sends it.
				body := "filler=x&csrf_token=" + b.token
				raw := fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n%s\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
					s.Addr, urlencoded, csrfSameOrigin, b.jar()[0], 10, body[:10], len(body)-10, body[10:])
				b.echoed(b.Raw(raw), body)
			}
		},
	}
}

func csrfLargeForm() Case {
	return Case{
		ID: "F9", Slug: "csrf/large-form",
		Rule:   "A form of more than 64 KiB is not searched: its token comes in the header, and then the handler gets all of it.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				form := "csrf_token=" + b.token + "&filler="
				fits := form + strings.Repeat("x", 64<<10-len(form))
				b.echoed(b.send("/echo", urlencoded, fits, csrfSameOrigin), fits)
				a := b.send("/echo", urlencoded, fits+"x", csrfSameOrigin)
				b.refused(a, audit.CauseTokenMissing)
				b.echoed(b.send("/echo", urlencoded, fits+"x", csrfSameOrigin, b.with()), fits+"x")
			}
		},
	}
}

const csrfMultipartType = "multipart/form-data; boundary=b"

// csrfPart is a form with one field.
func csrfPart(name, value string) string {
	return csrfParts(`form-data; name="`+name+`"`, value)
}

// csrfParts is a body with parts of these dispositions and contents.
func csrfParts(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: " + pairs[i] + "\r\n\r\n" + pairs[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func csrfMultipart() Case {
	return Case{
		ID: "F9", Slug: "csrf/multipart",
		Rule:   "A multipart form sends its token in the header unless the application asks for the field; the handler then still gets the whole form.",
		Clause: "RFC 7578; DESIGN section 2",
		Run: func(t *T) {
			for _, reads := range []bool{false, true} {
				s := t.csrfServe(csrf.Config{Multipart: reads})
				for _, b := range s.bothTabs() {
					body := csrfParts(`form-data; name="amount"`, "1", `form-data; name="csrf_token"`, b.token, `form-data; name="f"; filename="f.txt"`, "a file\r\n--c\r\n")
					a := b.send("/echo", csrfMultipartType, body, csrfSameOrigin)
					if reads {
						b.echoedParts(a, body)
						b.refused(b.send("/transfer", csrfMultipartType, csrfPart("csrf_token", b.token[1:]), csrfSameOrigin), audit.CauseTokenInvalid)
						b.passed(b.send("/transfer", "Multipart/Form-Data; charset=utf-8; boundary=\"b\"", body, csrfSameOrigin))
					} else {
						b.refused(a, audit.CauseTokenMissing)
					}
					b.refused(b.send("/echo", csrfMultipartType, csrfPart("amount", "1"), csrfSameOrigin), audit.CauseTokenMissing)
					b.echoedParts(b.send("/echo", csrfMultipartType, body, csrfSameOrigin, b.with()), body)
					b.refused(b.send("/echo", csrfMultipartType, body, csrfCrossSite), audit.CauseCrossSite)
				}
			}
		},
	}
}

// echoedParts is echoed for a multipart form, the parts of which a server may have sorted.
func (b *csrfTab) echoedParts(a *Answer, body string) {
	b.t.Helper()
	parts := func(s string) string { return strings.Join(slices.Sorted(strings.SplitSeq(s, "--b")), "--b") }
	b.Check(a, Want{Status: 200, Asked: true})
	Equal(b.t, "parts that the handler read", parts(a.Body), parts(body))
	b.happened()
	b.loaded()
}

func csrfMultipartHostile() Case {
	return Case{
		ID: "F9", Slug: "csrf/multipart-is-read-strictly",
		Rule:   "In a multipart form the token is one field, no file and not there twice; a form that is damaged, too long or of another type has none.",
		Clause: "RFC 7578 section 4; DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{Multipart: true})
			for _, b := range s.bothTabs() {
				field := `form-data; name="csrf_token"`
				whole := csrfPart("csrf_token", b.token)
				for _, row := range []struct{ kind, body string }{
					{csrfMultipartType, csrfParts(field, b.token, field, b.token)},
					{csrfMultipartType, csrfParts(field, b.token, field, "x")},
					{csrfMultipartType, csrfParts(field+`; filename="t"`, b.token)},
					{csrfMultipartType, csrfParts(`form-data; name="CSRF_TOKEN"`, b.token)},
					{csrfMultipartType, csrfParts(`form-data; name="a"; filename="csrf_token"`, b.token)},
					{csrfMultipartType, csrfParts(`attachment; name="csrf_token"`, b.token)},
					{csrfMultipartType, strings.TrimSuffix(whole, "--b--\r\n")},
					{csrfMultipartType, whole[:len(whole)/2]},
					{csrfMultipartType, strings.TrimSuffix(csrfParts(field, b.token, `form-data; name="a"`, "x"), "\r\n--b--\r\n")},
					{csrfMultipartType, "csrf_token=" + b.token},
					{csrfMultipartType, ""},
					{"multipart/form-data", whole},
					{"multipart/form-data; boundary=c", whole},
					{"multipart/form-data; boundary=", whole},
					{"multipart/mixed; boundary=b", whole},
					{"text/plain; boundary=b", whole},
					{csrfMultipartType, csrfParts(`form-data; name="f"; filename="f"`, strings.Repeat("x", 64<<10), field, b.token)},
				} {
					if a := b.send("/transfer", row.kind, row.body, csrfSameOrigin); !b.garbled(row.kind, a) {
						b.refused(a, audit.CauseTokenMissing)
						b.passed(b.send("/transfer", row.kind, row.body, csrfSameOrigin, b.with()))
					}
				}
			}
		},
	}
}

func csrfJSONOnly() Case {
	return Case{
		ID: "F9", Slug: "csrf/json-only",
		Rule:   "Where only JSON is read, a body that does not say that it is JSON is refused with 415, token or not; one that no page can send without a preflight is served.",
		Clause: "CVE-2021-32677; CVE-2022-41919; OWASP ASVS 5.0 3.5.2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{JSONOnly: true})
			for _, b := range s.bothTabs() {
				for _, kind := range csrfTypes {
					media, _, _ := strings.Cut(kind, ";")
					body := csrfBodyOf(kind)
					a := b.send("/echo", kind, body, csrfSameOrigin, b.with())
					if strings.EqualFold(strings.TrimSpace(media), jsonType) {
						b.echoed(a, body)
						b.refused(b.send("/echo", kind, body, csrfSameOrigin), audit.CauseTokenMissing)
						continue
					}
					b.otherType(a)
					b.otherType(b.send("/echo", kind, body, csrfSameOrigin))
					b.refused(b.send("/echo", kind, body, csrfCrossSite, b.with()), audit.CauseCrossSite)
				}
				b.otherType(b.send("/transfer", jsonType, "{}", csrfSameOrigin, b.with(), "Content-Type: text/plain"))
				b.otherType(b.send("/transfer", urlencoded, "csrf_token="+b.token, csrfSameOrigin))
				b.otherType(b.send("/transfer", "text/plain", "", csrfSameOrigin, b.with()))
				b.passed(b.transfer(csrfSameOrigin, b.with())) // there is no body to be of a type
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					b.Check(b.do(method, "/look", "Content-Type: text/plain"), Want{Status: 200})
					b.happened()
				}
			}
		},
	}
}

// otherType checks that a body was refused for its type.
func (b *csrfTab) otherType(a *Answer) {
	b.t.Helper()
	b.Check(a, Want{Status: 415, Code: "UNSUPPORTED_MEDIA_TYPE"})
	b.none(a)
	b.t.Calls()
	b.t.Events("csrf_refused:media-type")
}
