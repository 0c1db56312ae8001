// Package exercises holds the exercises of the lesson, one for each step. Each function says
// what it should do, and does not do it yet. Its test fails until it does:
//
//	go test -tags exercise -run 'Exercise1$' ./exercises
//
// The folder solution has one solution of each.
package exercises

import (
	"io"
	"time"

	"example.com/rawhttp"
)

// ReadHead reads from r up to and including the empty line that ends a head, and returns what
// it has read. It reads nothing after the empty line: that may be content. Each line ends in
// CRLF. If r ends earlier, it returns io.ErrUnexpectedEOF. (Step 1.)
func ReadHead(r io.Reader) (string, error) {
	return "", nil
}

// ResponseOK returns the bytes of a response: status 200, the fields Content-Type and
// Content-Length, in this order, and the content. (Step 2.)
func ResponseOK(mediaType, content string) string {
	return ""
}

// RequestLine splits a request line, without its CRLF, into its parts (RFC 9112, section 3).
// One space separates each part from the next, no part is empty or contains a space, and the
// version is HTTP/1.0 or HTTP/1.1. For any other line ok is false. (Step 3.)
func RequestLine(line string) (method, target, version string, ok bool) {
	return "", "", "", false
}

// Status returns the status code for an error: 200 for nil, 404 for fs.ErrNotExist, 403 for
// fs.ErrPermission, and 500 for any other error. An error that wraps one of the two counts as
// that one. Do not use rawhttp.StatusOf. (Step 4.)
func Status(err error) int {
	return 0
}

// Name returns the name that a path has in an fs.FS: "/images/a.png" is "images/a.png", and
// "/" is ".". It returns fs.ErrNotExist if the path does not begin with a slash, if one of
// its segments is "..", or if one begins with a dot: hidden files stay hidden. Empty segments
// are left out, so "//a//b/" is "a/b". (Step 5.)
func Name(path string) (string, error) {
	return "", nil
}

// MediaType returns the media type of a file by the extension of its name, whatever its case:
// .html, .txt, .png and .jpg as in step 6, .jpeg as .jpg, and for all other names
// application/octet-stream. (Step 6.)
func MediaType(name string) string {
	return ""
}

// Item returns the line of a listing for a file with this name, with LF at its end:
//
//	<li><a href="./a%20b.txt">a b.txt</a></li>
//
// A name may contain any character except a slash. The page must show each name as it is, and
// each link must lead to its file. (Step 7.)
func Item(name string) string {
	return ""
}

// Date returns a time as the Date field has it (RFC 9110, section 5.6.7), as in
// "Sun, 06 Nov 1994 08:49:37 GMT", wherever the time was taken. (Step 8.)
func Date(t time.Time) string {
	return ""
}

// Guard returns a resolver that answers as r does or, if r panics, with 500 and the text
// "Something went wrong.\n". The value of the panic is not for the client. (Step 9.)
func Guard(r rawhttp.Resolver) rawhttp.Resolver {
	return r
}

// Environment returns the variables of a script (RFC 3875, section 4.1), in this order:
// REQUEST_METHOD, QUERY_STRING, and for each field of the request, in the order of the
// request, HTTP_ and its name in capitals with _ for each -, as in "HTTP_USER_AGENT=curl/8.5.0".
//
// Two kinds of fields are left out. The first is Proxy: many programs take HTTP_PROXY for the
// proxy to use, and a client must not choose that. The second is any field with _ in its name,
// whose variable would also be that of a field with - in its place. (Step 10.)
func Environment(req *rawhttp.Request) []string {
	return nil
}
