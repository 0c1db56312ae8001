package conformance_test

import (
	"fmt"
)

// bodyCut keeps a failed comparison readable.
func bodyCut(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%s...%s (%d bytes)", s[:100], s[len(s)-60:], len(s))
	}
	return s
}
