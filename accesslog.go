package rawhttp

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"example.com/rawhttp/internal/ascii"
)

// AccessLog returns a Trace that writes one line per response to w, in the Combined Log
// Format:
//
//	127.0.0.1 - - [22/Nov/2026:13:03:20 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0"
//
// A request whose head was refused is logged too, as "-" if its request line could not be
// parsed. Input from clients is escaped. The line is written after the response, so the
// client may have received the response before. Each line is one Write; Writes are never
// concurrent, and their errors are ignored.
func AccessLog(w io.Writer) Trace {
	var mu sync.Mutex // held during Write, too, so that lines are not mixed
	var line []byte   // reused
	return Trace{Exchange: func(x Exchange) {
		mu.Lock()
		defer mu.Unlock()
		line = appendAccess(line[:0], x)
		w.Write(line)
	}}
}

// appendAccess appends the line of an exchange. The two fields before the time, the identity and
// the user, are always "-": the server knows neither.
func appendAccess(b []byte, x Exchange) []byte {
	client, request, referer, agent := x.Client, x.RequestLine, "", ""
	if r := x.Request; r != nil {
		request = r.head.RequestLine(r.head.Text)
		referer, agent = r.Header().Get("Referer"), r.Header().Get("User-Agent")
	}
	if client == "" {
		client = "-"
	}
	b = append(b, client...)
	b = append(b, " - - ["...)
	b = x.Start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, "] "...)
	b = appendQuoted(b, request)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(x.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.Bytes, 10)
	b = append(b, ' ')
	b = appendQuoted(b, referer)
	b = append(b, ' ')
	b = appendQuoted(b, agent)
	return append(b, '\n')
}

// appendQuoted appends s in quotes, escaping quotes and backslashes, or "-" if s is empty. A
// client could otherwise forge lines, or send escape sequences to a terminal.
func appendQuoted(b []byte, s string) []byte {
	if s == "" {
		s = "-"
	}
	s = ascii.Visible(strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`))
	return append(append(append(b, '"'), s...), '"')
}
