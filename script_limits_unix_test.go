//go:build unix

package rawhttp

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The limits that the tests name by their constants are the ones that are documented.
func TestScriptLimitsAreTheDocumented(t *testing.T) {
	want := []any{64, 5 * time.Second, 10 * time.Second, 64 << 20, 64 << 10, 64 << 10, 100 * time.Millisecond, 500 * time.Millisecond}
	got := []any{maxWaitingScripts, maxScriptWait, maxFirstByte, maxScriptOutput, maxScriptHeld, maxScriptStderr, scriptHold, scriptGrace}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// The time to the first byte is of the script: that which it takes to read adds up, in
// however many pieces its content comes.
func TestScriptTimeToReadAddsUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var late atomic.Bool
	x := &scriptRun{late: time.AfterFunc(time.Hour, func() { late.Store(true) })}
	f := &feeder{run: x, to: w, buf: make([]byte, maxPipe), left: 100 * time.Millisecond}
	for range 1000 { // each wait is shorter than what is left at first
		w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if f.write(); late.Load() {
			return
		}
	}
	t.Error("a script that reads nothing for 20 s is never late")
}
