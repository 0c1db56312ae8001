package conformance_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

// wireResolvers has the resolvers that transcripts can name.
var wireResolvers = map[string]rawhttp.Resolver{
	// Reads the content and describes the request as it was parsed.
	"": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, fmt.Sprintf("%s, content %s\r\n", wireUnderstood(req), wireQuote(string(content)))), nil
	}),
	// Does not read the content.
	"ignore": answerText("the content was not read\r\n"),
	// Reads the content and ignores errors.
	"careless": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, "never mind\r\n"), nil
	}),
	// Answers with the content while reading it.
	"echo": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "application/octet-stream", req.Body), nil
	}),
	// Reads the content after the head of the response has been sent.
	"late": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "first words\r\n")
			content, err := io.ReadAll(req.Body)
			if err != nil && req.Path() != "/careless" {
				return err
			}
			_, err = fmt.Fprintf(w, "then %q\r\n", content)
			return err
		}), nil
	}),
	// Answers with the trailer fields.
	"trailers": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("content %q, %d header fields, %d trailer fields\r\n", content, req.Header().Len(), req.Trailer().Len())
		for name, value := range req.Trailer().All() {
			text += fmt.Sprintf("%s: %q\r\n", name, value)
		}
		return rawhttp.Text(200, text), nil
	}),
	// The folder testdata/webroot.
	"root": nil,
	// A small tree of files in memory.
	"files": wireFiles(),
	// Has a different kind of response at each path.
	"kinds": rawhttp.ResolverFunc(wireKind),
}

func wireFiles() rawhttp.Resolver {
	day := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	files, err := rawhttp.FS(fstest.MapFS{
		"sample.txt":   {Data: []byte("0123456789"), ModTime: day},
		"next":         {Data: []byte("the next\r\n")}, // without a time there are no validators
		"folder/a.txt": {Data: []byte("a\r\n"), ModTime: day},
	})
	if err != nil {
		panic(err)
	}
	return files
}

func wireKind(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	switch req.Path() {
	case "/next":
		return rawhttp.Text(200, "the next\r\n"), nil
	case "/text":
		return rawhttp.Text(200, "text\r\n"), nil
	case "/stream":
		return rawhttp.Stream(200, "text/plain", strings.NewReader("stream\r\n")), nil
	case "/streamfunc":
		return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "one\r\n")
			_, err := io.WriteString(w, "two\r\n")
			return err
		}), nil
	case "/content":
		return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("content\r\n"), Size: 9, MediaType: "text/plain", ETag: `"tag"`}), nil
	case "/empty":
		return rawhttp.Empty(200), nil
	case "/204":
		return rawhttp.Text(204, "not to be sent\r\n"), nil
	case "/205":
		return rawhttp.Text(205, "not to be sent\r\n"), nil
	case "/304":
		return rawhttp.Text(304, "not to be sent\r\n").Set("ETag", `"tag"`), nil
	case "/fields":
		return rawhttp.OK("TEXT/plain;Charset=\"us-ascii\"", []byte("fields\r\n")).
			Set("X-b", "2").Set("x-A", "1").Add("X-b", "3").Set("Last-Modified", "today"), nil
	case "/close":
		return rawhttp.Text(200, "the last\r\n").CloseAfter(), nil
	case "/405":
		return nil, &rawhttp.StatusError{Status: 405, Allow: []string{"PROPFIND", "OPTIONS"}, Err: os.ErrInvalid}
	case "/options":
		return rawhttp.MethodNotAllowed("GET"), nil
	case "/bad-field":
		return rawhttp.Text(200, "text\r\n").Set("X-Split", "a\r\nSet-Cookie: b"), nil
	case "/panic":
		panic("a bug")
	case "/nothing":
		return nil, nil
	}
	return nil, os.ErrNotExist
}

// wireUnderstood describes a parsed head, including the fields whose names begin with X.
func wireUnderstood(req *rawhttp.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s, host %q", wireQuote(req.Method())[1:len(wireQuote(req.Method()))-1], wireQuote(req.Path()), req.Version(), req.Host())
	if q := req.RawQuery(); q != "" {
		fmt.Fprintf(&b, ", query %s", wireQuote(q))
	}
	for name, value := range req.Header().All() {
		if name[0] == 'X' {
			fmt.Fprintf(&b, ", %s %s", name, wireQuote(value))
		}
	}
	fmt.Fprintf(&b, ", length %d", req.ContentLength())
	return b.String()
}

// wireQuote quotes s, and shortens it if it is long.
func wireQuote(s string) string {
	if len(s) <= 100 {
		return strconv.QuoteToASCII(s)
	}
	return fmt.Sprintf("%q and %d bytes more", s[:16], len(s)-16)
}
