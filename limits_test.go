package rawhttp

import (
	"testing"
	"time"
)

// The tests in internal/conformance go near to limits that they cannot see. Whoever changes
// one of these numbers changes it in limits_test.go there too.
func TestLimitsOfConformance(t *testing.T) {
	for name, ok := range map[string]bool{
		"outputBuffer":   maxJoined == 64<<10,
		"copyBuffer":     scratchSize == 64<<10,
		"sentWithHead":   firstSize == 14_000,
		"sortedEntries":  maxBufferedEntries == 200,
		"listingsAtOnce": maxListings == 16,
		"idleText":       maxIdleText == 1<<10,
		"sidecarMayLag":  sidecarLag == 2*time.Second,
		"stopPause":      stopWindow == time.Second,
		"lingerSilence":  maxLingerSilence == 5*time.Second,
	} {
		if !ok {
			t.Errorf("%s is not what the tests from outside believe", name)
		}
	}
}
