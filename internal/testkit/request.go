package testkit

import (
	"strconv"
	"strings"
)

// GetRequest returns a request for the path, with more field lines.
func GetRequest(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: example.test"}, fields...), "\r\n") + "\r\n\r\n"
}

// PostRequest returns a request with content.
func PostRequest(path, content string, fields ...string) string {
	return post(path, append(fields, "Content-Length: "+strconv.Itoa(len(content)))) + content
}

// ChunkedRequest returns a request with content that is already chunked.
func ChunkedRequest(path, content string, fields ...string) string {
	return post(path, append(fields, "Transfer-Encoding: chunked")) + content
}

func post(path string, fields []string) (head string) {
	return "POST" + strings.TrimPrefix(GetRequest(path, fields...), "GET")
}
