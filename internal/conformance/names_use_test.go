package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// Option cannot be implemented outside the package.
func TestOptionsAreSealed(t *testing.T) {
	for _, option := range []reflect.Type{reflect.TypeFor[rawhttp.Option](), reflect.TypeFor[rawhttp.FileOption]()} {
		sealed := false
		for method := range option.Methods() {
			sealed = sealed || !method.IsExported()
		}
		if !sealed {
			t.Errorf("%v has only exported methods, so other packages can implement it", option)
		}
	}
}

// 0 means off where that makes sense; a negative value is an error.
func TestNewBounds(t *testing.T) {
	tests := []struct {
		name           string
		negative, zero rawhttp.Option
		zeroIsOff      bool
	}{
		{"WithReadHeaderTimeout", rawhttp.WithReadHeaderTimeout(-1), rawhttp.WithReadHeaderTimeout(0), true},
		{"WithIdleTimeout", rawhttp.WithIdleTimeout(-1), rawhttp.WithIdleTimeout(0), true},
		{"WithStallTimeout", rawhttp.WithStallTimeout(-1), rawhttp.WithStallTimeout(0), true},
		{"WithDrainTimeout", rawhttp.WithDrainTimeout(-1), rawhttp.WithDrainTimeout(0), true},
		{"WithMaxBodyBytes", rawhttp.WithMaxBodyBytes(-1), rawhttp.WithMaxBodyBytes(0), true},
		{"WithMaxConns", rawhttp.WithMaxConns(-1), rawhttp.WithMaxConns(0), true},
		{"WithMaxListing", rawhttp.WithMaxListing(-1), rawhttp.WithMaxListing(0), true},
		{"WithMaxHeaderBytes", rawhttp.WithMaxHeaderBytes(-1), rawhttp.WithMaxHeaderBytes(0), false},
		{"WithMaxFields", rawhttp.WithMaxFields(-1), rawhttp.WithMaxFields(0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := rawhttp.New(rawhttp.WithFS(fstest.MapFS{}), tt.negative); err == nil {
				t.Errorf("New with %s(-1) = nil error, want an error", tt.name)
			}
			if _, err := rawhttp.New(rawhttp.WithFS(fstest.MapFS{}), tt.zero); (err == nil) != tt.zeroIsOff {
				t.Errorf("New with %s(0): %v, want success: %v", tt.name, err, tt.zeroIsOff)
			}
		})
	}
}

// New reports every error, not just the first.
func TestNewJoinsErrors(t *testing.T) {
	_, err := rawhttp.New(
		rawhttp.WithIdleTimeout(-1),
		rawhttp.WithMaxFields(0),
		rawhttp.WithMediaType("a/b", "text/plain"),
	)
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("New = %v, want an error that joins those of the options", err)
	}
	if got, want := len(strings.Split(err.Error(), "\n")), 4; got != want {
		t.Errorf("New reports %d errors, want %d (two options, a file option, nothing to serve): %v", got, want, joined)
	}
}

func TestLaterOptions(t *testing.T) {
	var first, second atomic.Int32
	counting := func(n *atomic.Int32) rawhttp.Option {
		return rawhttp.WithTrace(rawhttp.Trace{Exchange: func(rawhttp.Exchange) { n.Add(1) }})
	}
	_, addr := listen(t,
		rawhttp.WithFS(fstest.MapFS{"a.one": {}, "a.two": {}}),
		rawhttp.WithDate(true), rawhttp.WithDate(false),
		rawhttp.WithServerField("first"), rawhttp.WithServerField("second"),
		rawhttp.WithMediaType(".one", "a/first"), rawhttp.WithMediaType(".one", "a/one"), rawhttp.WithMediaType(".two", "a/two"),
		rawhttp.WithHosts("one.test"), rawhttp.WithHosts("two.test"),
		counting(&first), counting(&second),
	)
	got := talk(t, addr, "GET /a.one HTTP/1.1\r\nHost: one.test\r\n\r\n"+
		"GET /a.two HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n")
	want := []string{
		"Server: second\r\nContent-Type: a/one\r\n", // the later WithServerField wins
		"Server: second\r\nContent-Type: a/two\r\n", // both WithMediaType options apply
	}
	for i, answer := range strings.SplitAfter(got, "HTTP/1.1 200 OK\r\n")[1:] {
		if i >= len(want) || !strings.HasPrefix(answer, want[i]) {
			t.Errorf("answers:\n%swant each to continue with one of %q", got, want)
		}
	}
	if first.Load() != 2 || second.Load() != 2 {
		t.Errorf("the traces saw %d and %d exchanges, want 2 each", first.Load(), second.Load())
	}
}

func TestRequestNames(t *testing.T) {
	head := "POST http://other.test:81/a/%62?c=%64&e HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
	req, rest, err := rawhttp.ParseRequest([]byte(head + "5\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	type names struct {
		Method, Target, Path, Prefix, RawQuery, Host, Version, Head, Rest string
		Query                                                             url.Values
		Header                                                            [][2]string
		ContentLength                                                     int64
		Trailer                                                           int
		Conn                                                              rawhttp.ConnInfo
	}
	list := func(h rawhttp.Header) (lines [][2]string) {
		for name, value := range h.All() {
			lines = append(lines, [2]string{name, value})
		}
		return lines
	}
	got := names{
		req.Method(), req.Target(), req.Path(), req.Prefix(), req.RawQuery(), req.Host(), req.Version(), string(req.Head()), string(rest),
		req.Query(), list(req.Header()), req.ContentLength(), req.Trailer().Len(), req.Conn(),
	}
	want := names{
		Method: "POST", Target: "http://other.test:81/a/%62?c=%64&e", Path: "/a/b", Prefix: "", RawQuery: "c=%64&e",
		Host: "other.test:81", Version: "HTTP/1.1", Head: head, Rest: "5\r\n",
		Query:         url.Values{"c": {"d"}, "e": {""}},
		Header:        [][2]string{{"Host", "example.test"}, {"Transfer-Encoding", "chunked"}, {"X-A", "1"}},
		ContentLength: -1,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b rawhttp.ConnInfo) bool { return a == b })); diff != "" {
		t.Errorf("ParseRequest(%q) (-want +got):\n%s", head, diff)
	}
	if content, err := io.ReadAll(req.Body); len(content) > 0 || err != nil {
		t.Errorf("Body of ParseRequest = %q, %v, want no content", content, err)
	}
	if content, err := io.ReadAll(req.Clone().Body); len(content) > 0 || err != nil {
		t.Errorf("Body of Clone = %q, %v, want no content", content, err)
	}
	if got := req.WithPath("/y").WithPath(""); got.Path() != "/y" {
		t.Errorf("WithPath of an empty path changes the path from /y to %q, want no change", got.Path())
	}
	if got := req.WithPath("/z"); got.Path() != "/z" || got.Target() != req.Target() || req.Path() != "/a/b" {
		t.Errorf("WithPath: path %q, target %q, path of the original %q", got.Path(), got.Target(), req.Path())
	}
	if _, err := req.WithPath("/z").Parse([]byte("HEAD /other HTTP/1.0\r\n\r\n")); err != nil || string(req.Head()) != head {
		t.Errorf("after Parse (%v) of a Request from WithPath, the head of the original is %q, want %q as before", err, req.Head(), head)
	}
}

func TestBuilders(t *testing.T) {
	type built struct {
		Status int
		Fields [][2]string
		Wire   string
		Twice  bool // whether it may answer more than one request
	}
	const text = "text/plain; charset=utf-8"
	stream := func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "x")
		return err
	}
	file := func() *rawhttp.Response {
		f, err := fstest.MapFS{"a.txt": {Data: []byte("x")}}.Open("a.txt")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rawhttp.File(f)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const chunked = "Transfer-Encoding: chunked\r\n"
	tests := []struct {
		name string
		resp *rawhttp.Response
		want built
	}{
		{"OK", rawhttp.OK("a/b", []byte("x")), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Text", rawhttp.Text(201, "x"), built{201, [][2]string{{"Content-Type", text}}, length(1) + "\r\nx", true}},
		{"HTML", rawhttp.HTML(202, "x"), built{202, [][2]string{{"Content-Type", "text/html; charset=utf-8"}}, length(1) + "\r\nx", true}},
		{"Bytes", rawhttp.Bytes(203, "a/b", []byte("x")), built{203, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Empty", rawhttp.Empty(200), built{200, nil, length(0) + "\r\n", true}},
		{"Empty 204", rawhttp.Empty(204), built{204, nil, "\r\n", true}},
		{"NotFound", rawhttp.NotFound(), built{404, [][2]string{{"Content-Type", text}}, length(14) + "\r\n404 Not Found\n", true}},
		{"InternalServerError", rawhttp.InternalServerError(), built{500, [][2]string{{"Content-Type", text}}, length(26) + "\r\n500 Internal Server Error\n", true}},
		{"MethodNotAllowed", rawhttp.MethodNotAllowed("GET", "PUT"), built{405, [][2]string{{"Content-Type", text}, {"Allow", "GET, PUT"}}, length(23) + "\r\n405 Method Not Allowed\n", true}},
		{"Redirect", rawhttp.Redirect(303, "/a"), built{303, [][2]string{{"Content-Type", text}, {"Location", "/a"}}, length(14) + "\r\n303 See Other\n", true}},
		{"StreamFunc", rawhttp.StreamFunc(200, "a/b", stream), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", true}},
		{"Stream", rawhttp.Stream(200, "a/b", strings.NewReader("x")), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", false}},
		{"Content of an io.ReaderAt", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: strings.NewReader("x"), Size: 1}), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Content of another Reader", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: bytes.NewBufferString("x"), Size: 1}), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", false}},
		{"Content of unknown size", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: bytes.NewBufferString("x"), Size: -1}), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", false}},
		{"Content of nothing", rawhttp.Content(rawhttp.Representation{}), built{200, [][2]string{{"Content-Type", "application/octet-stream"}}, length(0) + "\r\n", true}},
		{"File", file(), built{200, [][2]string{{"Content-Type", text}}, length(1) + "\r\nx", false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.resp.Err(); err != nil {
				t.Fatal(err)
			}
			got := built{Status: tt.resp.Status()}
			for name, value := range tt.resp.Fields() {
				got.Fields = append(got.Fields, [2]string{name, value})
			}
			var first, second strings.Builder
			if _, err := tt.resp.WriteTo(&first); err != nil {
				t.Fatal(err)
			}
			_, err := tt.resp.WriteTo(&second)
			got.Twice = err == nil && first.String() == second.String()
			// The fields of Fields are compared above; the server adds the framing field.
			head, content, _ := strings.Cut(first.String(), "\r\n\r\n")
			for line := range strings.Lines(head + "\r\n") {
				if strings.HasPrefix(line, "Content-Length:") || strings.HasPrefix(line, "Transfer-Encoding:") {
					got.Wire += line
				}
			}
			got.Wire += "\r\n" + content
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			if err := tt.resp.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestServeReturns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		stop func(srv *rawhttp.Server, ln net.Listener, cancel func()) error
		want error
	}{
		{"end of the context", func(_ *rawhttp.Server, _ net.Listener, cancel func()) error { cancel(); return nil }, nil},
		{"listener closed by its owner", func(_ *rawhttp.Server, ln net.Listener, _ func()) error { return ln.Close() }, net.ErrClosed},
		{"Shutdown", func(srv *rawhttp.Server, _ net.Listener, _ func()) error { return srv.Shutdown(context.Background()) }, rawhttp.ErrServerClosed},
		{"Close", func(srv *rawhttp.Server, _ net.Listener, _ func()) error { return srv.Close() }, rawhttp.ErrServerClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.First()))
			if err != nil {
				t.Fatal(err)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			served := make(chan error)
			go func() { served <- srv.Serve(ctx, ln) }()
			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			// After an answer Serve has certainly begun.
			fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
			if _, err := io.ReadAll(client); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if err := tt.stop(srv, ln, cancel); err != nil {
				t.Error(err)
			}
			if got := <-served; got != tt.want && !errors.Is(got, tt.want) {
				t.Errorf("Serve = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStatsAndTraceCount(t *testing.T) {
	t.Parallel()
	var states []string
	var read, written, opened, closed uint64
	var exchanges []rawhttp.Exchange
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{"a": {Data: []byte("x")}}),
		rawhttp.WithTrace(rawhttp.Trace{
			ConnOpen:     func(conn uint64, _ net.Conn) { opened += conn },
			ConnState:    func(_ uint64, s rawhttp.ConnState) { states = append(states, s.String()) },
			BytesRead:    func(_, _ uint64, b []byte) { read += uint64(len(b)) },
			BytesWritten: func(_, _ uint64, b []byte) { written += uint64(len(b)) },
			Exchange:     func(x rawhttp.Exchange) { exchanges = append(exchanges, x) },
			ConnClose:    func(conn uint64, _ error) { closed += conn },
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	requests := []string{
		"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n",
		"GET /b HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n",
	}
	client, server := net.Pipe()
	served := make(chan error)
	go func() { served <- srv.ServeConn(context.Background(), server) }()
	go func() {
		for _, r := range requests {
			io.WriteString(client, r)
		}
	}()
	answers, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Errorf("ServeConn = %v, want nil after a graceful close", err)
	}

	want := rawhttp.Stats{
		Conns: 1, Requests: 2,
		BytesRead:    uint64(len(requests[0]) + len(requests[1])),
		BytesWritten: uint64(len(answers)),
	}
	if diff := cmp.Diff(want, srv.Stats()); diff != "" {
		t.Errorf("Stats (-want +got):\n%s", diff)
	}
	if read != want.BytesRead || written != want.BytesWritten {
		t.Errorf("the trace saw %d bytes read and %d written, want %d and %d", read, written, want.BytesRead, want.BytesWritten)
	}
	if opened != 1 || closed != 1 {
		t.Errorf("sums of the connection numbers of ConnOpen and ConnClose are %d and %d, want one call each with 1", opened, closed)
	}
	// No content is left unread, so there is no drain. A pipe cannot close one direction, so it
	// lingers without a FIN.
	wantStates := strings.Fields("idle head resolve write idle head resolve write linger closed")
	if diff := cmp.Diff(wantStates, states); diff != "" {
		t.Errorf("ConnState (-want +got):\n%s", diff)
	}
	type exchange struct {
		Conn, Num uint64
		Status    int
		Bytes     int64
		Err       error
	}
	var got []exchange
	for _, x := range exchanges {
		got = append(got, exchange{x.Conn, x.Num, x.Status, x.Bytes, x.Err})
	}
	if diff := cmp.Diff([]exchange{{1, 1, 200, 1, nil}, {1, 2, 404, 14, nil}}, got); diff != "" {
		t.Errorf("Exchange (-want +got):\n%s", diff)
	}
}

// A Server closes the folders that it opened, but not resolvers that the program made.
func TestCloseOwnership(t *testing.T) {
	given, err := rawhttp.FS(fstest.MapFS{"a.txt": {Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := rawhttp.New(rawhttp.WithResolver(given))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	const get = "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
	if got := rawhttp.Answer(given, get); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("answer of the program's resolver after Server.Close: %q, want 200 OK", got)
	}
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rawhttp.Answer(given, get); !strings.HasPrefix(got, "HTTP/1.1 503 Service Unavailable\r\n") {
		t.Errorf("answer of the resolver after its own Close: %q, want 503 Service Unavailable", got)
	}
}
