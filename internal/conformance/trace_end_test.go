package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The hook ConnEnd gets the reason for the end of each connection.
func TestConnEnd(t *testing.T) {
	errOnPurpose := errors.New("on purpose")
	large := strings.Repeat("x", 1<<20)
	r := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		switch req.Path() {
		case "/large":
			return rawhttp.Text(200, large), nil
		case "/fails":
			return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "x")
				return errOnPurpose
			}), nil
		case "/slow":
			time.Sleep(time.Minute)
		}
		return rawhttp.Text(200, "hi"), nil
	})
	type site struct {
		s      *rawhttp.Server
		accept func() *kernelConn // connects another client
		client *kernelConn
	}
	ask := func(s *site, path string, fields ...string) {
		io.WriteString(s.client, getRequest(path, fields...))
		synctest.Wait()
	}
	const flood = 65 // one more than are answered with 503 at the same time
	var refused []string
	for id := range flood {
		refused = append(refused, fmt.Sprint(2+id, " too many connections false"))
	}
	tests := []struct {
		name string
		do   func(s *site)
		want []string // for each connection that ends: its number, the reason, whether there is an error
	}{
		{"closes its side when idle", func(s *site) { ask(s, "/"); s.client.CloseWrite() }, []string{"1 by the client false"}},
		{"resets when idle", func(s *site) { ask(s, "/"); s.client.reset() }, []string{"1 by the client true"}},
		{"closes at once", func(s *site) { s.client.Close() }, []string{"1 by the client false"}},
		{"resets in a head", func(s *site) {
			io.WriteString(s.client, "GET / HT")
			synctest.Wait()
			s.client.reset()
		}, []string{"1 by the client true"}},
		{"resets in a response", func(s *site) { ask(s, "/large"); s.client.reset() }, []string{"1 by the client true"}},
		{"stops reading", func(s *site) { ask(s, "/large"); time.Sleep(time.Hour) }, []string{"1 failed true"}},
		{"idle", func(s *site) { ask(s, "/"); time.Sleep(time.Hour) }, []string{"1 idle false"}},
		{"never sends a byte", func(s *site) { time.Sleep(time.Hour) }, []string{"1 idle false"}},
		{"the client asks for the close", func(s *site) { ask(s, "/", closeField) }, []string{"1 after the answer false"}},
		{"a head that is refused", func(s *site) { io.WriteString(s.client, "GET\r\n\r\n") }, []string{"1 after the answer false"}},
		{"a response that fails", func(s *site) { ask(s, "/fails") }, []string{"1 failed true"}},
		{"evicted", func(s *site) { ask(s, "/"); s.accept(); time.Sleep(time.Second) }, []string{"1 too many connections false"}},
		{"evicted while its request is in flight", func(s *site) { ask(s, "/"); s.accept(); ask(s, "/") }, []string{"1 too many connections false"}},
		{"one too many", func(s *site) { ask(s, "/slow"); s.accept(); synctest.Wait() }, []string{"2 too many connections false"}},
		{"a flood", func(s *site) {
			ask(s, "/slow")
			for range flood {
				s.accept()
			}
		}, refused},
		{"Shutdown when idle", func(s *site) {
			ask(s, "/")
			time.Sleep(5 * time.Second)
			go s.s.Shutdown(context.Background())
			time.Sleep(time.Second)
		},
			[]string{"1 the server stops false"}},
		{"Shutdown during a request", func(s *site) { ask(s, "/slow"); go s.s.Shutdown(context.Background()); time.Sleep(2 * time.Minute) },
			[]string{"1 the server stops false"}},
		{"Close during a request", func(s *site) { ask(s, "/slow"); s.s.Close(); time.Sleep(2 * time.Minute) }, []string{"1 the server stops true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var ends []string
				s, ln, served := serveListener(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(r), rawhttp.WithTrace(rawhttp.Trace{
					ConnEnd: func(conn uint64, why rawhttp.EndReason, err error) {
						ends = append(ends, fmt.Sprintln(conn, why, err != nil))
					},
				}))
				accept := func() *kernelConn {
					client, server := kernelPair(1 << 16)
					ln.conns <- server
					synctest.Wait()
					return client
				}
				tt.do(&site{s, accept, accept()})
				synctest.Wait()
				if diff := cmp.Diff(strings.Join(tt.want, "\n")+"\n", strings.Join(ends, "")); diff != "" {
					t.Errorf("ConnEnd (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}

// A Write that fails is the doing of the client, whatever its error is, unless that is a timeout.
func TestConnEndOfFailedWrite(t *testing.T) {
	var ends []string
	s := newServer(t, rawhttp.WithResolver(answerPath), rawhttp.WithTrace(rawhttp.Trace{
		ConnEnd: func(_ uint64, why rawhttp.EndReason, err error) { ends = append(ends, fmt.Sprint(why, ": ", err)) },
	}))
	s.ServeConn(t.Context(), &brokenConn{scriptedConn: scriptedConn{in: strings.NewReader(get11)}})
	if diff := cmp.Diff([]string{"by the client: broken"}, ends); diff != "" {
		t.Errorf("ConnEnd (-want +got):\n%s", diff)
	}
}

// A connection of the system that Close closes has no error, although it is closed twice.
func TestConnCloseAfterClose(t *testing.T) {
	closed := make(chan error, 1)
	s, addr := listen(t, rawhttp.WithResolver(answerPath), rawhttp.WithTrace(rawhttp.Trace{ConnClose: func(_ uint64, err error) { closed <- err }}))
	c := dial(t, addr)
	io.WriteString(c, get11)
	c.Read(make([]byte, 1000))
	testkit.Await(t, "the connection is idle", func() bool { return s.Stats().ConnsIdle == 1 })
	s.Close()
	if err := <-closed; err != nil {
		t.Errorf("ConnClose got %v, want nil", err)
	}
}
