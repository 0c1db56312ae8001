package conformance_test

import (
	"testing"
	"time"

	"example.com/rawhttp"
)

// In lenient mode a head may end without its empty line, 200 ms after the last byte: some
// clients send just that and wait. The connection closes after the answer.
func TestLenientHeadEndsAfterAPause(t *testing.T) {
	const pause = 200 * time.Millisecond
	line := "GET /a HTTP/1.1\r\n"
	runTimeLimits(t, []timeLimitTest{{
		name:  "a request line",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{time.Second, line}},
		want:  lastAnswer("/a"),
		end:   time.Second + pause,
		why:   "the course's own client sends such a head",
	}, {
		name:  "a request line and fields, bare LF",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, "GET /a HTTP/1.1\nHost: a\nX: y\n"}},
		want:  lastAnswer("/a"),
		end:   pause,
	}, {
		name:  "lines that come one by one",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, line}, {pause - 1, "Host: a\r\n"}, {2*pause - 2, "X: y\r\n"}},
		want:  lastAnswer("/a"),
		end:   3*pause - 2,
		why:   "each byte begins the pause again",
	}, {
		name:  "the empty line comes in time",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, line + "Host: a\r\n"}, {pause - 1, "\r\n"}},
		want:  okAnswer("/a"),
		end:   pause - 1 + defaultIdle,
	}, {
		name:  "a line that is not whole",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, line + "Host: a"}},
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "the rest of it may say anything",
	}, {
		name:  "a request line that is not whole",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, "GET /a HTTP/1.1"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "half an empty line",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, line + "Host: a\r\n\r"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "a length",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
		why:   "a head that frames content is never taken for whole",
	}, {
		name:  "a coding",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "mixed line ends",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, "GET /a HTTP/1.1\r\nHost: a\n"}},
		want: textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
			"400 Bad Request: Host or framing field in a head that mixes CRLF and LF (RFC 9112, section 2.2)\n"),
		end: pause,
	}, {
		name:  "after another request",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing()},
		steps: []timedWrite{{0, getRequest("/first")}, {time.Second, line}},
		want:  okAnswer("/first") + lastAnswer("/a"),
		end:   time.Second + pause,
	}, {
		name:  "not lenient",
		steps: []timedWrite{{0, line + "Host: a\r\n"}},
		want:  lateAnswer,
		end:   10 * time.Second,
	}, {
		name:  "less time than the pause",
		opts:  []rawhttp.Option{rawhttp.WithLenientParsing(), rawhttp.WithReadHeaderTimeout(100 * time.Millisecond)},
		steps: []timedWrite{{0, line}},
		want:  lateAnswer,
		end:   100 * time.Millisecond,
		why:   "the time for a head is absolute",
	}})
}
