package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A timedWrite is text that a client sends at a certain time, measured from the accept.
type timedWrite struct {
	at   time.Duration
	send string
}

// dribble returns the writes that send n pieces of text, of size bytes each, the first at begin
// and then one per interval every.
func dribble(text string, size, n int, begin, every time.Duration) (steps []timedWrite) {
	for i := range n {
		steps = append(steps, timedWrite{begin + time.Duration(i)*every, text[i*size : (i+1)*size]})
	}
	return steps
}

// A timeLimitTest is a test of a time limit: what the client sends and when, everything that
// it receives, and when the connection ends.
type timeLimitTest struct {
	name     string
	opts     []rawhttp.Option
	resolver rawhttp.Resolver // answerPath if nil
	steps    []timedWrite
	want     string
	end      time.Duration // beyondAllLimits: it does not
	why      string
}

func runTimeLimits(t *testing.T, tests []timeLimitTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if tt.resolver == nil {
					tt.resolver = answerPath
				}
				start := time.Now()
				c := serveDuplex(t, append(tt.opts, rawhttp.WithResolver(tt.resolver))...)
				for _, step := range tt.steps {
					time.Sleep(time.Until(start.Add(step.at)))
					c.send(step.send)
				}
				if got := c.waitEnd(start); got != tt.end {
					t.Errorf("connection ended %v after the accept, want %v\nwhy: %s", got, tt.end, tt.why)
				}
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answers (-want +got):\n%s\nwhy: %s", diff, tt.why)
				}
			})
		})
	}
}

// lateAnswer is the answer to a request whose head does not arrive in time.
var lateAnswer = ownError("408 Request Timeout", closeField)

// The limit on reading a head: 10 s from the accept, or for later requests from their first
// byte, however many bytes arrive.
func TestReadHeaderTimeout(t *testing.T) {
	head := getRequest("/a")
	last := len(head) - 1
	runTimeLimits(t, []timeLimitTest{{
		name: "nothing",
		end:  10 * time.Second,
		why:  "without a byte there is no request to answer",
	}, {
		name:  "half a head",
		steps: []timedWrite{{0, "GET / HT"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "a first byte at 9 s",
		steps: []timedWrite{{9 * time.Second, "G"}},
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "the limit on the first head starts at the accept",
	}, {
		name:  "an empty line",
		steps: []timedWrite{{0, "\r\n"}},
		end:   10 * time.Second,
		why:   "an empty line does not begin a request, so there is nothing to answer",
	}, {
		name:  "half an empty line",
		steps: []timedWrite{{0, "\r"}},
		end:   10 * time.Second,
	}, {
		name:  "an empty line and a first byte",
		steps: []timedWrite{{0, "\r\n"}, {time.Second, "G"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "a byte every 900 ms",
		steps: dribble(head, 1, 20, 0, 900*time.Millisecond),
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "the limit is absolute",
	}, {
		name:  "all but the last byte",
		steps: []timedWrite{{0, head[:last]}, {10*time.Second - 1, head[last:]}},
		want:  okAnswer("/a"),
		end:   10*time.Second - 1 + defaultIdle,
		why:   "the head arrives in time and is answered; then the connection is idle",
	}, {
		name:  "a later head",
		steps: []timedWrite{{3 * time.Second, head}, {20 * time.Second, "G"}, {29 * time.Second, "ET"}},
		want:  okAnswer("/a") + lateAnswer,
		end:   30 * time.Second,
		why:   "the limit starts at its first byte",
	}, {
		name:  "a later head, at the last moment",
		steps: []timedWrite{{3 * time.Second, head}, {20 * time.Second, head[:1]}, {30*time.Second - 1, head[1:]}},
		want:  okAnswer("/a") + okAnswer("/a"),
		end:   30*time.Second - 1 + defaultIdle,
	}, {
		name:  "the start of a later head with the first request",
		steps: []timedWrite{{3 * time.Second, head + "GET"}},
		want:  okAnswer("/a") + lateAnswer,
		end:   13 * time.Second,
	}, {
		name:  "a later head after content",
		steps: []timedWrite{{3 * time.Second, postRequest("/a", "content") + "GET"}},
		want:  okAnswer("/a") + lateAnswer,
		end:   13 * time.Second,
	}, {
		name:  "an empty line after a request",
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\r\n"}},
		want:  okAnswer("/a"),
		end:   3*time.Second + defaultIdle,
		why:   "the connection stays idle, and its limit is not extended",
	}, {
		name:  "an empty line in the same write",
		steps: []timedWrite{{3 * time.Second, postRequest("/a", "content") + "\r\n"}},
		want:  okAnswer("/a"),
		end:   3*time.Second + defaultIdle,
		why:   "old clients send an empty line after content",
	}, {
		name:  "an empty line byte by byte, then a request",
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\r"}, {40 * time.Second, "\n"}, {70 * time.Second, head[:1]}, {80*time.Second - 1, head[1:]}},
		want:  okAnswer("/a") + okAnswer("/a"),
		end:   80*time.Second - 1 + defaultIdle,
		why:   "the limit starts at the first byte of the request line",
	}, {
		name:  "an empty line, then a late head",
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\r\n"}, {20 * time.Second, "G"}},
		want:  okAnswer("/a") + lateAnswer,
		end:   30 * time.Second,
	}, {
		name:  "two empty lines",
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\r\n"}, {20 * time.Second, "\r\n"}},
		want: okAnswer("/a") + textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
			"400 Bad Request: method is not a token (RFC 9110, section 9.1)\n"),
		end: 20 * time.Second,
		why: "only one is ignored",
	}, {
		name:  "a bare LF after a request",
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\n"}},
		want: okAnswer("/a") + textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
			"400 Bad Request: method is not a token (RFC 9110, section 9.1)\n"),
		end: 5 * time.Second,
	}, {
		name:  "a bare LF after a request, leniently",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{3 * time.Second, head}, {5 * time.Second, "\n"}},
		want:  okAnswer("/a"),
		end:   3*time.Second + defaultIdle,
	}, {
		name:  "set",
		opts:  []rawhttp.Option{rawhttp.WithReadHeaderTimeout(2500 * time.Millisecond)},
		steps: []timedWrite{{0, head}, {time.Second, "GET"}},
		want:  okAnswer("/a") + lateAnswer,
		end:   3500 * time.Millisecond,
	}, {
		name:  "off",
		opts:  []rawhttp.Option{rawhttp.WithReadHeaderTimeout(0), rawhttp.WithIdleTimeout(7 * time.Second)},
		steps: []timedWrite{{100 * time.Hour, head[:3]}, {200 * time.Hour, head[3:]}, {200*time.Hour + time.Second, head[:3]}, {300 * time.Hour, head[3:]}},
		want:  okAnswer("/a") + okAnswer("/a"),
		end:   300*time.Hour + 7*time.Second,
	}})
}

// The limit between requests: 75 s without a byte, from when the client has received the answer.
func TestIdleTimeout(t *testing.T) {
	get := getRequest("/a")
	slow := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		time.Sleep(5 * time.Minute)
		return rawhttp.Text(200, "/a"), nil
	})
	runTimeLimits(t, []timeLimitTest{{
		name:  "after a request",
		steps: []timedWrite{{time.Second, get}},
		want:  okAnswer("/a"),
		end:   time.Second + defaultIdle,
	}, {
		name:  "after a request that took long",
		steps: []timedWrite{{time.Second, get}}, resolver: slow,
		want: okAnswer("/a"),
		end:  time.Second + 5*time.Minute + defaultIdle,
	}, {
		name:  "after several requests",
		steps: []timedWrite{{time.Second, get}, {50 * time.Second, get}, {100 * time.Second, get + get}, {160*time.Second - 1, get}},
		want:  strings.Repeat(okAnswer("/a"), 5),
		end:   160*time.Second - 1 + defaultIdle,
	}, {
		name:  "a request too late",
		steps: []timedWrite{{0, get}, {defaultIdle + time.Second, get}},
		want:  okAnswer("/a"),
		end:   defaultIdle,
	}, {
		name:  "after unread content",
		steps: []timedWrite{{0, postRequest("/a", "0123456789")[:len(postRequest("/a", "0123456789"))-1]}, {time.Second, "9"}},
		want:  okAnswer("/a"),
		end:   time.Second + defaultIdle,
		why:   "the limit starts at the end of the content",
	}, {
		name:  "set",
		opts:  []rawhttp.Option{rawhttp.WithIdleTimeout(time.Hour)},
		steps: []timedWrite{{time.Second, get}},
		want:  okAnswer("/a"),
		end:   time.Hour + time.Second,
	}, {
		name:  "off",
		opts:  []rawhttp.Option{rawhttp.WithIdleTimeout(0)},
		steps: []timedWrite{{time.Second, get}, {500 * time.Hour, get}},
		want:  okAnswer("/a") + okAnswer("/a"),
		end:   beyondAllLimits,
	}})
}

// Limits are exact after any number of requests, although a deadline that is earlier than
// needed stays until it fires.
func TestLimitsStayExact(t *testing.T) {
	get := getRequest("/a")
	var requests []timedWrite
	var answers strings.Builder
	at := time.Duration(0)
	for i := range 500 {
		requests = append(requests, timedWrite{at, get})
		answers.WriteString(okAnswer("/a"))
		at += time.Duration(i*i%59_999) * time.Millisecond // less than a minute
	}
	late := postRequest("/a", "0123456789")[:len(postRequest("/a", "0123456789"))-1]
	silent := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/stream" {
			return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "a")
				time.Sleep(48 * time.Hour)
				io.WriteString(w, "b")
				return nil
			}), nil
		}
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, req.Path()), nil
	})
	const streamed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
	last := requests[len(requests)-1].at
	steps := func(more ...timedWrite) []timedWrite {
		for i := range more {
			more[i].at += last
		}
		return append(requests[:len(requests):len(requests)], more...)
	}
	runTimeLimits(t, []timeLimitTest{{
		name:  "idle",
		steps: requests,
		want:  answers.String(),
		end:   last + defaultIdle,
	}, {
		name:  "head",
		steps: steps(timedWrite{31 * time.Second, "GET"}),
		want:  answers.String() + lateAnswer,
		end:   last + 41*time.Second,
	}, {
		name:     "content",
		resolver: silent,
		steps:    steps(timedWrite{50 * time.Second, late}),
		want:     answers.String() + lateAnswer,
		end:      last + 80*time.Second,
	}, {
		name:  "drain",
		steps: steps(timedWrite{50 * time.Second, late}),
		want:  answers.String() + okAnswer("/a"),
		end:   last + 52*time.Second,
	}, {
		name:     "a stream",
		resolver: silent,
		steps:    steps(timedWrite{50 * time.Second, getRequest("/stream")}, timedWrite{48*time.Hour + 55*time.Second, get}),
		want:     answers.String() + streamed + okAnswer("/a"),
		end:      last + 48*time.Hour + 55*time.Second + defaultIdle,
	}})
}

// A countedDeadlines counts the calls that set its deadlines.
type countedDeadlines struct {
	net.Conn
	read, write int
}

func (c *countedDeadlines) SetReadDeadline(time.Time) error  { c.read++; return nil }
func (c *countedDeadlines) SetWriteDeadline(time.Time) error { c.write++; return nil }

// A deadline that is earlier than needed stays until it fires, so most requests set none.
func TestDeadlinesAreSetRarely(t *testing.T) {
	const requests = 1000
	in := getRequest("/a")
	for name, size := range map[string]int{"each request in one Read": len(in), "each request in several Reads": 20} {
		t.Run(name, func(t *testing.T) {
			client := &scriptedConn{in: strings.NewReader(strings.Repeat(in, requests))}
			c := &countedDeadlines{Conn: fragmentedConn{client, size}}
			s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(answerPath))
			s.ServeConn(t.Context(), c)
			if got, want := client.out.String(), strings.Repeat(okAnswer("/a"), requests); got != want {
				t.Errorf("%d bytes of answers, want %d: an answer to each request", len(got), len(want))
			}
			if c.read > 3 || c.write > 3 {
				t.Errorf("%d requests set %d read deadlines and %d write deadlines, want 1 or 2 each", requests, c.read, c.write)
			}
		})
	}
}
