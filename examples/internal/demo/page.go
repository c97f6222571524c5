package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// The names of the pages in Pages.
const (
	HomePage    = "home.html"
	VaultPage   = "vault.html"
	AdminPage   = "admin.html"
	RefusedPage = "refused.html"
)

//go:embed pages
var pageFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Pages are the templates. html/template escapes what it is given by where it
// goes, so nothing here is trusted to be harmless.
var Pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.Format(time.TimeOnly) },
	"until": func(t time.Time) time.Duration { return max(0, time.Until(t)).Round(time.Second) },
	"since": func(t time.Time) time.Duration { return max(0, time.Since(t)).Truncate(time.Second) },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"lower": strings.ToLower,
	"join":  strings.Join,
}).ParseFS(pageFiles, "pages/*.html"))

// Assets are the style sheet, the script and the icon.
func Assets() fs.FS {
	sub, _ := fs.Sub(assetFiles, "assets") // the directory is embedded
	return sub
}

// Page is what a template is given.
type Page struct {
	App       *App
	Title     string
	Principal *core.Principal
	Info      *session.Info
	Visits    int64
	Clicks    int64
	Gifts     int64
	Cart      Cart
	Notices   []string
	Reports   []Report
	Devices   []Device
	Error     string // about the form that was sent
	Denied    *adapter.Denied
	CSRF      string // the token for the page's forms and scripts
}

// Products and Users are here for the templates.
func (*Page) Products() []string { return Products }
func (*Page) Users() []User      { return Users }
func (*Page) FreshFor() string   { return fmt.Sprint(FreshFor.Seconds(), " seconds") }

// StepUp reports whether a new proof of identity would lift the refusal.
func (p *Page) StepUp() bool { return p.Denied != nil && p.Denied.Code == core.StepUpRequired }

// To is where a step-up on this page leads.
func (p *Page) To() string {
	if p.StepUp() {
		return "vault"
	}
	return ""
}

// Message is the refusal in words.
func (p *Page) Message() string {
	if p.Denied == nil {
		return ""
	}
	return p.Denied.Code.Message()
}

// WrongCredentials is what Home says about a form that ErrCredentials came of.
const WrongCredentials = "Wrong user or password."

// Home counts the visit and describes the session. formError is what was wrong
// with the form that the page answers.
func (a *App) Home(ctx context.Context, s *session.Session, formError string) (*Page, error) {
	p := &Page{App: a, Title: "Sessions and tokens in " + a.Name, Error: formError}
	if err := visits.Add(s, 1); err != nil {
		return nil, err
	}
	// Stored before the page is made, so that a first visitor sees the session that
	// this visit begins. A session that ended meanwhile is just no session here.
	if err := s.Commit(ctx); err != nil && !errors.Is(err, core.ErrAnonymous) {
		return nil, err
	}
	if err := p.identify(s); err != nil {
		return nil, err
	}
	info, err := s.Info()
	if err == nil {
		p.Info = &info
	} else if !errors.Is(err, core.ErrAnonymous) {
		return nil, err
	}
	if p.Visits, err = visits.Get(s); err != nil {
		return nil, err
	}
	if p.Clicks, err = clicks.Get(s); err != nil {
		return nil, err
	}
	if p.Gifts, err = gifts.Get(s); err != nil {
		return nil, err
	}
	if p.Cart, _, err = cartKey.Get(s); err != nil {
		return nil, err
	}
	if p.Notices, err = notices.Take(s); err != nil {
		return nil, err
	}
	if p.Reports, err = reports.Take(s); err != nil || p.Principal == nil {
		return p, err
	}
	// A request that was under way while its id was replaced gets the page without
	// the list; one whose session has ended meanwhile likewise.
	p.Devices, err = a.Devices(ctx, s)
	if errors.Is(err, session.ErrSuperseded) || errors.Is(err, core.ErrAnonymous) {
		err = nil
	}
	return p, err
}

// Plain is a page that only says who is asking.
func (a *App) Plain(s *session.Session, title string) (*Page, error) {
	p := &Page{App: a, Title: title}
	return p, p.identify(s)
}

// Refused is the page of a refusal. It asks the session nothing: that it cannot
// answer may be the reason for the page.
func (a *App) Refused(d *adapter.Denied) *Page { return &Page{App: a, Title: "Refused", Denied: d} }

// WantsPage reports whether an Accept header asks for a page. Everything else gets
// JSON.
func WantsPage(accept string) bool { return strings.Contains(accept, "text/html") }

func (p *Page) identify(s *session.Session) error {
	switch user, err := s.Principal(); {
	case err == nil:
		p.Principal = &user
	case !errors.Is(err, core.ErrAnonymous):
		return err
	}
	return nil
}

// Me is what GET /me answers.
type Me struct {
	Subject  string    `json:"subject"`
	Roles    []string  `json:"roles"`
	Session  string    `json:"session"`
	AuthTime time.Time `json:"authTime"`
	Visits   int64     `json:"visits"`
	Late     string    `json:"late,omitempty"`
}

// Me describes whoever is logged in.
func (a *App) Me(s *session.Session) (Me, error) {
	p, err := s.Principal()
	if err != nil {
		return Me{}, err
	}
	n, err := visits.Get(s)
	if err != nil {
		return Me{}, err
	}
	late, _, err := lateKey.Get(s)
	return Me{p.Subject, p.Roles, p.Session, p.AuthTime, n, late}, err
}

// Attack runs Fixation and leaves its report for the next page.
func (a *App) Attack(ctx context.Context, s *session.Session) error {
	r, err := a.Fixation(ctx)
	if err != nil {
		return err
	}
	return reports.Add(s, r)
}
