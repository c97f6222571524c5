package csrf_test

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVerifyComparesInConstantTime (F16) reads the source: time cannot be measured well
// enough to fail when it should and only then. What is compared with the MAC that is wanted
// must be compared by hmac.Equal and nothing else.
func TestVerifyComparesInConstantTime(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "token.go", nil, 0)
	require.NoError(t, err)
	text := func(n ast.Node) string {
		var b strings.Builder
		require.NoError(t, printer.Fprint(&b, files, n))
		return b.String()
	}
	var verify *ast.FuncDecl
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Verify" {
			verify = f
		}
	}
	require.NotNil(t, verify)
	secret := func(n ast.Node) (found bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			found = found || ok && (id.Name == "want" || id.Name == "got")
			return !found
		})
		return found
	}
	var compared []string
	ast.Inspect(verify.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			require.False(t, secret(n), text(n))
		case *ast.SwitchStmt:
			require.False(t, n.Tag != nil && secret(n.Tag), text(n))
		case *ast.CallExpr:
			if secret(n) {
				compared = append(compared, text(n))
			}
		}
		return true
	})
	require.Equal(t, []string{"subtle.XORBytes(got[:], raw[1:1+macLen], raw[1+macLen:])", "hmac.Equal(got[:], want[:])"}, compared)
}
