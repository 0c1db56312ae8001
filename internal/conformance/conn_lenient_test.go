package conformance_test

import (
	"testing"
	"time"

	"example.com/rawhttp"
)

// In lenient mode a head without its empty line ends 200 ms after its last byte, since some
// clients send no empty line and wait. The connection closes after the answer.
func TestLenientHeadEndsAfterAPause(t *testing.T) {
	const pause = 200 * time.Millisecond
	const line = "GET /a HTTP/1.1\r\n"
	lenient := []rawhttp.Option{rawhttp.WithLenientParsing()}
	runTimeLimits(t, []timeLimitTest{{
		name:  "a request line",
		opts:  lenient,
		steps: []timedWrite{{time.Second, line}},
		want:  lastAnswer("/a"),
		end:   time.Second + pause,
		why:   "the client of the course sends such a head",
	}, {
		name:  "a request line and fields, bare LF",
		opts:  lenient,
		steps: []timedWrite{{0, "GET /a HTTP/1.1\nHost: a\nX: y\n"}},
		want:  lastAnswer("/a"),
		end:   pause,
	}, {
		name:  "lines that arrive one by one",
		opts:  lenient,
		steps: []timedWrite{{0, line}, {pause - 1, "Host: a\r\n"}, {2*pause - 2, "X: y\r\n"}},
		want:  lastAnswer("/a"),
		end:   3*pause - 2,
		why:   "each byte restarts the pause",
	}, {
		name:  "the empty line arrives in time",
		opts:  lenient,
		steps: []timedWrite{{0, line + "Host: a\r\n"}, {pause - 1, "\r\n"}},
		want:  okAnswer("/a"),
		end:   pause - 1 + defaultIdle,
	}, {
		name:  "an incomplete field line",
		opts:  lenient,
		steps: []timedWrite{{0, line + "Host: a"}},
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "the rest of the line could change its meaning",
	}, {
		name:  "an incomplete request line",
		opts:  lenient,
		steps: []timedWrite{{0, "GET /a HTTP/1.1"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "half an empty line",
		opts:  lenient,
		steps: []timedWrite{{0, line + "Host: a\r\n\r"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "a length",
		opts:  lenient,
		steps: []timedWrite{{0, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "a head with content must end in an empty line",
	}, {
		name:  "a coding",
		opts:  lenient,
		steps: []timedWrite{{0, "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "mixed line ends",
		opts:  lenient,
		steps: []timedWrite{{0, "GET /a HTTP/1.1\r\nHost: a\n"}},
		want: textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
			"400 Bad Request: head with a Host or framing field mixes CRLF and LF (RFC 9112, section 2.2)\n"),
		end: pause,
	}, {
		name:  "after another request",
		opts:  lenient,
		steps: []timedWrite{{0, getRequest("/first")}, {time.Second, line}},
		want:  okAnswer("/first") + lastAnswer("/a"),
		end:   time.Second + pause,
	}, {
		name:  "not lenient",
		steps: []timedWrite{{0, line + "Host: a\r\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "a time limit shorter than the pause",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing(), rawhttp.WithReadHeaderTimeout(100 * time.Millisecond)},
		steps: []timedWrite{{0, line}},
		want:  lateAnswer,
		end:   100 * time.Millisecond,
		why:   "the limit on a head is absolute",
	}})
}
