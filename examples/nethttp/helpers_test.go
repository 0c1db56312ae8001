package nethttp

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// serveRawhttp serves r with rawhttp on a port of 127.0.0.1 until the test ends.
func serveRawhttp(t *testing.T, r rawhttp.Resolver, opts ...rawhttp.Option) (addr string) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithResolver(r), rawhttp.WithLogger(logger)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; !errors.Is(err, rawhttp.ErrServerClosed) {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return ln.Addr().String()
}

// serveNetHTTP serves h with net/http on a port of 127.0.0.1 until the test ends.
func serveNetHTTP(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	srv := &http.Server{Handler: h, ErrorLog: log.New(t.Output(), "", 0)}
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dial connects to a server. The connection closes when the test ends; the deadline limits a hang.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

// An answer is a response as a client sees it.
type answer struct {
	Interim  []string // 1xx responses, without 100
	Status   int
	Framing  string // how the end of the content is marked: length, chunked, close or none
	Fields   []string
	Content  string
	Trailers []string
	End      string // what is wrong with the content, or "" if it is complete
}

// ask sends a request, given as its bytes, and returns the answer.
func ask(t *testing.T, addr, request string) answer {
	t.Helper()
	conn := dial(t, addr)
	go io.WriteString(conn, request) // the server may answer before it has read all of it
	return readAnswer(bufio.NewReader(conn), request)
}

// readAnswer reads the answer to the request.
func readAnswer(in *bufio.Reader, request string) (a answer) {
	method, _, _ := strings.Cut(request, " ")
	req := &http.Request{Method: method}
	resp, err := http.ReadResponse(in, req)
	for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		if resp.StatusCode != http.StatusContinue {
			a.Interim = append(a.Interim, resp.Status+" "+strings.Join(fieldLines(resp.Header), ", "))
		}
		resp, err = http.ReadResponse(in, req)
	}
	if err != nil {
		a.End = "no response"
		return a
	}
	boundary := boundaryOf(resp.Header.Get("Content-Type"))
	if boundary != "" {
		resp.Header.Set("Content-Type", "multipart/byteranges")
	}
	a.Status, a.Fields = resp.StatusCode, fieldLines(resp.Header)
	switch {
	case len(resp.TransferEncoding) > 0:
		a.Framing = "chunked"
	case resp.Header.Get("Content-Length") != "":
		a.Framing = "length"
	case resp.ContentLength < 0:
		a.Framing = "close"
	default:
		a.Framing = "none"
	}
	content, err := io.ReadAll(resp.Body)
	a.Content = shorten(string(content))
	if boundary != "" {
		a.Content = strings.ReplaceAll(a.Content, boundary, "boundary") // a random string
	}
	if err != nil {
		a.End, a.Content = "cut", "" // how much arrived depends on buffers
	}
	a.Trailers = fieldLines(resp.Trailer)
	return a
}

// boundaryOf returns the boundary of several ranges, "" if there is none.
func boundaryOf(mediaType string) string {
	_, params, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return ""
	}
	return params["boundary"]
}

// shorten replaces long content by its length and hash.
func shorten(s string) string {
	if len(s) <= 1000 {
		return s
	}
	return fmt.Sprintf("%d bytes, %x", len(s), sha256.Sum256([]byte(s)))
}

// fieldLines returns the fields in the order of their names, without the date.
func fieldLines(h http.Header) (lines []string) {
	for name, values := range h {
		for _, value := range values {
			if name == "Trailer" { // its order is random
				names := strings.Split(value, ", ")
				slices.Sort(names)
				value = strings.Join(names, ", ")
			}
			if name != "Date" {
				lines = append(lines, name+": "+value)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// long returns n bytes of text.
func long(n int) string {
	return strings.Repeat("0123456789abcde\n", n/16+1)[:n]
}
