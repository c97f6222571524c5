package main

// sessionMutants break how sessions begin, change and end.
var sessionMutants = []mutant{
	{name: "login keeps the id (session fixation, CVE-2022-25896)", file: "core/session/transition.go",
		old: "if s.state == live && s.rec.subject == id.Subject {", new: "if s.state == live {",
		adapter: "nethttp", slug: "session/login-changes-id"},
}
