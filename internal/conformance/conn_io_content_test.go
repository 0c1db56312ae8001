package conformance_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// Limits while a Read waits for the content of a request: 30 s without a byte, or fewer than
// 240 bytes per second after 30 s of waiting.
func TestContentStall(t *testing.T) {
	t.Parallel()
	const size = 2_000_000
	head := "POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 2000000\r\n\r\n"
	zeros := strings.Repeat("0", size)
	all := answerAfterReading(-1)
	thinks := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		for range 20 { // it reads a byte each 5 min
			req.Body.Read(make([]byte, 1))
			time.Sleep(5 * time.Minute)
		}
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, req.Path()), nil
	})
	echoes := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "", req.Body), nil
	})
	from := func(at time.Duration, steps ...timedWrite) []timedWrite {
		return append([]timedWrite{{at, head}}, steps...)
	}
	runTimeLimits(t, []timeLimitTest{{
		name:     "no content",
		resolver: all,
		steps:    from(time.Second),
		want:     lateAnswer,
		end:      31 * time.Second,
	}, {
		name:     "content that stops",
		resolver: all,
		steps:    from(time.Second, timedWrite{2 * time.Second, zeros[:100_000]}),
		want:     lateAnswer,
		end:      32 * time.Second,
		why:      "30 s without a byte, though the average is high enough",
	}, {
		name:     "a byte every 10 s",
		resolver: all,
		steps:    from(0, dribble(zeros, 1, 6, 10*time.Second, 10*time.Second)...),
		want:     lateAnswer,
		end:      30 * time.Second,
		why:      "fewer than 240 bytes per second after 30 s",
	}, {
		name:     "239 bytes per second",
		resolver: all,
		steps:    from(0, dribble(zeros, 239, 40, time.Second/2, time.Second)...),
		want:     lateAnswer,
		end:      30 * time.Second,
	}, {
		name:     "240 bytes per second",
		resolver: all,
		steps:    from(0, append([]timedWrite{{0, zeros[:240]}}, dribble(zeros, 240, 5000, 0, time.Second)...)...),
		want:     lateAnswer,
		end:      5001 * time.Second,
		why:      "the rate is met for as long as bytes arrive: 5001 times 240 bytes allow 5001 s",
	}, {
		name:     "much at first, then a byte every 20 s",
		resolver: all,
		steps:    from(0, append([]timedWrite{{0, zeros[:100_000]}}, dribble(zeros, 1, 30, 20*time.Second, 20*time.Second)...)...),
		want:     lateAnswer,
		end:      416750 * time.Millisecond,
		why:      "100,020 bytes in 416.75 s are 240 per second",
	}, {
		name:     "pauses of 29 s",
		resolver: all,
		steps:    from(0, dribble(zeros, size/100, 100, 29*time.Second, 29*time.Second)...),
		want:     okAnswer("/a"),
		end:      2900*time.Second + defaultIdle,
	}, {
		name:     "a slow resolver",
		resolver: thinks,
		steps:    from(0, timedWrite{0, zeros}),
		want:     okAnswer("/a"),
		end:      100*time.Minute + defaultIdle,
		why:      "the time between Reads does not count",
	}, {
		name:     "a slow resolver, then no content",
		resolver: thinks,
		steps:    from(0, timedWrite{0, zeros[:1000]}),
		want:     lateAnswer,
		end:      100*time.Minute + 30*time.Second,
	}, {
		name:     "in an echo whose head has been sent",
		resolver: echoes,
		steps:    from(0, timedWrite{time.Second, "hello"}),
		want:     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		end:      30 * time.Second,
		why:      "the response is cut; 5 bytes are fewer than 240 per second",
	}, {
		name:     "in an echo whose head has not been sent",
		resolver: echoes,
		steps:    from(0),
		want:     lateAnswer,
		end:      30 * time.Second,
	}, {
		name:     "a slow resolver, and the rest arrives meanwhile",
		resolver: thinks,
		steps:    from(0, timedWrite{0, zeros[:30]}, timedWrite{20 * time.Second, zeros[30:]}),
		want:     okAnswer("/a"),
		end:      100*time.Minute + defaultIdle,
	}, {
		name:     "after a 100",
		resolver: all,
		steps:    []timedWrite{{0, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"}},
		want:     "HTTP/1.1 100 Continue\r\n\r\n" + lateAnswer,
		end:      30 * time.Second,
	}, {
		name:     "chunked, in a chunk line",
		resolver: all,
		steps:    []timedWrite{{0, chunkedRequest("/a", "5")}},
		want:     lateAnswer,
		end:      30 * time.Second,
	}, {
		name:     "chunked, before the last chunk",
		resolver: all,
		steps:    []timedWrite{{0, chunkedRequest("/a", "1\r\nx\r\n")}, {time.Second, "1\r\nx\r\n"}},
		want:     lateAnswer,
		end:      30 * time.Second,
	}, {
		name:     "the waiting starts again with each request",
		resolver: all,
		steps: []timedWrite{
			{0, postRequest("/a", "hello")[:len(postRequest("/a", "hello"))-1]}, {29 * time.Second, "o"},
			{30 * time.Second, postRequest("/b", "hello")[:len(postRequest("/b", "hello"))-1]}, {59 * time.Second, "o"},
		},
		want: okAnswer("/a") + okAnswer("/b"),
		end:  59*time.Second + defaultIdle,
	}, {
		name:     "set",
		opts:     []rawhttp.Option{rawhttp.WithStallTimeout(5 * time.Second)},
		resolver: all,
		steps:    from(0, dribble(zeros, 1, 100, 0, time.Second)...),
		want:     lateAnswer,
		end:      5 * time.Second,
	}, {
		name:     "off",
		opts:     []rawhttp.Option{rawhttp.WithStallTimeout(0)},
		resolver: all,
		steps:    []timedWrite{{0, postRequest("/a", "")[:len(postRequest("/a", ""))-5] + "1\r\n\r\n"}, {100 * time.Hour, "x"}},
		want:     okAnswer("/a"),
		end:      100*time.Hour + defaultIdle,
	}})
}

// The limit on draining content that the resolver left unread: 2 s from when the client has
// received the answer, however many bytes arrive.
func TestDrainTime(t *testing.T) {
	const head = "POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1000\r\n\r\n"
	zeros := strings.Repeat("0", 1000)
	runTimeLimits(t, []timeLimitTest{{
		name:  "no content",
		steps: []timedWrite{{time.Second, head}},
		want:  okAnswer("/a"),
		end:   3 * time.Second,
	}, {
		name:  "a byte every 300 ms",
		steps: append([]timedWrite{{0, head}}, dribble(zeros, 1, 20, 0, 300*time.Millisecond)...),
		want:  okAnswer("/a"),
		end:   2 * time.Second,
	}, {
		name:  "all at the last moment",
		steps: []timedWrite{{0, head}, {2*time.Second - 1, zeros}, {2 * time.Second, getRequest("/b")}},
		want:  okAnswer("/a") + okAnswer("/b"),
		end:   2*time.Second + defaultIdle,
	}, {
		name:  "Expect: 100-continue, content not read",
		steps: []timedWrite{{0, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"}},
		want:  lastAnswer("/a"),
		end:   0,
		why:   "the next bytes might be the content or another request",
	}})
}

// The time that a resolver takes is not limited.
func TestResolverTimeIsUnlimited(t *testing.T) {
	runTimeLimits(t, []timeLimitTest{{
		name: "before its answer",
		resolver: rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			time.Sleep(200 * time.Hour)
			return rawhttp.Text(200, "/a"), ctx.Err()
		}),
		steps: []timedWrite{{0, getRequest("/a")}},
		want:  okAnswer("/a"),
		end:   200*time.Hour + defaultIdle,
	}, {
		name: "in a stream",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				for _, s := range []string{"", "a", "b"} {
					io.WriteString(w, s)
					time.Sleep(100 * time.Hour)
				}
				return ctx.Err()
			}), nil
		}),
		steps: []timedWrite{{0, getRequest("/a")}},
		want:  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
		end:   300*time.Hour + defaultIdle,
	}, {
		name: "in the Reader of a Stream",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			n := 0
			return rawhttp.Stream(200, "", readerFunc(func(p []byte) (int, error) {
				time.Sleep(100 * time.Hour)
				if n++; n == 3 {
					return 0, io.EOF
				}
				return copy(p, "x"), nil
			})), nil
		}),
		steps: []timedWrite{{0, getRequest("/a")}},
		want:  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n",
		end:   300*time.Hour + defaultIdle,
	}})
}
