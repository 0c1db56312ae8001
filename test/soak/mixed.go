//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"os"
	"strings"
	"time"
)

// mixed sends requests of all kinds, and aborts a fifth of them.
func mixed(l *load) error {
	m := &mix{load: l, files: make(map[string][]byte)}
	var err error
	m.server, err = startServer(m.prepare)
	defer m.server.stop(l)
	if err != nil {
		return err
	}
	m.each(m.warmUp(), m.client)
	before, err := m.settle(l, isNotBusy)
	if err != nil {
		return err
	}
	peak := m.watchMemory()
	m.each(l.duration, m.client)
	most := peak()
	after, err := m.settle(l, isNotBusy)
	if err != nil {
		return err
	}
	m.printFigures(before, after, most)
	m.wantCounts("aborted with RST", "aborted with FIN")
	for _, kind := range kinds {
		if kind.name != "events endless" { // these are always aborted
			m.wantCounts(kind.name)
		}
	}
	// The memory of a Go program varies by less than this. In a long run, a leak in each
	// request adds up to more.
	if allowed := before.RSS/2 + 16<<10; after.RSS > before.RSS+allowed {
		l.fault("memory was %.1f MiB and is %.1f MiB", mib(before.RSS), mib(after.RSS))
	}
	return nil
}

// isNotBusy reports whether a logged error should not have happened. A request is answered
// with 503 if too many scripts are running for some seconds.
func isNotBusy(logged string) bool { return !strings.Contains(logged, "too many scripts are running") }

// warmUp is how long the server is under load before its memory is measured, so that its
// pools and caches are full.
func (m *mix) warmUp() time.Duration { return min(m.duration/5, 30*time.Second) }

// A mix is a run with all kinds of requests.
type mix struct {
	*load
	*server
	files map[string][]byte // in the folder files
	names []string
}

// scripts are the scripts of a run, with their output.
var scripts = map[string]struct{ source, output string }{
	"hello.sh": {"echo Content-Type: text/plain; echo; echo hello", "hello\n"},
	"cat.sh":   {"echo Content-Type: text/plain; echo; cat", ""}, // prints the content of the request
	"slow.sh":  {"echo Content-Type: text/plain; echo; echo a; sleep 0.2; echo b", "a\nb\n"},
	"child.sh": {"echo Content-Type: text/plain; echo; sleep 60 & echo a", "a\n"},
	"long.sh":  {"echo Content-Type: text/plain; echo; yes 123456789 | head -c 1000000", strings.Repeat("123456789\n", 100000)},
}

// prepare creates the folders.
func (m *mix) prepare(root string) error {
	random := m.random(-1)
	for i, size := range []int{0, 1, 100, 1000, 4095, 10000, 60000, 65536, 65537, 300000, 3000000} {
		content := make([]byte, size)
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		name := fmt.Sprintf("file%d.bin", i)
		m.files[name], m.names = content, append(m.names, name)
		if err := os.WriteFile(root+"/files/"+name, content, 0o644); err != nil {
			return err
		}
		// An old file, which the server caches.
		if err := os.Chtimes(root+"/files/"+name, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			return err
		}
	}
	for name, s := range scripts {
		if err := os.WriteFile(root+"/scripts/"+name, []byte(s.source), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the kinds of exchanges, with their frequency in percent. An error is a fault
// unless the client aborted the connection.
var kinds = []struct {
	name  string
	often int
	do    func(m *mix, c *conn, random *rand.Rand) error
}{
	{"file", 28, (*mix).file},
	{"file bytewise", 4, (*mix).bytewise},
	{"not modified", 10, (*mix).notModified},
	{"range", 8, (*mix).oneRange},
	{"ranges", 5, (*mix).ranges},
	{"upload", 6, (*mix).upload},
	{"upload chunked", 6, (*mix).uploadChunked},
	{"upload ignored", 4, (*mix).ignored},
	{"echo", 5, (*mix).echo},
	{"pipeline", 8, (*mix).pipeline},
	{"listing", 6, (*mix).listing},
	{"events", 3, (*mix).events},
	{"events endless", 2, (*mix).endlessEvents},
	{"script", 2, (*mix).script},
	{"malformed", 3, (*mix).malformed},
}

// pickKind returns a random kind.
func pickKind(random *rand.Rand) (name string, do func(m *mix, c *conn, random *rand.Rand) error) {
	at := random.IntN(100)
	for _, kind := range kinds {
		if at -= kind.often; at < 0 {
			return kind.name, kind.do
		}
	}
	panic("the kinds are fewer than a hundred")
}

// client runs one client: exchanges in a row, mostly on the same connection, a fifth of
// them aborted.
func (m *mix) client(n int, again func() bool) {
	random := m.random(n)
	var c *conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for again() {
		if c == nil {
			var err error
			if c, err = dial(m.addr); err != nil {
				m.fault("client %d: %v", n, err)
				return
			}
		}
		name, do := pickKind(random)
		if random.IntN(3) == 0 { // two fifths of these end before they are aborted
			c.abortSoon(random)
		}
		err := do(m, c, random)
		switch {
		case c.aborted && c.useReset:
			m.count("aborted with RST")
		case c.aborted:
			m.count("aborted with FIN")
		case err == nil || errors.Is(err, errLast):
			m.count(name)
		default:
			m.fault("client %d: %s: %v", n, name, err)
		}
		if c.aborted || err != nil || random.IntN(20) == 0 {
			c.Close()
			c = nil
		} else {
			c.toRead, c.toWrite = -1, -1 // the exchange ended first
		}
	}
}

// errLast reports that all is well, but the connection has ended.
var errLast = errors.New("last exchange of the connection")

// pick returns a random file.
func (m *mix) pick(random *rand.Rand) (target string, content []byte) {
	name := m.names[random.IntN(len(m.names))]
	return "/files/" + name, m.files[name]
}

func (m *mix) file(c *conn, random *rand.Rand) error {
	target, content := m.pick(random)
	if random.IntN(4) == 0 {
		resp, err := c.ask("HEAD", target)
		if err != nil {
			return err
		}
		if resp.ContentLength != int64(len(content)) {
			return fmt.Errorf("HEAD: Content-Length %d, want %d", resp.ContentLength, len(content))
		}
		return resp.want(200, []byte{})
	}
	resp, err := c.ask("GET", target)
	if err != nil {
		return err
	}
	return resp.want(200, content)
}

// bytewise sends a request byte by byte.
func (m *mix) bytewise(c *conn, random *rand.Rand) error {
	target, content := m.pick(random)
	c.SetDeadline(time.Now().Add(hang))
	for _, b := range head("GET", target) {
		if _, err := c.Write([]byte{b}); err != nil {
			return err
		}
	}
	resp, err := c.read("GET")
	if err != nil {
		return err
	}
	return resp.want(200, content)
}

func (m *mix) notModified(c *conn, random *rand.Rand) error {
	target, content := m.pick(random)
	resp, err := c.ask("HEAD", target)
	if err != nil {
		return err
	}
	resp, err = c.ask("GET", target, "If-None-Match: "+resp.Header.Get("ETag"))
	if err != nil {
		return err
	}
	if resp.StatusCode == 200 { // without an entity tag
		return resp.want(200, content)
	}
	return resp.want(304, []byte{})
}

func (m *mix) oneRange(c *conn, random *rand.Rand) error {
	target, content := m.pick(random)
	if len(content) == 0 {
		return nil
	}
	first := random.IntN(len(content))
	last := first + random.IntN(len(content)-first)
	resp, err := c.ask("GET", target, fmt.Sprintf("Range: bytes=%d-%d", first, last))
	if err != nil {
		return err
	}
	if got, want := resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)); got != want {
		return fmt.Errorf("Content-Range %q, want %q", got, want)
	}
	return resp.want(206, content[first:last+1])
}

// ranges requests the first and the last byte, and one in the middle.
func (m *mix) ranges(c *conn, random *rand.Rand) error {
	target, content := m.pick(random)
	if len(content) < 3 {
		return nil
	}
	middle := 1 + random.IntN(len(content)-2)
	resp, err := c.ask("GET", target, fmt.Sprintf("Range: bytes=0-0,%d-%d,-1", middle, middle))
	if err != nil {
		return err
	}
	if err := resp.want(206, nil); err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(bytes.NewReader(resp.content), params["boundary"])
	for _, at := range []int{0, middle, len(content) - 1} {
		part, err := parts.NextPart()
		if err != nil {
			return err
		}
		if got, err := io.ReadAll(part); err != nil || !bytes.Equal(got, content[at:at+1]) {
			return fmt.Errorf("part with byte %d: %x, %v, want %x", at, got, err, content[at:at+1])
		}
	}
	return nil
}

func (m *mix) listing(c *conn, random *rand.Rand) error {
	form := []string{"json", "text", "html"}[random.IntN(3)]
	resp, err := c.ask("GET", "/files/?sort=size&format="+form)
	if err != nil {
		return err
	}
	if err := resp.want(200, nil); err != nil {
		return err
	}
	if form == "json" {
		var list struct{ Entries []json.RawMessage }
		if err := json.Unmarshal(resp.content, &list); err != nil {
			return err
		}
		if len(list.Entries) != len(m.names) {
			return fmt.Errorf("%d entries, want %d", len(list.Entries), len(m.names))
		}
	}
	return nil
}

func (m *mix) events(c *conn, random *rand.Rand) error {
	n := random.IntN(20)
	resp, err := c.ask("GET", fmt.Sprintf("/events?n=%d", n))
	if err != nil {
		return err
	}
	var want bytes.Buffer
	for i := range n {
		fmt.Fprintf(&want, "data: %d\n\n", i)
	}
	return resp.want(200, want.Bytes())
}

// endlessEvents disconnects after some events, since they never end.
func (m *mix) endlessEvents(c *conn, random *rand.Rand) error {
	c.toWrite, c.toRead, c.useReset = -1, 200+random.IntN(1000), random.IntN(2) == 0
	_, err := c.ask("GET", "/events")
	if !c.aborted {
		return fmt.Errorf("the events have ended: %w", err)
	}
	return err
}

// script runs a random script. While too many are running, 503 is correct.
func (m *mix) script(c *conn, random *rand.Rand) error {
	names := []string{"hello.sh", "cat.sh", "slow.sh", "child.sh", "long.sh"}
	name := names[random.IntN(len(names))]
	want := []byte(scripts[name].output)
	var resp *response
	var err error
	if name == "cat.sh" {
		want = someContent(random)
		want = want[:min(len(want), 50000)] // as much as the pipes and buffers in between hold
		resp, err = c.send("/scripts/cat.sh", want, fmt.Sprint("Content-Length: ", len(want)))
	} else {
		resp, err = c.ask("GET", "/scripts/"+name)
	}
	switch {
	case err != nil:
		return err
	case resp.StatusCode == 503:
		m.count("script: 503")
		if resp.Close {
			return errLast
		}
		return nil
	}
	return resp.want(200, want)
}

// malformed sends malformed requests. The response must be 400, and the connection must
// close.
func (m *mix) malformed(c *conn, random *rand.Rand) error {
	bad := []string{
		"GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\nHost: localhost\n\n",
		"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
		"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	}
	c.SetDeadline(time.Now().Add(hang))
	if _, err := io.WriteString(c, bad[random.IntN(len(bad))]); err != nil {
		return err
	}
	resp, err := c.read("POST")
	if err != nil {
		return err
	}
	if err := resp.want(400, nil); err != nil {
		return err
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		return fmt.Errorf("after 400: %w, want the end of the connection", err)
	}
	return errLast
}
