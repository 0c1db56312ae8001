package ascii

import "testing"

// A second row with the same key would never be found.
func TestReasonPhrasesAscend(t *testing.T) {
	last := 0
	for _, row := range reasonPhrases {
		if row.status <= last {
			t.Errorf("status %d (%q) follows %d, want ascending order", row.status, row.phrase, last)
		}
		last = row.status
	}
}

func TestReasonPhraseAllocs(t *testing.T) {
	for _, status := range []int{-1, 200, 299, 404, 511, 1000} {
		if n := testing.AllocsPerRun(100, func() { ReasonPhrase(status) }); n != 0 {
			t.Errorf("ReasonPhrase(%d) allocates %v times, want 0", status, n)
		}
	}
}

func TestStatusText(t *testing.T) {
	for status, want := range map[int]string{200: "200 OK", 404: "404 Not Found", 413: "413 Content Too Large", 299: "299", 418: "418", 599: "599", 100: "100 Continue"} {
		if got := StatusText(status); got != want {
			t.Errorf("StatusText(%d) = %q, want %q", status, got, want)
		}
	}
}

// "All 1xx (Informational), 204 (No Content), and 304 (Not Modified) responses do
// not include content." RFC 9110, section 6.4.1. Nor does 205 (section 15.3.6).
func TestMayHaveContent(t *testing.T) {
	without := map[int]bool{204: true, 205: true, 304: true}
	for status := 100; status <= 599; status++ {
		want := status >= 200 && !without[status]
		if got := MayHaveContent(status); got != want {
			t.Errorf("MayHaveContent(%d) = %t, want %t", status, got, want)
		}
	}
}
