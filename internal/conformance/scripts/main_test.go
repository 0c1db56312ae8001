package scripts_test

import (
	"flag"
	"os"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

var (
	long   = flag.Bool("long", false, "run the tests that wait for seconds")
	update = flag.Bool("update", false, "rewrite the answers in testdata/scripts")
)

// skipUnlessLong skips a test that waits for real seconds, unless the flag -long is set.
func skipUnlessLong(t testing.TB) {
	t.Helper()
	if !*long {
		t.Skip("takes several seconds: run with -long")
	}
}

// TestMain runs the tests in the root of the module, which has testdata. A script that runs
// this program, as TestScriptHelper, stays in its own folder.
func TestMain(m *testing.M) {
	testkit.ChdirToModule()
	flag.Set("test.parallel", "24") // parallel tests wait for scripts more than for processors
	os.Exit(m.Run())
}
