package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// events returns the values of package audit's constants of type Name.
func events(t *testing.T) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("core", "audit", "audit.go"), nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		kind, isName := spec.Type.(*ast.Ident)
		text, isText := spec.Values[0].(*ast.BasicLit)
		if isName && isText && kind.Name == "Name" {
			value, err := strconv.Unquote(text.Value)
			require.NoError(t, err)
			all = append(all, value)
		}
		return true
	})
	require.Contains(t, all, "session_created")
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.FromSlash(path))
	require.NoError(t, err)
	return string(page)
}

// TestEveryEventIsExplained: who finds an event in a log finds its meaning in the guide.
func TestEveryEventIsExplained(t *testing.T) {
	page := read(t, "docs/errors.md")
	for _, name := range events(t) {
		require.True(t, strings.Contains(page, "`"+name+"`"), name)
	}
}

// TestGuidesNameRealEvents: a reader who searches the log for what a guide names must be
// able to find it.
func TestGuidesNameRealEvents(t *testing.T) {
	known := events(t)
	// In code spans: words with underscores and without a dot or a bracket.
	named := regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`")
	others := []string{
		"refresh_token", "access_token", "client_id", "client_secret", "grant_type", "max_age", "token_type_hint",
		"auth_time", "csrf_token",
	}
	for _, path := range []string{"docs/errors.md", "docs/refused.md"} {
		t.Run(path, func(t *testing.T) {
			for _, m := range named.FindAllStringSubmatch(read(t, path), -1) {
				if !slices.Contains(others, m[1]) {
					require.Contains(t, known, m[1])
				}
			}
		})
	}
}

// TestLinksOfGuides: every link to a page or a heading of ours leads somewhere.
func TestLinksOfGuides(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("docs", "*.md"))
	require.NoError(t, err)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	link := regexp.MustCompile(`\]\(([^)\s#]*)(#[^)\s]*)?\)`)
	for _, path := range append(pages, "README.md") {
		t.Run(filepath.ToSlash(path), func(t *testing.T) {
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, filepath.ToSlash(path)), ""), -1) {
				target := path
				if m[1] != "" {
					if regexp.MustCompile(`^[a-z]+:`).MatchString(m[1]) {
						continue
					}
					target = filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))
				}
				_, err := os.Stat(target)
				require.NoError(t, err, m[0])
				if m[2] != "" {
					require.Contains(t, anchors(read(t, filepath.ToSlash(target))), m[2], m[0])
				}
			}
		})
	}
}

// anchors are the headings of a page in the form in which links name them.
func anchors(page string) (all []string) {
	drop := regexp.MustCompile("[^a-z0-9 _-]")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		lower := []byte(m[1])
		for i, c := range lower {
			if 'A' <= c && c <= 'Z' {
				lower[i] = c + 'a' - 'A'
			}
		}
		text := drop.ReplaceAll(lower, nil)
		for i, c := range text {
			if c == ' ' {
				text[i] = '-'
			}
		}
		all = append(all, "#"+string(text))
	}
	return all
}
