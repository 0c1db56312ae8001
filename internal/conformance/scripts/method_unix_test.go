//go:build unix

package scripts_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// Scripts answer GET, HEAD and POST. Other methods are refused and run nothing. A missing
// script is 404 for every method.
func TestScriptMethods(t *testing.T) {
	t.Parallel()
	const (
		sniff = "X-Content-Type-Options: nosniff\r\n"
		allow = "Allow: GET, HEAD, POST, OPTIONS\r\n"
	)
	ran := func(method string) string { return pageAnswer("ran " + method + "\n") }
	text := func(status, fields string) string {
		return strings.Replace(errorText(status), sniff, sniff+fields, 1)
	}
	tests := []struct{ name, request, want string }{
		{"GET", getRequest("/x.sh"), ran("GET")},
		{"HEAD", "HEAD /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", strings.Replace(ran("HEAD"), "ran HEAD\n", "", 1)},
		{"POST", postRequest("/x.sh", ""), ran("POST")},
		{"OPTIONS", "OPTIONS /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n" + allow + sniff + "\r\n"},
		{"OPTIONS from another site", "OPTIONS /x.sh HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\nAccess-Control-Request-Method: POST\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n" + allow + sniff + "\r\n"},
		{"PUT", "PUT /x.sh HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", text("405 Method Not Allowed", allow)},
		{"DELETE", "DELETE /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", allow)},
		{"PATCH", "PATCH /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", allow)},
		{"TRACE", "TRACE /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"an unknown method", "BREW /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("501 Not Implemented", "")},
		{"a method in lower case", "get /x.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("501 Not Implemented", "")},
		{"an unknown method on a missing script", "BREW /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"PUT to a missing script", "PUT /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"OPTIONS of a missing script", "OPTIONS /y.sh HTTP/1.1\r\nHost: a\r\n\r\n", text("404 Not Found", "")},
		{"POST to an index script", postRequest("/sub/", ""), ran("POST")},
		{"POST to a folder without a slash", postRequest("/sub", ""), text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"POST to an index script, with an encoded slash", postRequest("/sub%2F/", ""), ran("POST")},
		{"POST to a folder that ends in an encoded slash", postRequest("/sub%2F", ""), text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
		{"GET of a folder that ends in an encoded slash", getRequest("/sub%2F"),
			strings.Replace(errorText("301 Moved Permanently"), sniff, "Location: ./sub%2F/\r\n"+sniff, 1)},
		{"POST to a file", postRequest("/a.txt", ""), text("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n")},
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
			const script = leaveMark + "echo \"ran $REQUEST_METHOD\""
			root := testkit.Scripts(t, map[string]string{"x.sh": script, "sub/index.sh": script, "a.txt": ""})
			addr := serveShell(t, root, rawhttp.WithIndex("index.sh"))
			// The next request is answered, so the connection persists.
			next := getRequest("/a.txt")
			answer := talkHeld(t, addr, tt.request+next, tt.want+"Content-Length: ")
			got, rest, _ := strings.Cut(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", tt.request, diff)
			}
			if rest == "" {
				t.Errorf("answer to %q and another request: %q, want two answers", tt.request, answer)
			}
			if !strings.Contains(tt.want, "200 OK") {
				wantNoMark(t, root, filepath.Join(root, "sub"))
			}
		})
	}
}

// Scripts also answer the methods of WithScriptMethods, and Allow, 405 and the refusal of requests
// from other sites take them into account.
func TestScriptMethodsAdded(t *testing.T) {
	t.Parallel()
	const (
		sniff = "X-Content-Type-Options: nosniff\r\n"
		host  = " HTTP/1.1\r\nHost: a\r\n"
		cross = "Sec-Fetch-Site: cross-site\r\n"
	)
	rest := []string{"PUT", "DELETE", "PATCH", "GET", "HEAD", "POST", "PUT"}
	rows := []struct {
		name    string
		methods []string
		request string
		want    string // "ran" and the output, or the status and Allow
	}{
		{"PUT", rest, "PUT /x.sh" + host + "Content-Length: 5\r\n\r\nhello", "ran PUT hello"},
		{"PUT in chunks", rest, "PUT /x.sh" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "ran PUT hello"},
		{"PUT to an index script", rest, "PUT /sub/" + host + "Content-Length: 5\r\n\r\nhello", "ran PUT hello"},
		{"PUT with path info", rest, "PUT /x.sh/a" + host + "Content-Length: 0\r\n\r\n", "ran PUT "},
		{"DELETE", rest, "DELETE /x.sh" + host + "\r\n", "ran DELETE "},
		{"PATCH", rest, "PATCH /x.sh" + host + "\r\n", "ran PATCH "},
		{"POST", rest, "POST /x.sh" + host + "Content-Length: 1\r\n\r\na", "ran POST a"},
		{"a method of another specification", []string{"PROPFIND"}, "PROPFIND /x.sh" + host + "\r\n", "ran PROPFIND "},
		{"a method of another specification that was not added", []string{"PROPFIND"}, "PROPPATCH /x.sh" + host + "\r\n", "501 Not Implemented"},
		{"a method in lower case", rest, "put /x.sh" + host + "\r\n", "501 Not Implemented"},
		{"OPTIONS that was not added", rest, "OPTIONS /x.sh" + host + "\r\n", "204 No Content: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"},
		{"a preflight, OPTIONS not added", rest, "OPTIONS /x.sh" + host + cross + "Access-Control-Request-Method: PUT\r\n\r\n", "204 No Content: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"},
		{"a method that was not added", []string{"PUT", "PUT"}, "DELETE /x.sh" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, POST, PUT, OPTIONS"},
		{"a method that was not added, OPTIONS added", []string{"OPTIONS", "PUT"}, "DELETE /x.sh" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, POST, OPTIONS, PUT"},
		{"no method", nil, "PUT /x.sh" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, POST, OPTIONS"},
		{"TRACE", rest, "TRACE /x.sh" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, OPTIONS"},
		{"PUT to a file", rest, "PUT /a.txt" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, OPTIONS"},
		{"PUT to a folder", rest, "PUT /empty/" + host + "\r\n", "405 Method Not Allowed: GET, HEAD, OPTIONS"},
		{"PUT to a missing script", rest, "PUT /y.sh" + host + "\r\n", "404 Not Found"},

		{"PUT from another site", rest, "PUT /x.sh" + host + cross + "Content-Length: 5\r\n\r\nhello", "403 Forbidden"},
		{"DELETE from another site", rest, "DELETE /x.sh" + host + cross + "\r\n", "403 Forbidden"},
		{"POST from another site", rest, "POST /x.sh" + host + cross + "\r\n", "403 Forbidden"},
		{"a method of another specification from another site", []string{"PROPFIND"}, "PROPFIND /x.sh" + host + cross + "\r\n", "403 Forbidden"},
		{"GET from another site", rest, "GET /x.sh" + host + cross + "\r\n", "ran GET "},
		{"PUT from the same site", rest, "PUT /x.sh" + host + "Sec-Fetch-Site: same-site\r\n\r\n", "ran PUT "},

		{"OPTIONS", []string{"OPTIONS"}, "OPTIONS /x.sh" + host + "\r\n", "ran OPTIONS "},
		{"a preflight", []string{"PUT", "OPTIONS"}, "OPTIONS /x.sh" + host + cross + "Origin: https://b\r\nAccess-Control-Request-Method: PUT\r\n\r\n", "ran OPTIONS "},
		{"a preflight of path info", []string{"OPTIONS"}, "OPTIONS /x.sh/a" + host + cross + "\r\n", "ran OPTIONS "},
		{"PUT from another site, after a preflight", []string{"PUT", "OPTIONS"}, "PUT /x.sh" + host + cross + "\r\n", "ran PUT "},
		{"POST from another site, after a preflight", []string{"OPTIONS"}, "POST /x.sh" + host + cross + "\r\n", "ran POST "},
		{"OPTIONS of a file", []string{"OPTIONS"}, "OPTIONS /a.txt" + host + "\r\n", "204 No Content: GET, HEAD, OPTIONS"},
		{"OPTIONS of a missing script", []string{"OPTIONS"}, "OPTIONS /y.sh" + host + "\r\n", "404 Not Found"},
		{"OPTIONS of the server", []string{"OPTIONS"}, "OPTIONS *" + host + "\r\n", "204 No Content: GET, HEAD, OPTIONS"},
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const script = leaveMark + "read -r content; echo \"ran $REQUEST_METHOD $content\""
			root := testkit.Scripts(t, map[string]string{"x.sh": script, "sub/index.sh": script, "a.txt": "", "empty/a.txt": ""})
			addr := serveShell(t, root, rawhttp.WithIndex("index.sh"), rawhttp.WithScriptPathInfo(true), rawhttp.WithScriptMethods(tt.methods...))
			status, allow, _ := strings.Cut(tt.want, ": ")
			if allow != "" {
				allow = "Allow: " + allow + "\r\n"
			}
			want := strings.Replace(errorText(status), sniff, sniff+allow, 1)
			switch {
			case strings.HasPrefix(tt.want, "ran "):
				want = pageAnswer(tt.want + "\n")
			case strings.HasPrefix(tt.want, "204 "):
				want = "HTTP/1.1 204 No Content\r\n" + allow + sniff + "\r\n"
			}
			if diff := cmp.Diff(want, talkHeld(t, addr, tt.request, want)); diff != "" {
				t.Errorf("answer to %q with WithScriptMethods(%q) (-want +got):\n%s", tt.request, tt.methods, diff)
			}
			if !strings.HasPrefix(tt.want, "ran ") {
				wantNoMark(t, root, filepath.Join(root, "sub"))
			}
		})
	}
}

// A script answers a preflight with its own fields.
func TestScriptAnswersPreflight(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"x.sh": "echo Status: 204\necho \"Access-Control-Allow-Origin: $HTTP_ORIGIN\"\necho Access-Control-Allow-Methods: PUT\necho"})
	addr := serveShell(t, root, rawhttp.WithScriptMethods("PUT", "OPTIONS"))
	const request = "OPTIONS /x.sh HTTP/1.1\r\nHost: a\r\nOrigin: https://b.test\r\nAccess-Control-Request-Method: PUT\r\nSec-Fetch-Site: cross-site\r\n\r\n"
	const want = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://b.test\r\nAccess-Control-Allow-Methods: PUT\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	if diff := cmp.Diff(want, talkHeld(t, addr, request, want)); diff != "" {
		t.Errorf("answer to a preflight (-want +got):\n%s", diff)
	}
}
