package wire

import (
	"strconv"

	"example.com/rawhttp/internal/ascii"
)

// AppendStatusLine appends a status line, whose reason phrase is that of the RFC that defines
// the status, or empty (RFC 9112, section 4).
func AppendStatusLine(b []byte, status int) []byte {
	if status == 200 {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, ascii.ReasonPhrase(status)...)
	return append(b, "\r\n"...)
}

// AppendField appends a field line (RFC 9112, section 5).
func AppendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
