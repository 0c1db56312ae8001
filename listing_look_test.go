package rawhttp

import (
	"path/filepath"
	"testing"
)

func TestRootOfTheDiskHasNoName(t *testing.T) {
	if name := nameOfRoot(filepath.VolumeName(t.TempDir()) + string(filepath.Separator)); name != "" {
		t.Errorf("the root of the disk has the name %q, want none", name)
	}
}
