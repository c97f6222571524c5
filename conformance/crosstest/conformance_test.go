package crosstest

import (
	"fmt"
	"os"
	"testing"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/conformance/crosstest/harness"
)

// matrix collects what the tests of this package find, for TestMain to print.
var matrix conformance.Matrix

func harnesses() []conformance.Harness {
	return []conformance.Harness{harness.Gin(), harness.Echo(), harness.Fiber(), harness.NetHTTP()}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if path := os.Getenv("SALLYPORT_MATRIX"); path != "" {
		if err := writeMatrix(path); err != nil {
			fmt.Fprintln(os.Stderr, "matrix:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// writeMatrix goes by way of a file because go test keeps the output of tests that
// pass to itself.
func writeMatrix(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	matrix.Print(f)
	return f.Close()
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, h := range harnesses() {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			conformance.RunOptions(t, h, conformance.Options{}, &matrix)
		})
	}
}

func TestMutants(t *testing.T) {
	t.Parallel()
	conformance.RunMutants(t, harness.NetHTTP(), &matrix)
}

// TestCompare is the differential test. Its seed is fixed, so it makes the same
// requests every time.
func TestCompare(t *testing.T) {
	const requests, seed = 50_000, 1
	conformance.Compare(t, harnesses(), requests, seed)
}
