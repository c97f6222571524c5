package conformance

import (
	"slices"
	"strconv"
	"strings"
)

// corsHeader ends the case unless these are all header lines of a, in any order: "Name:
// value", or "Name" alone for a line whose value does not matter here. Vary counts as the
// set of its fields, on however many lines. What belongs to the message and not to what it
// says is not listed, and must be in order.
func (s *Server) corsHeader(a *Answer, lines ...string) {
	s.t.Helper()
	t := s.t
	var want, fields []string
	free := map[string]bool{} // names whose value does not matter
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ": ")
		switch {
		case name == "Vary":
			fields = append(fields, strings.Split(value, ", ")...)
			continue
		case !ok:
			free[name] = true
		}
		want = append(want, l)
	}
	got := []string{}
	for name, values := range a.Header {
		for _, v := range values {
			switch {
			case corsFraming(a, name, values), name == "Vary":
			case free[name]:
				got = append(got, name)
			default:
				got = append(got, name+": "+v)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Failf("header: got %q, want %q and nothing else", got, want)
	}
	slices.Sort(fields)
	Equal(t, "Vary", varies(a), strings.Join(fields, ", "))
}

// corsFraming reports whether a header belongs to the message alone and is as it should be.
func corsFraming(a *Answer, name string, values []string) bool {
	if len(values) != 1 {
		return false
	}
	empty := a.Status == 204
	switch name {
	case "Date":
		return true
	case "Connection":
		return values[0] == "close" || values[0] == "keep-alive"
	case "Content-Type":
		return !empty
	case "Content-Length": // RFC 9110 section 8.6: none with 204
		return !empty && (strings.HasPrefix(a.Request, "HEAD ") || values[0] == strconv.Itoa(len(a.Body)))
	case "X-Content-Type-Options": // http.Error's
		return a.Status >= 400 && values[0] == "nosniff"
	default:
		return false
	}
}

// corsIs is corsHeader for an answer with this status.
func (s *Server) corsIs(a *Answer, status int, lines ...string) *Answer {
	s.t.Helper()
	Equal(s.t, "status", a.Status, status)
	if status == 204 {
		Equal(s.t, "body", a.Body, "")
	}
	s.corsHeader(a, lines...)
	return a
}

// corsSays is corsIs for an answer of the application's.
func (s *Server) corsSays(a *Answer, body string, lines ...string) {
	s.t.Helper()
	Equal(s.t, "body", a.Body, body)
	s.corsIs(a, 200, lines...)
}

// corsSilent ends the case if a has any header by which a page of another origin is
// allowed anything.
func (s *Server) corsSilent(a *Answer) {
	s.t.Helper()
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			s.t.Failf("%s: got %q, want none", name, a.Header[name])
		}
	}
}

// corsPreflight sends a preflight for target, which is answered with 204 and these lines.
func (s *Server) corsPreflight(target string, want []string, asked ...string) {
	s.t.Helper()
	s.corsIs(s.Do("OPTIONS", target, asked...), 204, want...)
}

// corsRefused sends a preflight that is not allowed what it asks for.
func (s *Server) corsRefused(target string, asked ...string) {
	s.t.Helper()
	s.corsPreflight(target, []string{corsVaryPreflight}, asked...)
}
