package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A case of the Autobahn test suite: frames of the client, and what the server sends.
type autobahnCase struct {
	name string
	send []frame
	want []frame // before the close frame
	code uint16  // of the close frame; 0 means none
	chop int     // bytes that the client sends at a time; 0 means all
}

// normal is the close frame with which a client ends a successful case.
var normal = closeFrame(1000, "")

func autobahnCases() []autobahnCase {
	var cases []autobahnCase
	add := func(name string, send, want []frame, code uint16) {
		if code == 1000 {
			send = append(slices.Clone(send), normal)
		}
		cases = append(cases, autobahnCase{name, send, want, code, 0})
	}
	chopped := func(n int) { // repeat the last case
		c := cases[len(cases)-1]
		c.name, c.chop = fmt.Sprintf("%s, %d bytes at a time", c.name, n), n
		cases = append(cases, c)
	}
	echoed := func(name string, f ...frame) { add(name, f, f, 1000) }
	fails := func(name string, code uint16, f ...frame) { add(name, f, nil, code) }

	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		echoed(fmt.Sprintf("1.1 text of %d bytes", n), frame{fin | text, strings.Repeat("*", n)})
		echoed(fmt.Sprintf("1.2 binary of %d bytes", n), frame{fin | binaryFrame, strings.Repeat("\xfe", n)})
	}
	chopped(997)

	pings := func(payload string) ([]frame, []frame) {
		return []frame{{fin | ping, payload}}, []frame{{fin | pong, payload}}
	}
	for name, payload := range map[string]string{
		"2.1 empty ping": "", "2.2 ping": "Hello, world!", "2.3 ping that is not text": "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", "2.4 ping of 125 bytes": strings.Repeat("\xfe", 125),
	} {
		send, want := pings(payload)
		add(name, send, want, 1000)
	}
	fails("2.5 ping of 126 bytes", 1002, frame{fin | ping, strings.Repeat("\xfe", 126)})
	send, want := pings(strings.Repeat("\xfe", 125))
	add("2.6 ping", send, want, 1000)
	chopped(1)
	add("2.7 unsolicited pong", []frame{{fin | pong, ""}}, nil, 1000)
	add("2.8 unsolicited pong with payload", []frame{{fin | pong, "unsolicited"}}, nil, 1000)
	add("2.9 pong and ping", []frame{{fin | pong, "unsolicited"}, {fin | ping, "payload"}}, []frame{{fin | pong, "payload"}}, 1000)
	var tenPings, tenPongs []frame
	for i := range 10 {
		tenPings, tenPongs = append(tenPings, frame{fin | ping, fmt.Sprint(i)}), append(tenPongs, frame{fin | pong, fmt.Sprint(i)})
	}
	add("2.10 ten pings", tenPings, tenPongs, 1000)
	chopped(1)

	for rsv := byte(1); rsv <= 7; rsv++ {
		hello := frame{fin | text, "before"}
		add(fmt.Sprintf("3 reserved bits %03b", rsv), []frame{hello, {fin | rsv<<4 | text, "after"}}, []frame{hello}, 1002)
	}
	add("3 reserved bit of a ping", []frame{{fin | 0x40 | ping, ""}}, nil, 1002)
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		hello := frame{fin | text, "before"}
		add(fmt.Sprintf("4 reserved opcode %d", opcode), []frame{hello, {fin | opcode, "x"}}, []frame{hello}, 1002)
	}

	whole := []frame{{fin | text, "fragment1fragment2"}}
	f1, f2 := frame{text, "fragment1"}, frame{fin | continuation, "fragment2"}
	fails("5.1 fragmented ping", 1002, frame{ping, "fragment1"}, f2)
	fails("5.2 fragmented pong", 1002, frame{pong, "fragment1"}, f2)
	add("5.3 two fragments", []frame{f1, f2}, whole, 1000)
	chopped(1)
	add("5.6 ping between fragments", []frame{f1, {fin | ping, "p"}, f2}, append([]frame{{fin | pong, "p"}}, whole...), 1000)
	chopped(1)
	fails("5.9 continuation of nothing", 1002, frame{fin | continuation, "x"}, frame{fin | text, "y"})
	fails("5.12 continuation of nothing, unfinished", 1002, frame{continuation, "x"}, frame{fin | text, "y"})
	add("5.15 continuation after the end", []frame{f1, f2, {fin | continuation, "x"}}, whole, 1002)
	fails("5.18 text between fragments", 1002, f1, frame{fin | text, "fragment2"})
	var fragments, between []frame
	for i := range 5 {
		first := byte(continuation)
		if i == 0 {
			first = text
		}
		if i == 4 {
			first |= fin
		}
		fragments = append(fragments, frame{first, fmt.Sprint("fragment", i)}, frame{fin | ping, fmt.Sprint(i)})
		between = append(between, frame{fin | pong, fmt.Sprint(i)})
	}
	between = slices.Insert(between, 4, frame{fin | text, "fragment0fragment1fragment2fragment3fragment4"})
	add("5.19 five fragments with pings", fragments, between, 1000)
	chopped(1)

	for _, s := range validText {
		echoed(fmt.Sprintf("6 valid UTF-8 %+q", s), frame{fin | text, s})
		if s != "" {
			fragmented := []frame{{text, s[:1]}, {fin | continuation, s[1:]}} // inside a code point
			add(fmt.Sprintf("6 valid UTF-8 in fragments %+q", s), fragmented, []frame{{fin | text, s}}, 1000)
		}
	}
	add("6.1 empty fragments", []frame{{text, ""}, {continuation, ""}, {fin | continuation, ""}}, []frame{{fin | text, ""}}, 1000)
	for _, s := range invalidText {
		fails(fmt.Sprintf("6 invalid UTF-8 %+q", s), 1007, frame{fin | text, s})
		fails(fmt.Sprintf("6 invalid UTF-8 in fragments %+q", s), 1007, frame{text, s[:1]}, frame{fin | continuation, s[1:]})
		echoed(fmt.Sprintf("6 binary %+q", s), frame{fin | binaryFrame, s})
	}

	hello := frame{fin | text, "Hello World!"}
	echoed("7.1.1 close after a message", hello)
	add("7.1.2 two closes", []frame{normal, normal}, nil, 1000)
	add("7.1.3 ping after close", []frame{normal, {fin | ping, ""}}, nil, 1000)
	add("7.1.4 message after close", []frame{normal, hello}, nil, 1000)
	add("7.1.5 close between fragments", []frame{f1, normal, f2}, nil, 1000)
	add("7.1.6 large message, close, ping", []frame{{fin | text, strings.Repeat("B", 256<<10)}, normal, {fin | ping, ""}}, []frame{{fin | text, strings.Repeat("B", 256<<10)}}, 1000)
	add("7.3.1 close without payload", []frame{{fin | closing, ""}}, []frame{{fin | closing, ""}}, 0)
	fails("7.3.2 close with one byte", 1002, frame{fin | closing, "a"})
	fails("7.3.3 close with code", 1001, closeFrame(1001, ""))
	fails("7.3.4 close with reason", 1000, closeFrame(1000, "Hello World!"))
	fails("7.3.5 close with the longest reason", 1000, closeFrame(1000, strings.Repeat("*", 123)))
	fails("7.3.6 close with too long a reason", 1002, closeFrame(1000, strings.Repeat("*", 124)))
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		fails(fmt.Sprintf("7.7 close with %d", code), code, closeFrame(code, ""))
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535} {
		fails(fmt.Sprintf("7.9 close with %d", code), 1002, closeFrame(code, ""))
	}

	for _, n := range []int{64 << 10, 256 << 10, 1 << 20} {
		large := frame{fin | binaryFrame, strings.Repeat("x", n)}
		echoed(fmt.Sprintf("9.2 binary of %d bytes", n), large)
		chopped(1300)
		for _, size := range []int{64, 1024, 65536} {
			add(fmt.Sprintf("9.4 binary of %d bytes in fragments of %d", n, size), split(large, size), []frame{large}, 1000)
		}
	}
	fails("9 more than the limit", 1009, frame{fin | binaryFrame, strings.Repeat("x", maxMessage+1)})
	fails("9 more than the limit in fragments", 1009, split(frame{fin | binaryFrame, strings.Repeat("x", maxMessage+1)}, 65536)...)
	return cases
}

// split splits a frame into fragments.
func split(f frame, size int) (fragments []frame) {
	first := f.First &^ fin
	for rest := f.Payload; ; first = continuation {
		if len(rest) <= size {
			return append(fragments, frame{first | fin, rest})
		}
		fragments, rest = append(fragments, frame{first, rest[:size]}), rest[size:]
	}
}

// Texts of section 6.
var (
	validText = []string{
		"Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!",
		"\u03ba\u1f79\u03c3\u03bc\u03b5",
		"\x00", "\u0080", "\u0800", "\U00010000", "\x7f", "\u07ff", "\uffff", "\U0010ffff",
		"\ud7ff", "\ue000", "\ufffd", "\U0001f600",
	}
	invalidText = []string{
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", // a surrogate
		"\xf4\x90\x80\x80", // above U+10FFFF
		"\x80\x80", "\xbf\x80", "\xc0 ", "\xfe ", "\xff\xff", "\xfc\x80\x80\x80\x80\x80",
		"a\xc0", "a\xe0\x80", "\xf0\x80\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", // truncated or overlong
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xf8\x88\x80\x80\x80",
	}
)

// TestAutobahn sends the exact bytes of the cases. In a close frame from the server, only the
// code is compared, since the library chooses the reason.
func TestAutobahn(t *testing.T) {
	addr := start(t, nil).addr
	for _, c := range autobahnCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var sent []byte
			for _, f := range c.send {
				sent = append(sent, f.bytes(true)...)
			}
			size := c.chop
			if size == 0 {
				size = len(sent)
			}
			client := dialRaw(t, addr, nil)
			go func() { // the server may close the connection before it has read everything
				for part := range slices.Chunk(sent, size) {
					client.Write(part)
				}
			}()
			got := client.readFrames(t, c.code == 1007) // the program fails the connection, and then waits for the client
			want := slices.Clone(c.want)
			if c.code != 0 {
				want = append(want, closeFrame(c.code, ""))
			}
			for i, f := range got {
				if f.First == fin|closing && len(f.Payload) > 2 {
					got[i].Payload = f.Payload[:2]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("frames of the server (-want +got):\n%.2000s", diff)
			}
		})
	}
}
