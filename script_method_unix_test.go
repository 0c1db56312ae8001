//go:build unix

package rawhttp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Scripts answer GET, HEAD and POST; others are told so, and run nothing. What is
// not there has no methods.
func TestScriptMethods(t *testing.T) {
	const (
		sniff = "X-Content-Type-Options: nosniff\r\n"
		allow = "Allow: GET, HEAD, POST, OPTIONS\r\n"
	)
	ran := func(method string) string { return scriptioPage("ran " + method + "\n") }
	text := func(status, fields string) string {
		return strings.Replace(scriptioError(status), sniff, sniff+fields, 1)
	}
	tests := []struct{ name, request, want string }{
		{"GET", scriptioGet("/x.sh"), ran("GET")},
		{"HEAD", "HEAD /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", strings.Replace(ran("HEAD"), "ran HEAD\n", "", 1)},
		{"POST", scriptioPost("/x.sh", ""), ran("POST")},
		{"OPTIONS", "OPTIONS /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n" + allow + sniff + "\r\n"},
		{"OPTIONS from another site", "OPTIONS /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\nAccess-Control-Request-Method: POST\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n" + allow + sniff + "\r\n"},
		{"PUT", "PUT /x.sh HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", text("405 Method Not Allowed", allow)},
		{"DELETE", "DELETE /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", allow)},
		{"PATCH", "PATCH /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", allow)},
		{"TRACE", "TRACE /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"an unknown one", "BREW /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("501 Not Implemented", "")},
		{"one in lower case", "get /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("501 Not Implemented", "")},
		{"an unknown one for what is not there", "BREW /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"PUT to what is not there", "PUT /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"OPTIONS of what is not there", "OPTIONS /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"POST to an index script", scriptioPost("/sub/", ""), ran("POST")},
		{"POST to a folder without a slash", scriptioPost("/sub", ""), text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"POST to a file", scriptioPost("/a.txt", ""), text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"POST from another site", "POST /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 5\r\n\r\nhello", text("403 Forbidden", "")},
		{"POST from another site to an index script", "POST /sub/ HTTP/1.1\r\nHost: a\r\nsec-fetch-site:  cross-site \r\nContent-Length: 0\r\n\r\n", text("403 Forbidden", "")},
		{"POST from the same site", "POST /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: same-site\r\nContent-Length: 0\r\n\r\n", ran("POST")},
		{"POST from the same origin", "POST /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n", ran("POST")},
		{"POST from no site", "POST /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: none\r\nContent-Length: 0\r\n\r\n", ran("POST")},
		{"GET from another site", "GET /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\n\r\n", ran("GET")},
		{"HEAD from another site", "HEAD /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\n\r\n", strings.Replace(ran("HEAD"), "ran HEAD\n", "", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const script = ": >ran; echo \"ran $REQUEST_METHOD\""
			root := scriptioFolder(t, map[string]string{"x.sh": script, "sub/index.sh": script, "a.txt": ""})
			addr := scriptioServe(t, root, WithIndex("index.sh"))
			// Another request behind it is answered: the connection goes on.
			next := scriptioGet("/a.txt")
			answer := scriptioHeld(t, addr, tt.request+next, tt.want+"Content-Length: ")
			got, rest, _ := strings.Cut(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the answer to %q (-want +got):\n%s", tt.request, diff)
			}
			if rest == "" {
				t.Errorf("%q with a request behind it is answered with %q, want an answer to that, too", tt.request, answer)
			}
			for _, folder := range []string{root, filepath.Join(root, "sub")} {
				if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil && !strings.Contains(tt.want, "200 OK") {
					t.Errorf("%q has run the script", tt.request)
				}
			}
		})
	}
}
