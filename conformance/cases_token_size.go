package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/token"
)

// tokenSizeCases are about tokens that are made to cost something.
func tokenSizeCases() []Case {
	return []Case{tokenTooLong(), hugeTokens(), manyDots(), deepJSON(), manyMembers()}
}

// padded is a token of a length that is as near to n as base64 allows, and not more.
func (d *door) padded(n int) string {
	last := d.good()
	for pad := 0; ; pad++ {
		raw := d.token(d.header(), d.claims().add("note", quoted(strings.Repeat("x", pad))))
		switch {
		case len(raw) > n:
			return last
		case n-len(raw) > 16:
			pad += (n - len(raw) - 16) * 3 / 4
		}
		last = raw
	}
}

// strains sends a token that the server may refuse to read, and checks that it is
// refused, that nothing ran because of it, and that the server goes on. A framework
// that finds the header too large answers 431, or 400, or hangs up.
func (d *door) strains(raw string) {
	t := d.t
	t.Helper()
	request := d.Request("GET", "/api/me", authorization(raw))
	c := d.Dial()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = c.Send(request) // who refuses a header need not read it to the end
	}()
	a, err := c.Receive(request)
	c.Close()
	<-sent
	if err != nil {
		t.note(request, c.tee.String())
	} else {
		t.note(request, a.Raw)
		if a.Status != 400 && a.Status != 401 && a.Status != 431 {
			t.Failf("status for a token of %d bytes: got %d, want 400, 401 or 431", len(raw), a.Status)
		}
	}
	Equal(t, "times that the handler ran", d.ran.Swap(0), 0)
	t.Calls()
	if refused := t.Audit.Take(); len(refused) > 1 { // who refuses it records it, if it is us
		t.Failf("audit events: got %v, want one at most", refused)
	}
	d.left = 0 // that may have taken long
	d.admits(d.good())
}

func tokenTooLong() Case {
	return Case{
		ID: "J17", Slug: "token/too-long",
		Rule:   "A token that is longer than the limit is refused for its length alone, and one that just fits is accepted.",
		Clause: "DESIGN section 4; CVE-2025-22868",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				fits := d.padded(8 << 10)
				if len(fits) < 8<<10-4 {
					t.Failf("the padded token has %d bytes", len(fits))
				}
				d.admits(fits)
				d.refuses("size", d.padded(8<<10+8))
				d.refuses("size", d.padded(16<<10))
				// The length is looked at before anything else.
				for _, n := range []int{8<<10 + 1, 16 << 10, 60 << 10} {
					d.refuses("size", fits+strings.Repeat("A", n-len(fits)))
					d.refuses("size", strings.Repeat("A", n))
					d.refuses("size", strings.Repeat("=", n))
					d.refuses("size", strings.Repeat(".", n))
				}
			})
			k := t.Tokens(token.ES256)
			k.Config.MaxTokenBytes = 256
			d := k.door()
			d.refuses("size", d.good())
		},
	}
}

func hugeTokens() Case {
	return Case{
		ID: "J17", Slug: "token/huge",
		Rule:   "A token of a megabyte is refused, by the framework or by us, and the server goes on.",
		Clause: "RFC 6585 section 5; DESIGN section 4; CVE-2025-22868",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				for _, n := range []int{16 << 10, 64 << 10, 1 << 20, 8 << 20} {
					d.strains(strings.Repeat("A", n))
					d.strains(d.good() + strings.Repeat("A", n))
					d.strains(d.good() + "." + strings.Repeat("A", n))
				}
				d.strains(d.padded(16 << 10))
				d.strains(d.padded(64 << 10))
				kid := d.header().set("kid", quoted(strings.Repeat("k", 1<<20)))
				d.strains(d.token(kid, d.claims()))
			})
		},
	}
}

func manyDots() Case {
	return Case{
		ID: "J17", Slug: "token/many-dots",
		Rule:   "A token of nothing but dots is refused at the third, however many follow.",
		Clause: "CVE-2025-30204; CVE-2025-27144",
		Run: func(t *T) {
			t.each(oneAlgorithm, func(d *door) {
				for _, n := range []int{3, 100, 8000} {
					d.refuses("segments", strings.Repeat(".", n))
					d.refuses("segments", strings.Repeat("A.", n/2+2)+"A")
				}
				d.refuses("size", strings.Repeat(".", 60_000))
				d.strains(strings.Repeat(".", 1_000_000))
				d.strains(d.good() + strings.Repeat(".", 1_000_000))
			})
		},
	}
}

// roomy is a door for the longest tokens that a verifier can be made to read.
func (t *T) roomy() *door {
	t.Helper()
	k := t.Tokens(token.ES256)
	k.Config.MaxTokenBytes = 64 << 10
	d := k.door()
	d.admits(d.good())
	return d
}

func deepJSON() Case {
	return Case{
		ID: "J17", Slug: "token/deep-json",
		Rule:   "JSON nested deeper than claims ever are is refused where it gets too deep, in the header and in the claims.",
		Clause: "RFC 8259 section 9",
		Run: func(t *T) {
			d := t.roomy()
			nested := func(open, shut string, depth int) string {
				return strings.Repeat(open, depth) + "0" + strings.Repeat(shut, depth)
			}
			d.admits(d.token(d.header(), d.claims().add("note", nested("[", "]", 8))))
			for _, depth := range []int{100, 2000, 8000} {
				arrays, objects := nested("[", "]", depth), nested(`{"a":`, "}", depth/3)
				for _, deep := range []string{arrays, objects, strings.Repeat("[", depth), strings.Repeat(`{"a":`, depth/3)} {
					d.refuses("claims-depth", d.token(d.header(), d.claims().add("note", deep)))
					d.refuses("claims-depth", d.token(d.header(), d.claims().first("sub", deep)))
					d.refuses("header-depth", d.token(d.header().add("x", deep), d.claims()))
					d.refuses("header-depth", d.token(d.header().first("alg", deep), d.claims()))
				}
			}
			d.strains(d.token(d.header(), d.claims().add("note", nested("[", "]", 100_000))))
			d.strains(d.token(d.header().add("x", nested(`{"a":`, "}", 100_000)), d.claims()))
		},
	}
}

func manyMembers() Case {
	return Case{
		ID: "J17", Slug: "token/many-members",
		Rule:   "A header or claims of more members than anybody needs are refused when there are too many, whether their names differ or not.",
		Clause: "RFC 8259 section 9",
		Run: func(t *T) {
			d := t.roomy()
			d.admits(d.token(many(d.header(), 20), many(d.claims(), 100)))
			for _, n := range []int{300, 3000} {
				d.refuses("header-members", d.token(many(d.header(), n), d.claims()))
				d.refuses("claims-members", d.token(d.header(), many(d.claims(), n)))
				d.refuses("claims-members", d.token(d.header(), d.claims().add("note", many(nil, n).String())))
				d.refuses("header-duplicate", d.token(d.header().add("x0", "1").add("x0", "1"), d.claims()))
			}
			d.strains(d.token(many(d.header(), 100_000), d.claims()))
			d.strains(d.token(d.header(), many(d.claims(), 100_000)))
		},
	}
}
