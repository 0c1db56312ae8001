package conformance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// phasesAfter is the column "next" of the table at the type conn: the phases that may follow
// each phase. The empty string stands for the start.
var phasesAfter = map[string][]string{
	"":        {"idle", "write"},
	"idle":    {"closed", "head"},
	"head":    {"closed", "resolve", "write"},
	"resolve": {"closed", "write"},
	"write":   {"closed", "drain", "head", "idle", "linger"},
	"drain":   {"head", "idle", "linger"},
	"linger":  {"closed"},
}

// Connections pass through their phases as the table says: the table has every step that
// occurs, and every step of the table occurs.
func TestConnPhases(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
	tests := []struct {
		sends    []string // the request, in the pieces in which the client sends it
		path     string   // the expected phases
		fails    bool     // whether reading fails after the pieces
		resolver rawhttp.ResolverFunc
		why      string
	}{{
		path: "idle closed",
		why:  "no request arrives within the limit on the first head",
	}, {
		sends: []string{get, get},
		path:  "idle head resolve write idle head resolve write idle closed",
		why:   "the connection persists, and then exceeds the idle limit",
	}, {
		sends: []string{get + get},
		path:  "idle head resolve write head resolve write idle closed",
		why:   "a request that has already arrived is read without an idle phase",
	}, {
		sends: []string{"GET / HTTP/1.0\r\n\r\n"},
		path:  "idle head resolve write linger closed",
		why:   "the connection closes after the response",
	}, {
		sends: []string{"GET\r\n"},
		path:  "idle head write linger closed",
		why:   "a head that is refused reaches no resolver",
	}, {
		sends: []string{"GET / HT"},
		fails: true,
		path:  "idle head closed",
		why:   "no client is left to read an answer",
	}, {
		sends: []string{post, "abc"},
		path:  "idle head resolve write drain idle closed",
		why:   "content that the resolver left unread is read before the next request",
	}, {
		sends: []string{post, "abc" + get},
		path:  "idle head resolve write drain head resolve write idle closed",
		why:   "the next request arrives with the rest of the content",
	}, {
		sends: []string{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "no chunk\r\n"},
		path:  "idle head resolve write drain linger closed",
		why:   "the start of the next request is unknown",
	}, {
		sends:    []string{get},
		resolver: func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { runtime.Goexit(); return nil, nil },
		path:     "idle head resolve closed",
		why:      "the goroutine of the connection has ended",
	}, {
		sends: []string{get},
		resolver: func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "begun")
				return errors.New("no more")
			}), nil
		},
		path: "idle head resolve write closed",
		why:  "the response is cut, and the client must notice it",
	}}
	seen := map[string][]string{"": {"write"}} // TestConnPhasesOverMaxConns checks this step
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			resolver := rawhttp.Resolver(answerText("x"))
			if tt.resolver != nil {
				resolver = tt.resolver
			}
			var phases []string
			srv := newServer(t, rawhttp.WithResolver(resolver), rawhttp.WithTrace(tracePhases(&phases)))
			conn := sendInPieces(t, tt.sends)
			if tt.fails {
				conn = &failingConn{conn, len(tt.sends)}
			}
			var served sync.WaitGroup
			served.Go(func() { srv.ServeConn(context.Background(), conn) })
			served.Wait()
			if diff := cmp.Diff(strings.Fields(tt.path), phases); diff != "" {
				t.Errorf("phases after %q (-want +got):\n%s\nwhy: %s", tt.sends, diff, tt.why)
			}
			addSteps(seen, phases)
		})
	}
	if diff := cmp.Diff(phasesAfter, seen); diff != "" {
		t.Errorf("steps from phase to phase (-in the table +seen):\n%s", diff)
	}
}

// A connection over WithMaxConns is answered without a request, so its first phase is write.
func TestConnPhasesOverMaxConns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		busy := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			<-release
			return rawhttp.Text(200, "x"), nil
		})
		var phases []string
		trace := tracePhases(&phases)
		second := rawhttp.Trace{ConnState: func(conn uint64, s rawhttp.ConnState) {
			if conn == 2 {
				trace.ConnState(conn, s)
			}
		}}
		srv := newServer(t, rawhttp.WithResolver(busy), rawhttp.WithMaxConns(1), rawhttp.WithTrace(second))
		var served sync.WaitGroup
		served.Go(func() {
			srv.ServeConn(context.Background(), sendInPieces(t, []string{"GET / HTTP/1.0\r\n\r\n"}))
		})
		synctest.Wait()
		srv.ServeConn(context.Background(), sendInPieces(t, nil))
		close(release)
		served.Wait()
		if diff := cmp.Diff([]string{"write", "linger", "closed"}, phases); diff != "" {
			t.Errorf("phases (-want +got):\n%s", diff)
		}
	})
}

// tracePhases returns a Trace that appends the phases of a connection to phases.
func tracePhases(phases *[]string) rawhttp.Trace {
	return rawhttp.Trace{ConnState: func(_ uint64, s rawhttp.ConnState) { *phases = append(*phases, s.String()) }}
}

// addSteps adds each step from one phase to the next to seen, once and sorted.
func addSteps(seen map[string][]string, phases []string) {
	before := ""
	for _, p := range phases {
		if i, found := slices.BinarySearch(seen[before], p); !found {
			seen[before] = slices.Insert(seen[before], i, p)
		}
		before = p
	}
}

// sendInPieces returns a connection to a client that sends each piece when the server waits for
// input, and reads everything. It works only inside synctest, where time advances only when all
// goroutines are blocked.
func sendInPieces(t *testing.T, pieces []string) net.Conn {
	client, server := net.Pipe()
	var done sync.WaitGroup
	t.Cleanup(func() {
		client.Close()
		done.Wait()
	})
	done.Go(func() { io.Copy(io.Discard, client) })
	done.Go(func() {
		for _, piece := range pieces {
			io.WriteString(client, piece)
			time.Sleep(time.Millisecond)
		}
	})
	return server
}

// A failingConn fails after a number of Reads.
type failingConn struct {
	net.Conn
	reads int
}

func (c *failingConn) Read(p []byte) (int, error) {
	if c.reads == 0 {
		return 0, errors.New("no route to the client")
	}
	c.reads--
	return c.Conn.Read(p)
}
