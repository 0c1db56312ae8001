package conformance_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain runs the tests in the root of the module, where testdata and its programs are.
func TestMain(m *testing.M) {
	for {
		if _, err := os.Stat("go.mod"); err == nil {
			break
		}
		if dir, err := os.Getwd(); err != nil || dir == filepath.Dir(dir) {
			panic("no go.mod above the tests")
		}
		os.Chdir("..")
	}
	os.Exit(m.Run())
}
