package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wireAnswers has the answers to each transcript by default when another request follows it on the
// connection: the status codes of the responses in order, then x if the server closes the
// connection, so that nothing after it is parsed. If the talks of a transcript have different
// answers, they are listed in order with | between them.
//
// The answers are here as well as in the transcripts so that go test -update cannot change them.
var wireAnswers = map[string]string{
	// The length of the content.
	"content-length-and-transfer-encoding":      "400 x",
	"content-length-twice-the-same":             "400 x",
	"content-length-twice-different":            "400 x",
	"content-length-list":                       "400 x",
	"content-length-with-plus":                  "400 x",
	"content-length-with-minus":                 "400 x",
	"content-length-hexadecimal":                "400 x",
	"content-length-with-leading-zero":          "400 x",
	"content-length-with-blanks":                "200 200",
	"content-length-of-more-than-18-digits":     "400 x",
	"content-length-with-underscore":            "400 x",
	"content-length-empty":                      "400 x",
	"content-length-over-64-bits":               "400 x",
	"content-in-get":                            "200 200",
	"transfer-encoding-unknown":                 "501 x",
	"transfer-encoding-chunked-on-two-lines":    "400 x",
	"transfer-encoding-chunked-twice":           "400 x",
	"transfer-encoding-with-empty-member-first": "400 x",
	"transfer-encoding-identity":                "501 x",
	"transfer-encoding-gzip-chunked":            "501 x",
	"transfer-encoding-chunked-not-last":        "400 x",
	"transfer-encoding-with-vertical-tab":       "400 x",
	"transfer-encoding-with-nul":                "400 x",
	"transfer-encoding-with-parameter":          "501 x",
	"transfer-encoding-in-http-1.0":             "400 x",
	"transfer-encoding-folded":                  "400 x",
	"transfer-encoding-space-before-colon":      "400 x",
	"framing-field-with-underscore":             "400 x",
	"field-name-with-underscore":                "200 200",

	// Field lines.
	"line-with-bare-lf":               "400 x",
	"header-section-end-with-bare-lf": "400 x",
	"field-value-with-bare-cr":        "400 x",
	"field-value-with-nul":            "400 x",
	"field-value-with-control-byte":   "400 x",
	"field-line-folded":               "400 x",
	"blank-before-first-field-line":   "400 x",
	"field-line-without-colon":        "400 x",
	"field-name-empty":                "400 x",
	"field-name-with-space":           "400 x",
	"field-name-with-8-bit-byte":      "400 x",

	// Host.
	"host-missing":                   "400 x",
	"host-malformed":                 "400 x",
	"host-twice":                     "400 x",
	"content-type-twice":             "400 x",
	"host-in-brackets-malformed":     "400 x",
	"host-in-brackets":               "200 200",
	"host-list":                      "400 x",
	"host-with-slash":                "400 x",
	"absolute-form-and-another-host": "200 200",

	// The request line.
	"version-1.2":                          "200 200",
	"version-2.0":                          "505 x",
	"version-1.10":                         "400 x",
	"version-in-lower-case":                "400 x",
	"version-missing":                      "400 x",
	"version-other-major":                  "505 x",
	"request-line-with-two-spaces":         "400 x",
	"request-line-with-tab":                "400 x",
	"target-with-byte-that-is-not-allowed": "400 x",
	"target-with-other-visible-bytes":      "200 200",
	"target-with-fragment":                 "400 x",
	"target-without-slash":                 "400 x",
	"path-with-encoded-nul":                "400 x",
	"path-with-bad-percent-triplet":        "400 x",
	"query-with-percent-signs":             "200 200",
	"path-with-8-bit-byte":                 "400 x | 200 200",
	"leading-empty-lines":                  "200 200 | 400 x",
	"method-not-a-token":                   "400 x",
	"trace":                                "405 200",
	"connect":                              "405 x",
	"options-asterisk":                     "204 200",
	"expect-unknown":                       "417 x",

	// Chunks and trailers.
	"chunk-size-with-sign":             "400 x",
	"chunk-size-with-0x":               "400 x",
	"chunk-size-with-underscore":       "400 x",
	"chunk-size-with-leading-blank":    "400 x",
	"chunk-size-with-trailing-blank":   "400 x",
	"chunk-size-empty":                 "400 x",
	"chunk-size-of-17-digits":          "400 x",
	"chunk-line-with-bare-lf":          "400 x",
	"chunk-extension-with-bare-lf":     "400 x",
	"chunk-extension-with-bare-cr":     "400 x",
	"chunk-data-without-crlf":          "400 x",
	"chunk-extension":                  "200 200",
	"trailer-section-end-with-bare-lf": "400 x",
	"trailer-section":                  "200 200",
	"trailer-with-framing-field":       "400 x",
	"trailer-malformed":                "400 x",
	"chunk-extension-with-blanks":      "200 200",
	"chunk-extension-malformed":        "400 x",
	"chunk-size-with-leading-zeros":    "200 200",

	// Valid requests.
	"field-value-with-obs-text":     "200 200",
	"transfer-encoding-in-any-case": "200 200",
	"expect-100-continue":           "100 200 200 | 200 x | 200 x | 200 x | 200 x | 200 200 | 200 200 | 200 200",
	"http-1.0":                      "200 x | 200 x | 200 200 | 200 200 x",
	"connection-close":              "200 x",
	"head":                          "200 200",
	"head-of-a-listing":             "200 200",
	"head-of-an-error":              "400 x | 404 404 | 301 301",

	// Targets, and input that is not a request.
	"asterisk-form-with-another-method":  "400 x",
	"absolute-form":                      "200 200",
	"authority-form-with-another-method": "400 x",
	"connect-target-malformed":           "400 x",
	"first-bytes-of-no-method":           "400 x",
	"first-bytes-of-tls":                 "400 x",
	"http-2-preface":                     "505 x",
	"pipelined-requests":                 "200 200 200 404 200 200 x",
	"half-closed-client":                 "200 x | 200 200 x | 200 x",
	"content-without-length":             "200 200 200 | 200 400 x",

	// Lenient parsing.
	"lenient-bare-lf":            "200 200 | 200 200 | 200 200 | 200 x",
	"lenient-fold":               "200 200",
	"lenient-mixed-line-ends":    "400 x",
	"lenient-folded-framing":     "400 x",
	"lenient-chunk-with-bare-lf": "400 x",
	"lenient-nothing-else":       "400 x",

	// Limits.
	"method-of-65-bytes":              "200 200 | 400 x | 400 x",
	"long-target-and-field-value":     "200 200",
	"request-line-over-8-kib":         "200 200 | 414 x | 414 x",
	"field-line-over-8-kib":           "200 200 | 431 x | 431 x",
	"more-than-100-field-lines":       "200 200 | 431 x",
	"head-over-32-kib":                "200 200 | 431 x",
	"content-length-over-the-limit":   "413 x",
	"chunked-content-over-the-limit":  "413 x | 413 x | 200",
	"chunk-line-over-256-bytes":       "200 200 | 400 x",
	"chunks-with-too-much-framing":    "200 200 | 400 x | 200 200",
	"trailer-section-over-its-limits": "200 200 | 400 x | 200 200 | 400 x",

	// Content, and ends of connections.
	"content-error-that-is-ignored":   "400 x | 200 x | 400 x | 200 x | 200 x",
	"content-that-ends-early":         "400 x | 400 x | 200 x",
	"head-that-ends-early":            "400 x",
	"no-request":                      "x",
	"lingering-close":                 "400 x",
	"unread-content":                  "200 200 | 200 x | 200 200 | 200 200",
	"expect-100-continue-too-late":    "200 x",
	"content-echoed":                  "100 200 200 | 200 200",
	"expect-100-continue-in-http-1.0": "200 200",

	// Semantics.
	"upgrade-ignored":             "200 200",
	"token-lists":                 "200 x | 200 x | 200 x | 200 200 | 100 200 200",
	"error-page":                  "400 x | 400 x | 413 x | 417 x | 404 500 405 204 200 | 500 x",
	"status-without-content":      "204 205 304 200",
	"options":                     "204 200 | 404 | 204 204",
	"methods-on-files":            "405 501 501 404 404 200",
	"range-ignored":               "200 200 200 200 200 200 200",
	"range-on-another-method":     "200 405",
	"range-clamped":               "206 206 206 206",
	"range-of-nothing":            "416 416 200",
	"name-of-300-bytes":           "404 404",
	"order-of-rules":              "400 x | 505 x | 400 x | 400 x | 400 x | 400 x | 400 x",
	"transfer-encoding-malformed": "400 x",
	"fields-of-a-response":        "200 200 200 500 200 | 200 x | 200 200 x",
	"no-content-length":           "200 200 204 200 x",
	"misdirected-request":         "200 421 x",
	"response-field-malformed":    "500 x",
	"panic":                       "500 x",
	"request-incomplete":          "",
}

// TestWireAnswers checks that each transcript is in wireAnswers, and has the answers listed there.
func TestWireAnswers(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range readWireFiles(t) {
		seen[f.name] = true
		answer, ok := wireAnswers[f.name]
		if !ok {
			t.Errorf("%s: no answer is listed", f.name)
			continue
		}
		var got []string
		for _, talk := range f.talks {
			got = append(got, talk.summary())
		}
		want := strings.Split(answer, " | ")
		if len(want) == 1 {
			want = slices.Repeat(want, len(got))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: answers of the talks (-want as listed, +got):\n%s", f.name, diff)
		}
	}
	for name := range wireAnswers {
		if !seen[name] {
			t.Errorf("%s: no transcript", name)
		}
	}
}
