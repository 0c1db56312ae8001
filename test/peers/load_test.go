package peers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A load is clients that send one request after another, each over one persistent
// connection, until they are stopped or connections are refused. They do what RFC
// 9112, section 9.6 requires of a client and no more: they connect again only after an
// answer with Connection: close. On a connection without it, a request that has no complete
// answer is lost, even if it could not be written.
type load struct {
	addr     string
	requests []loadRequest // each client takes these in turn

	mu       sync.Mutex
	changed  sync.Cond
	answered map[string]int // by the Server field
	lost     []string
	refused  int // clients that ended because their connection was refused
	stopped  bool
	running  sync.WaitGroup
}

type loadRequest struct {
	method, content string
	status          int
	answer          []byte
}

// startLoad starts n clients.
func startLoad(addr string, n int, requests ...loadRequest) *load {
	l := &load{addr: addr, requests: requests, answered: make(map[string]int)}
	l.changed.L = &l.mu
	for i := range n {
		l.running.Go(func() { l.client(i) })
	}
	return l
}

// client sends requests. Different clients begin with different requests.
func (l *load) client(i int) {
	for {
		conn, err := net.Dial("tcp", l.addr)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
			l.refuse() // nothing was sent
			return
		}
		if err != nil {
			l.lose("connect: %v", err)
			return
		}
		next, again := l.talk(conn, i)
		conn.Close()
		if i = next; !again {
			return
		}
	}
}

// talk sends requests over one connection. It returns the index of the next one, and whether
// the client may connect again.
func (l *load) talk(conn net.Conn, first int) (next int, again bool) {
	r := bufio.NewReader(conn)
	for i := first; ; i++ {
		closes, err := l.exchange(conn, r, l.requests[i%len(l.requests)])
		if err != nil {
			l.lose("request %d of its connection, from %v: %v", i-first+1, conn.LocalAddr(), err)
			return i + 1, true
		}
		if l.isStopped() {
			return i, false
		}
		if closes {
			return i + 1, true
		}
	}
}

// exchange sends one request and reads the answer. It reports whether the answer has
// Connection: close.
func (l *load) exchange(conn net.Conn, r *bufio.Reader, req loadRequest) (closes bool, err error) {
	if err := req.send(conn); err != nil {
		return false, err
	}
	resp, err := req.answered(r)
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	l.answered[resp.Header.Get("Server")]++
	l.changed.Broadcast()
	l.mu.Unlock()
	return resp.Close, nil
}

func (req loadRequest) send(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(time.Minute)) // limits a hang
	_, err := fmt.Fprintf(conn, "%s /a.txt HTTP/1.1\r\nHost: example.test\r\nContent-Length: %d\r\n\r\n%s", req.method, len(req.content), req.content)
	return err
}

// answered reads the answer, which must be the expected one.
func (req loadRequest) answered(r *bufio.Reader) (*http.Response, error) {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != req.status || !bytes.Equal(got, req.answer) {
		return nil, fmt.Errorf("%s: status %d with %.99q, want %d with %.99q", req.method, resp.StatusCode, got, req.status, req.answer)
	}
	return resp, nil
}

func (l *load) lose(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, fmt.Sprintf(format, args...))
	l.changed.Broadcast()
}

func (l *load) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	l.changed.Broadcast()
}

func (l *load) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// await waits until n more requests were answered by a server with that Server field.
// It reports false as soon as a request is lost or a client is refused.
func (l *load) await(server string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n += l.answered[server]
	for l.answered[server] < n {
		if len(l.lost) > 0 || l.refused > 0 {
			return false
		}
		l.changed.Wait()
	}
	return true
}

// stop ends the clients, after each has received its current answer.
func (l *load) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.running.Wait()
}

// wantNoLoss waits until all clients have ended, the given number of them because they were
// refused.
func (l *load) wantNoLoss(t *testing.T, refused int) {
	t.Helper()
	l.running.Wait()
	if len(l.lost) > 0 {
		t.Errorf("%d requests were lost, such as:\n%s", len(l.lost), strings.Join(l.lost[:min(len(l.lost), 9)], "\n"))
	}
	if l.refused != refused {
		t.Errorf("%d clients were refused, want %d", l.refused, refused)
	}
}
