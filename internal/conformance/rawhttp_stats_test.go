package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

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

// If the client disconnects, Exchange.Bytes counts the content that the connection has taken,
// not what was left of a large write.
func TestExchangeOfCutResponse(t *testing.T) {
	const size, taken = 1 << 20, 100_000
	content := make([]byte, size)
	tests := []struct {
		name     string
		response *rawhttp.Response
		head     string // the end of what the client reads before the content
	}{
		{"bytes", rawhttp.OK("text/plain", content), "\r\n\r\n"},
		{"StreamFunc", rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
			_, err := w.Write(content)
			return err
		}), "\r\n\r\n100000\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exchanges := make(chan rawhttp.Exchange, 1)
			client := pipe(t, rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { exchanges <- x }}),
				rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
					return tt.response, nil
				})))
			io.WriteString(client, getRequest("/"))
			var head strings.Builder
			for !strings.HasSuffix(head.String(), tt.head) {
				if _, err := io.CopyN(&head, client, 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.CopyN(io.Discard, client, taken); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if x := <-exchanges; x.Bytes != taken || x.Err == nil {
				t.Errorf("Exchange: %d bytes, error %v; want %d and an error", x.Bytes, x.Err, taken)
			}
		})
	}
}
