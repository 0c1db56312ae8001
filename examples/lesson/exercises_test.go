package lesson

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of the exercises fail at first, and pass with the solution.
func TestExercises(t *testing.T) {
	begun, solved := runExercises(t, "exercises.go"), runExercises(t, filepath.Join("solution", "exercises.go"))
	if len(begun) < 10 || len(solved) != len(begun) {
		t.Errorf("%d tests at the beginning and %d of the solution, want ten", len(begun), len(solved))
	}
	for name, passed := range begun {
		if passed {
			t.Errorf("%s passes without a solution", name)
		}
	}
	for name, passed := range solved {
		if !passed {
			t.Errorf("%s fails with the solution", name)
		}
	}
}

// runExercises runs the tests with a file of the folder exercises as their code, and reports
// which of them pass.
func runExercises(t *testing.T, name string) map[string]bool {
	t.Helper()
	dir, err := filepath.Abs("exercises")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(dir, "exercises.go"): filepath.Join(dir, name),
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-tags", "exercise", "-overlay", file, "-vet=off", "-count=1", "-v", "./exercises").CombinedOutput()
	passed := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		if result, ok := strings.CutPrefix(line, "--- "); ok {
			verdict, test, _ := strings.Cut(result, ": ")
			test, _, _ = strings.Cut(test, " ")
			passed[test] = verdict == "PASS"
		}
	}
	if len(passed) == 0 {
		t.Fatalf("no test runs: %v\n%s", err, out)
	}
	return passed
}
