package rawhttp

import (
	"testing"
)

func filesOfDir(t testing.TB, dir string, opts ...FileOption) *FileResolver {
	t.Helper()
	f, err := Dir(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
