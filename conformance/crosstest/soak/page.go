package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// machine is what the figures of a page depend on besides the seed.
type machine struct {
	date, goVersion, platform, model string
	cores, used                      int
}

func thisMachine() machine {
	return machine{
		date: time.Now().UTC().Format(time.DateOnly), goVersion: runtime.Version(),
		platform: runtime.GOOS + "/" + runtime.GOARCH, model: cpuModel(),
		cores: runtime.NumCPU(), used: runtime.GOMAXPROCS(0),
	}
}

// cpuModel is what Linux says; "unknown" elsewhere.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// page is the whole document.
func page(o *outcome, m machine) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Refresh rotation: a soak\n")
	p("<!-- Written by make soak. What is changed here by hand is lost. -->\n")
	p(`Simulated: %s logins of clients that nobody steals from, and %s thieves of %d kinds, against the Rotator of
core/refresh on core/memstore; and smaller numbers against models of other schemes. There is no real time and no network:
one event comes after another, by a clock that is set, and an access token is its claims, unsigned. So the figures are about
the rule and its code, and not about browsers, Redis or speed. Seed %d; it took %s on %d of the machine's %d cores (%s),
%s, %s, %s. A seed has the same outcome on any number of cores. To run it again:
`, thousands(o.size.sessions+o.size.rough), thousands(int64(methods)*o.size.thieves), methods, o.size.seed, o.took.Round(time.Second),
		m.used, m.cores, m.model, m.goVersion, m.platform, m.date)
	p("```sh\nmake soak                   # writes this page\ncd conformance/crosstest\ngo run ./soak -seed 2       # prints another one\ngo run ./soak -short        # in a few seconds\n```\n")
	honestPart(p, o)
	thiefPart(p, o)
	schemePart(p, o)
	return b.String()
}

type printer func(format string, args ...any)

func honestPart(p printer, o *outcome) {
	s := &o.honest
	p("## Clients that nobody steals from\n")
	p(`%d tabs share one jar. Each has an access token of its own, which lives ten minutes, and refreshes when it runs out,
with what the jar says at that moment. A request takes up to 0.3 s and so does an answer, but 3 %% of the answers take up to
what is left of the grace, 10 s. 5 %% of the exchanges are lost, half of them on the way there and half on the way back.
Whoever has waited for 1 to 11 s reads the jar again and retries, while the first answer may still come; one in ten of those
who lost it comes back about an hour later, half of them because the lid was closed, with all tabs at once. In ten minutes
one browser in ten is closed, with what was under way, and restored with all its tabs. Of the access tokens 80 %% are used at
once, the others at some time of their life. Half of the clients keep tabs that refreshed together in step; for the others
the life of an access token is up to 5 %% shorter, at random. In the end the client logs out, and nothing may be good after.

The **rough** network is the edge of what the rule allows for: an exchange takes any time up to 10 s, of which the request
may be any part. 20 %% are lost, one in fifty of those who lost one comes back an hour later, and half of the browsers are
closed and restored in ten minutes.
`, maxTabs)
	p("| | first network | rough |\n|---|--:|--:|")
	r := &o.rough
	line := func(what string, n, m int64) { p("| %s | %s | %s |", what, thousands(n), thousands(m)) }
	line("sessions", s.sessions, r.sessions)
	line("simulated hours", s.simulated/3600, r.simulated/3600)
	p("| generations of the refresh token, of a session on average | %.1f | %.1f |", ratio(s.generations, s.sessions), ratio(r.generations, r.sessions))
	line("refreshes sent", s.requests, r.requests)
	line("of these lost, there or back", s.lost, r.lost)
	p("| of these answered slowly | %s | any |", thousands(s.slow))
	line("retries an hour later", s.hours, r.hours)
	line("browsers closed and restored", s.closes, r.closes)
	line("requests with an access token", s.uses, r.uses)
	line("of these told 401 for a token that a late repeat had voided; the tab refreshed and went on", s.voided, r.voided)
	line("refreshes told 503", s.failed, r.failed)
	line("sessions with a token that was good after the logout", s.revived, r.revived)
	p("| **false logouts** | **%s** | **%s** |\n", thousands(s.logouts), thousands(r.logouts))
	if s.logouts == 0 && s.sessions > 0 {
		p("None of %s means: with a confidence of 95 %%, fewer than %s in a million of clients like these.\n",
			thousands(s.sessions), thousands((3_000_000+s.sessions-1)/s.sessions))
	}
}

func thiefPart(p printer, o *outcome) {
	p("## Thieves\n")
	p(`The thief copies the jar once, at some moment of the second or third life of an access token. The victim is a client as
above on the first network, with one tab or with %d in turn, and two and a half hours long. The thief's requests take no time
and are never lost, and the simulation tells him what the victim does, as far as his method needs it. What access token he
gets he uses at once and then once a minute while it is accepted.

- **eager** refreshes at once with what he copied, and again when his access token is not accepted any more.
- **patient** refreshes shortly before the victim is expected to, and holds the access token back until the victim has
  refreshed too and has used its answer.
- **polling n−1** presents the same token again and again, one to ten seconds apart, holds back what he gets, and reads
  every claim of every answer. He stops when they show that the victim was answered in between, or, where they cannot show
  it, after a random while.
- **racing** refreshes up to 10 s after every refresh of the victim.
- **racing, poor aim** does so up to 30 s after it.
- **lurking** does nothing until the victim has been answered and has left the answer unused for longer than the grace; then
  he presents its predecessor.

With his own jar he does one of two things: he **keeps** the copy and presents that each time, or he **follows** and
presents the latest refresh token that he was given. *Exposed*: the family ended because of reuse, with everything that was
issued for it. *Nothing accepted*: all of his access tokens were refused, or he never asked for one, whether he was exposed
or not. *Requests* and *minutes* are of those who were exposed after something had been accepted: how many of their requests
were, and how long after the first of them the end came. *Missed*: something was accepted, and he was never exposed.
`, maxTabs)
	p("| thief | jar | thieves | exposed | nothing accepted | requests: median, 99 %%, most | minutes: median, 99 %%, most | missed |")
	p("|---|---|--:|--:|--:|--:|--:|--:|")
	var all sums
	for m := range methods {
		for i, jar := range []string{"keeps", "follows"} {
			s := &o.thieves[m][i]
			all.add(s)
			p("| %s | %s | %s | %s | %s | %d, %d, %d | %s, %s, %s | %s |", methodNames[m], jar, thousands(s.sessions),
				percent(s.exposed+s.exposedEmpty, s.sessions), percent(s.exposedEmpty+s.empty, s.sessions),
				s.accepted.quantile(0.5), s.accepted.quantile(0.99), s.accepted.quantile(1),
				minutes(s.took.quantile(0.5)), minutes(s.took.quantile(0.99)), minutes(s.took.quantile(1)), percent(s.missed, s.sessions))
		}
	}
	p("")
	p(`A thief whose access token was accepted should be exposed when the victim refreshes next, but for what stays open. So
each access token of a thief that was accepted, of all the thieves above, is looked at again at that moment:
`)
	p("| the family of an accepted access token, when the victim has refreshed next | tokens | |\n|---|--:|--:|")
	line := func(what string, n int64) { p("| %s | %s | %s |", what, thousands(n), percent(n, all.hauls)) }
	line("has ended", all.atNext)
	line(fmt.Sprintf("lives: the token was answered within %d s after an answer to the victim", afterAnswerFor/second), all.passed[afterAnswer])
	line(fmt.Sprintf("lives: within %d s after the victim first used or presented what it was answered", afterUseFor/second), all.passed[afterUse])
	line(fmt.Sprintf("lives: answered or first accepted within %d s before that refresh", grace/second), all.passed[beforeRefresh])
	line("lives: answered when the victim had been given the same generation and had not used it", all.passed[unused])
	line("lives, for none of these reasons", all.passed[unexplained])
	line("unknown: the session was over before the victim refreshed again", all.pending)
	p(`
The first three reasons are what the rule leaves open: whoever lands in the window around a refresh of the victim looks like
another of its tabs, and the racing thief, who is told when that is, does nothing else. The fourth is a victim that was
answered and then left the answer unused for longer than the grace. The server cannot tell that from an answer that was lost,
so whoever comes with the predecessor is answered, what the victim was given is void, and the victim's next refresh, which
presents the latest token, gives nobody away. Here one access token in five is not used at once. A client that uses its access
token as soon as it has it leaves no such gap.
`)
}

func schemePart(p printer, o *outcome) {
	p("## Beside other schemes\n")
	p(`%s sessions with each scheme and %s thieves of each kind, with the same seeds. All but the first are models, in
conformance/crosstest/rotation; those from *%s* on are the first without one of its parts. **False logouts**:
clients as above, on the first network. **Restored**: %d tabs, one restore and nothing that goes wrong besides. **An hour
later**: one tab, one lost answer and a retry an hour later.

The thieves follow, and their victim is a client that no scheme here logs out by itself: one tab, no slow or lost answer, no
restore, two and a half hours. Each cell is the share that was **exposed**, and the share that was **missed**; the others got
nothing. **Requests**: how many of his were accepted, of a thief with any, exposed or missed; there is room for about 140.
`, thousands(o.size.each), thousands(o.size.each), rotation.Variants[0].Name, maxTabs)
	head, under := "| scheme | false logouts | restored | an hour later |", "|---|--:|--:|--:|"
	for m := range methods {
		head += " " + methodNames[m] + " |"
		under += "--:|"
	}
	p("%s requests: median, most |\n%s--:|", head, under)
	for i := range o.rows {
		r := &o.rows[i]
		name := r.name
		if i == 0 {
			name = "**" + name + "**"
		}
		text := fmt.Sprintf("| %s | %s | %s | %s |", name, percent(r.honest.logouts, r.honest.sessions),
			percent(r.restored.logouts, r.restored.sessions), percent(r.lostOnce.logouts, r.lostOnce.sessions))
		var requests counts
		for m := range methods {
			s := &r.thieves[m]
			text += " " + percent(s.exposed+s.exposedEmpty, s.sessions) + ", " + percent(s.missed, s.sessions) + " |"
			requests.merge(&s.accepted)
			requests.merge(&s.kept)
		}
		p("%s %d, %d |", text, requests.quantile(0.5), requests.quantile(1))
	}
}

func ratio(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// percent never rounds to nothing or to everything.
func percent(n, of int64) string {
	share := 100 * ratio(n, of)
	switch {
	case of == 0:
		return "–"
	case n == 0:
		return "0"
	case n == of:
		return "100 %"
	case share < 0.01:
		return "< 0.01 %"
	case share > 99.99:
		return "> 99.99 %"
	case share < 10 || share > 90:
		return strconv.FormatFloat(share, 'f', 2, 64) + " %"
	default:
		return strconv.FormatFloat(share, 'f', 1, 64) + " %"
	}
}

func minutes(seconds int64) string { return strconv.FormatFloat(float64(seconds)/60, 'f', 1, 64) }

// thousands writes n with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
