package conformance_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var long = flag.Bool("long", false, "run the tests that wait for seconds")

// waits skips a test that waits for real seconds, unless the flag -long is set.
func waits(t testing.TB) {
	t.Helper()
	if !*long {
		t.Skip("it waits for seconds: run with -long")
	}
}

// TestMain runs the tests in the root of the module, which has testdata. A script that runs
// this program, as TestScriptHelper, stays in its own folder.
func TestMain(m *testing.M) {
	for dir := "."; len(dir) < 10; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			os.Chdir(dir)
			break
		}
	}
	flag.Set("test.parallel", "8") // tests that are parallel wait for scripts, and not for processors
	os.Exit(m.Run())
}
