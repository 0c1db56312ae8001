package conformance_test

import (
	"flag"
	"os"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

var (
	long   = flag.Bool("long", false, "run the longest tests at full length")
	update = flag.Bool("update", false, "rewrite the answers in testdata/wire")
)

// TestMain runs the tests in the root of the module, which has testdata.
func TestMain(m *testing.M) {
	testkit.ChdirToModule()
	flag.Set("test.parallel", "8") // parallel tests wait for clients more than for processors
	os.Exit(m.Run())
}
