package conformance_test

import (
	"flag"
	"log"
	"os"
	"runtime/debug"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

var (
	long   = flag.Bool("long", false, "run the longest tests at full length")
	update = flag.Bool("update", false, "rewrite the answers in testdata/wire")
)

// sharedDir is a folder for files that several tests read.
var sharedDir string

// TestMain runs the tests in the root of the module, which has testdata.
func TestMain(m *testing.M) {
	testkit.ChdirToModule()
	var err error
	if sharedDir, err = os.MkdirTemp("", "conformance"); err != nil {
		log.Fatal(err)
	}
	flag.Set("test.parallel", "8") // parallel tests wait for clients more than for processors
	debug.SetGCPercent(300)        // large answers are most of the memory, and live for one test
	status := m.Run()
	os.RemoveAll(sharedDir)
	os.Exit(status)
}
