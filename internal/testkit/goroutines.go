package testkit

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"
)

// NoNewGoroutines fails the test if goroutines of connections that it has started are left
// at its end. It must be called before servers are made: goroutines inherit its label.
func NoNewGoroutines(t *testing.T) {
	t.Helper()
	label := pprof.Labels("test", t.Name())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), label))
	t.Cleanup(func() {
		var left int
		for range 200 { // goroutines that are ending need to be scheduled
			if left = LabeledGoroutines(t.Name()); left == 0 {
				return
			}
			runtime.Gosched()
			<-time.After(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines of the package are left:\n%s", left, Goroutines())
	})
}

// LabeledGoroutines counts the goroutines with the label of the test that run methods of
// connections and groups.
func LabeledGoroutines(test string) (n int) {
	var profile strings.Builder
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	label := fmt.Sprintf("%q:%q", "test", test)
	_, records, _ := strings.Cut(profile.String(), "\n")
	for record := range strings.SplitSeq(records, "\n\n") {
		isOwn := strings.Contains(record, "rawhttp.(*conn)") || strings.Contains(record, "rawhttp.(*group)")
		if same, _, _ := strings.Cut(record, " @"); isOwn && strings.Contains(record, label) {
			count, _ := strconv.Atoi(same)
			n += count
		}
	}
	return n
}

// Goroutines returns the stacks of all goroutines.
func Goroutines() string {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size { // a full buffer may be truncated
			return string(buf[:n])
		}
	}
}
