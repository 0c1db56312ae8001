package wire

import (
	"strconv"

	"example.com/rawhttp/internal/ascii"
)

// AppendStatusLine appends a status line, whose reason phrase is that of the RFC that defines
// the status, or empty (RFC 9112, section 4). The version is always 1.1: "A server SHOULD send a
// response version equal to the highest version to which the server is conformant". RFC 9110,
// section 6.2.
func AppendStatusLine(b []byte, status int) []byte {
	if status == 200 { // most responses: the table of phrases is not searched
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, ascii.ReasonPhrase(status)...)
	return append(b, "\r\n"...)
}

// AppendField appends a field line (RFC 9112, section 5). It checks nothing: name must be a
// token, and value must pass ascii.IsFieldValue. "a single SP preceding the field line value is
// preferred for consistent readability by humans". RFC 9112, section 5.1.
func AppendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
