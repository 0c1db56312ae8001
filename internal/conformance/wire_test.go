package conformance_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// TestWire compares the server's answers with the transcripts in testdata/wire, which read like
// conversations. With -update it rewrites the lines of the server; review the diff like code.
//
// A file begins with a comment: the rule with its section of the RFC, and the reason. Talks follow,
// each on its own connection, with an empty line between them. In a talk:
//
//	> GET / HTTP/1.1        a line of the client
//	< HTTP/1.1 200 OK       a line of the server
//	< (closed)              the server closes the connection gracefully; without this line it stays open
//	< (cut)                 the server closes it in the middle of a response
//	< (nothing)             the server sends nothing and waits
//	= name value            a directive
//	# text                  a comment
//
// A line of client or server ends in CRLF on the wire unless it ends in a
// backslash. \r \n \t \x00 \\ are escapes; bytes that are not printable ASCII, and
// a blank at the end of a line, must be written so. ">" alone is an empty line.
// Directives in the comment at the top apply to all talks of the file, those in a talk to that
// talk. Directives about the server:
//
//	= resolver NAME         see wireResolvers; by default the answer describes the parsed head
//	= lenient               WithLenientParsing, and ParseRequestLenient
//	= error page            WithErrorPage
//	= server NAME           WithServerField
//	= hosts NAME            WithHosts
//	= no content length     WithContentLength(false)
//
// Directives about parsing the first head of the talk. Without one of them it must be accepted, if
// the talk has the empty line that ends it:
//
//	= refused at TEXT       the first byte that breaks the rule is the first of TEXT, which occurs once; the
//	                        answer has status, reason and section
//	= refused at byte N     the same, N bytes before it
//
// Directives about the client:
//
//	= repeat N TEXT         sends TEXT N times, without CRLF
//	= client closes         closes its direction: FIN on TCP
//	= half-close            uses a connection that can be closed in one direction; the talk is also run over
//	                        TCP, and there is no Date
//	= incomplete            does not end the request, so that none can follow
//	= in turns              waits for each answer before it goes on, so the talk is not run in one Write
//	= one write             the answer depends on how much has arrived, so the talk is not run byte by byte
//
// Each talk is run in one Write, byte by byte (a long one in larger pieces, see wirePrefixes), and
// with another request for /next after it. That
// request must change nothing else: it is answered if the connection persists; if the server
// closes, it must do so before it has read any of it. No time passes during a talk.
func TestWire(t *testing.T) {
	t.Parallel()
	var used rawhttp.Request // parses all heads, one after another
	for _, f := range readWireFiles(t) {
		t.Run(f.name, func(t *testing.T) {
			for i, talk := range f.talks {
				t.Run(strconv.Itoa(i+1), func(t *testing.T) {
					if *update {
						talk.update(t)
						return
					}
					talk.test(t, &used)
				})
			}
			if *update && !t.Failed() {
				if err := f.write(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// test runs the talk in each way.
func (k *wireTalk) test(t *testing.T, used *rawhttp.Request) {
	t.Run("head", func(t *testing.T) { k.checkHead(t, used) })
	whole := k.inTurns(k.has("in turns") || k.has("half-close"))
	t.Run("in one write", func(t *testing.T) { k.check(t, k.run(t, whole)) })
	if !k.has("one write") {
		t.Run("one byte at a time", func(t *testing.T) {
			got := k.run(t, bytewise(k.inTurns(true)))
			k.check(t, got)
			k.checkBytesRead(t, got)
		})
	}
	switch {
	case k.has("half-close"):
		t.Run("over TCP", func(t *testing.T) { k.check(t, k.runTCP(t)) })
	case !k.has("incomplete"):
		t.Run("request after it", func(t *testing.T) { k.check(t, k.runWithNextRequest(t)) })
	}
}

// runWithNextRequest runs the talk with another request after it, and removes the answer to that
// request from the result.
func (k *wireTalk) runWithNextRequest(t *testing.T) wireResult {
	next := []byte("GET /next HTTP/1.1\r\nHost: next.test\r\n\r\n")
	steps := k.inTurns(k.has("in turns"))
	last := &steps[len(steps)-1]
	last.writes = [][]byte{append(bytes.Join(last.writes, nil), next...)}
	got := k.run(t, steps)
	if got.end == "" {
		alone := &wireTalk{directives: k.directives}
		want := alone.run(t, []wireStep{{writes: [][]byte{next}}}).all()
		answer := got.answers[len(steps)-1]
		rest, ok := bytes.CutSuffix(answer, want)
		if !ok {
			t.Errorf("answers to the talk with a request after it:\n%s\nwant them to end with the answer to that request:\n%s",
				strings.Join(testkit.TranscriptLines("<", answer), "\n"), strings.Join(testkit.TranscriptLines("<", want), "\n"))
		}
		got.answers[len(steps)-1] = rest
	}
	return got
}

// A wireStep is what a client writes before it waits for the server.
type wireStep struct {
	writes [][]byte
	closes bool
}

// inTurns returns the steps of the talk: one for each turn, or one for all.
func (k *wireTalk) inTurns(each bool) []wireStep {
	if !each {
		return []wireStep{{writes: [][]byte{k.client()}}}
	}
	var steps []wireStep
	for _, turn := range k.turns {
		steps = append(steps, wireStep{[][]byte{turn.client}, turn.closes})
	}
	return steps
}

// bytewise returns the steps with one write for each byte, except in the middle of a long step.
func bytewise(steps []wireStep) (split []wireStep) {
	for _, step := range steps {
		all := bytes.Join(step.writes, nil)
		one := wireStep{closes: step.closes}
		from := 0
		for _, to := range wirePrefixes(len(all))[1:] {
			one.writes = append(one.writes, all[from:to])
			from = to
		}
		split = append(split, one)
	}
	return split
}

// A wireResult is the result of a talk.
type wireResult struct {
	answers [][]byte // the answer to each step
	end     string
	ended   int // the step after which the server ended the connection
	taken   int // number of bytes that the server read
}

func (r wireResult) all() []byte { return bytes.Join(r.answers, nil) }

// endAt returns how the connection ended in the step, or "" if it did not.
func (r wireResult) endAt(step int) string {
	if step == r.ended {
		return r.end
	}
	return ""
}

// check compares the result of the talk with the transcript.
func (k *wireTalk) check(t *testing.T, got wireResult) {
	t.Helper()
	server, end := k.server()
	if diff := cmp.Diff(wireAnswer(server, end), wireAnswer(got.all(), got.end)); diff != "" {
		t.Errorf("answer to the client of line %d:\n%s\n(-want +got):\n%s", k.line, wireShort(testkit.TranscriptLines(">", k.client())), diff)
	}
	if len(got.answers) != len(k.turns) {
		return
	}
	for i, turn := range k.turns {
		if diff := cmp.Diff(wireAnswer(turn.server, turn.end), wireAnswer(got.answers[i], got.endAt(i))); diff != "" {
			t.Errorf("answer to turn %d of line %d (-want +got):\n%s", i+1, k.line, diff)
		}
	}
}

// checkBytesRead checks that the server refuses a request without reading bytes after it.
func (k *wireTalk) checkBytesRead(t *testing.T, got wireResult) {
	next := bytes.LastIndex(k.client(), []byte("GET /next "))
	if got.end == "" || next < 0 || k.has("half-close") {
		return
	}
	if got.taken > next {
		t.Errorf("the server read %d bytes before it closed, want at most the %d up to the end of the last request", got.taken, next)
	}
}

func (k *wireTalk) update(t *testing.T) {
	got := k.run(t, k.inTurns(true))
	for i, turn := range k.turns {
		turn.server, turn.end = got.answers[i], got.endAt(i)
	}
}

// options returns the options of the server for the talk.
func (k *wireTalk) options(t *testing.T) []rawhttp.Option {
	name, _ := k.value("resolver")
	resolver, ok := wireResolvers[name]
	if !ok {
		t.Fatalf("unknown resolver %q", name)
	}
	opts := []rawhttp.Option{rawhttp.WithDate(!k.has("half-close")), rawhttp.WithContentLength(!k.has("no content length"))}
	if name == "root" {
		opts = append(opts, rawhttp.WithRoot("testdata/webroot"))
	} else {
		opts = append(opts, rawhttp.WithResolver(resolver))
	}
	if k.has("lenient") {
		opts = append(opts, rawhttp.WithLenientParsing())
	}
	if k.has("error page") {
		opts = append(opts, rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
			return rawhttp.Text(status, "a page for it\r\n")
		}))
	}
	if name, ok := k.value("server"); ok {
		opts = append(opts, rawhttp.WithServerField(name))
	}
	if name, ok := k.value("hosts"); ok {
		opts = append(opts, rawhttp.WithHosts(name))
	}
	return opts
}

// run runs the steps on an unbuffered connection in memory.
func (k *wireTalk) run(t *testing.T, steps []wireStep) (got wireResult) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		srv := newServer(t, k.options(t)...)
		client, server := duplexPipe()
		served := make(chan error, 1)
		go func() { served <- srv.ServeConn(context.Background(), server) }()

		var heard []byte
		ended := false
		go func() {
			buf := make([]byte, 4<<10)
			for !ended {
				n, err := client.Read(buf)
				heard = append(heard, buf[:n]...)
				ended = err != nil
			}
		}()
		for i, step := range steps {
			before := len(heard)
			if !ended {
				got.ended = i
			}
			n, err := step.run(client, func() bool {
				synctest.Wait()
				return ended
			})
			got.taken += n
			if err != nil {
				t.Errorf("writing to the server: %v", err)
			}
			got.answers = append(got.answers, bytes.Clone(heard[before:]))
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the talk took %v, want 0, since neither side may wait", waited)
		}
		if ended {
			got.end = "(closed)"
		}
		client.Close()
		if err := <-served; got.end != "" && err != nil {
			got.end = "(cut)"
		}
	})
	return got
}

// run performs the step of the client until the server ends the connection. It returns the
// number of bytes that the server has read.
func (s wireStep) run(client net.Conn, ended func() bool) (taken int, err error) {
	defer ended() // waits until all goroutines are idle
	for _, b := range s.writes {
		if ended() {
			break
		}
		n, err := client.Write(b)
		taken += n
		if err != nil {
			return taken, err
		}
	}
	if s.closes {
		return taken, client.(interface{ CloseWrite() error }).CloseWrite()
	}
	return taken, nil
}

// runTCP runs the talk over TCP. It reads each answer until the server closes, or until as many
// bytes have arrived as the transcript has.
func (k *wireTalk) runTCP(t *testing.T) (got wireResult) {
	_, addr := listen(t, k.options(t)...)
	client := dial(t, addr)
	client.SetDeadline(time.Now().Add(time.Minute)) // so that a failing test ends
	for i, turn := range k.turns {
		n, err := k.inTurns(true)[i].run(client, func() bool { return false })
		got.taken += n
		if err != nil {
			t.Errorf("writing to the server: %v", err)
		}
		var answer []byte
		if turn.end == "" {
			answer = make([]byte, len(turn.server))
			n, err = io.ReadFull(client, answer)
			answer = answer[:n]
		} else {
			answer, err = io.ReadAll(client)
			got.end, got.ended = turn.end, i
		}
		if err != nil {
			t.Errorf("reading the answer: %v", err)
		}
		got.answers = append(got.answers, answer)
	}
	return got
}

// wireShort returns the lines without the middle of a long talk.
func wireShort(lines []string) string {
	for i, line := range lines {
		if len(line) > 200 {
			lines[i] = line[:80] + " ... " + line[len(line)-80:]
		}
	}
	return strings.Join(lines, "\n")
}
