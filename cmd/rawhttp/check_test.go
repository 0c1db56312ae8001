package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     string
		args   []string
		status int
		want   string
	}{{
		name: "the parts of a head",
		in:   "GET /a%20b/../c?d=e HTTP/1.1\r\nHost: x\r\nAccept:  */*\r\n\r\n",
		want: `     0  method    GET
     4  target    /a%20b/../c?d=e
    20  version   HTTP/1.1
    30  field     Host: x
    39  field     Accept: */*
        path      /c
        query     d=e
        host      x
        framing   no content
    55  end
`,
	}, {
		name: "a value that looks like a field",
		in:   "GET / HTTP/1.1\r\nA: Host: x\r\nHost: y\r\n\r\n",
		want: `     0  method    GET
     4  target    /
     6  version   HTTP/1.1
    16  field     A: Host: x
    28  field     Host: y
        path      /
        host      y
        framing   no content
    39  end
`,
	}, {
		name: "bytes that are not text, and text that looks like their escapes",
		in:   "GET /a%01%5Cx01 HTTP/1.1\r\nHost: x\r\nA: b\tc\\t\xff\\xff\r\n\r\n",
		want: `     0  method    GET
     4  target    /a%01%5Cx01
    16  version   HTTP/1.1
    26  field     Host: x
    35  field     A: b\tc\x5ct\xff\x5cxff
        path      /a\x01\x5cx01
        host      x
        framing   no content
    52  end
`,
	}, {
		name: "two requests, one with content",
		in:   "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
		want: `     0  method    POST
     5  target    /a
     8  version   HTTP/1.1
    18  field     Host: x
    27  field     Transfer-Encoding: chunked
        path      /a
        host      x
        framing   chunked
    57  content, 13 bytes on the wire

    70  method    GET
    74  target    /b
    77  version   HTTP/1.0
        path      /b
        host      
        framing   no content
    89  end
`,
	}, {
		name: "a mark below the refused byte", in: "GET /a HTTP/1.1\r\nHost : x\r\n\r\n", status: 1,
		want: "Host : x<CRLF>\n    ^ field name is not a token (RFC 9112, section 5.1): 400\n",
	}, {
		name: "a mark in content", in: "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\nGET  /", status: 1,
		want: `     0  method    POST
     5  target    /
     7  version   HTTP/1.0
    17  field     Content-Length: 0
        path      /
        host      
        framing   no content

GET  /
    ^ more than one space between the parts of the request line (RFC 9112, section 3): 400
`,
	}, {
		name: "a missing field", in: "GET /a HTTP/1.1\r\nA: b\r\n\r\n", status: 1,
		want: "<CRLF>\n^ Host field is missing (RFC 9112, section 3.2): 400\n",
	}, {
		name: "control bytes", in: "GET /\x1b[2J HTTP/1.1\r\n\r\n", status: 1,
		want: `GET /\x1b[2J HTTP/1.1<CRLF>` + "\n     ^ request target has a byte that is not visible ASCII (RFC 9112, section 3.2): 400\n",
	}, {
		name: "in color", in: "GET  /", args: []string{"-color", "always"}, status: 1,
		want: "GET  /\n\x1b[31m    ^ more than one space between the parts of the request line (RFC 9112, section 3): 400\x1b[0m\n",
	}, {
		name: "incomplete", in: "GET / HTTP/1.1\r\nHost: a", status: 1,
		want: "    23  incomplete: the head does not end in an empty line\n",
	}, {
		name: "nothing", in: "", status: 1,
		want: "     0  incomplete: there is no request\n",
	}, {
		name: "an empty line at the end", in: "GET / HTTP/1.0\r\n\r\n\r\n",
		want: `     0  method    GET
     4  target    /
     6  version   HTTP/1.0
        path      /
        host      
        framing   no content

    18  an empty line, which servers ignore
    20  end
`,
	}, {
		name: "lenient", in: "GET / HTTP/1.1\nHost: a\n\n", args: []string{"-lenient"},
		want: `     0  method    GET
     4  target    /
     6  version   HTTP/1.1
    15  field     Host: a
        path      /
        host      a
        framing   no content
    24  end
`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "request")
			if err := os.WriteFile(file, []byte(tt.in), 0o644); err != nil {
				t.Fatal(err)
			}
			fromStdin := append([]string{"check"}, tt.args...)
			status, stdout, stderr := call(t, tt.in, fromStdin...)
			if diff := cmp.Diff(tt.want, stdout); status != tt.status || diff != "" || stderr != "" {
				t.Errorf("%q with input %q: status %d, want %d; stderr %q (-want +got):\n%s", fromStdin, tt.in, status, tt.status, stderr, diff)
			}
			if _, fromFile, _ := call(t, "", append(fromStdin, file)...); fromFile != stdout {
				t.Errorf("with a file, check prints %q, want %q as from standard input", fromFile, stdout)
			}
		})
	}
}

// Only the beginning of an input that is too long, or endless, is checked, with a note.
func TestCheckLongInput(t *testing.T) {
	t.Parallel()
	in := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + strings.Repeat("a", 9_000_000)
	status, stdout, stderr := call(t, in, "check")
	if status != 1 || !strings.HasSuffix(stdout, "content, incomplete: 8388555 bytes received\n") || !strings.Contains(stderr, "first 8 MiB") {
		t.Errorf("status %d, stdout %q, stderr %q, want 1, incomplete content and a note", status, stdout, stderr)
	}
}

// Twice the input takes about twice the memory: the rest of the input is not copied for each
// request. The test is not parallel, since it counts what the process allocates.
func TestCheckIsLinear(t *testing.T) {
	allocated := func(requests int) uint64 {
		in := strings.Repeat("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", requests)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if status, _, stderr := call(t, in, "check"); status != 0 {
			t.Fatalf("status %d, stderr %q, want 0", status, stderr)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	allocated(1) // what is made once
	if once, twice := allocated(500), allocated(1000); twice > 3*once {
		t.Errorf("check of 500 requests allocates %d bytes, and of 1000 requests %d, want about twice as many", once, twice)
	}
}

// For a response, check notes that it only checks requests.
func TestCheckResponse(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := call(t, "HTTP/1.1 200 OK\r\n\r\n", "check")
	if status != 1 || !strings.Contains(stdout, "method is not a token") || !strings.Contains(stderr, "looks like a response") {
		t.Errorf("status %d, stdout %q, stderr %q, want 1, a mark and a note", status, stdout, stderr)
	}
}

func TestCheckMisused(t *testing.T) {
	for _, args := range [][]string{{"check", "/nonexistent"}, {"check", "a", "b"}, {"check", "-x"}, {"check", "-color", "red"}} {
		status, stdout, stderr := call(t, "", args...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, stdout %q, stderr %q, want 2 and one line on stderr", args, status, stdout, stderr)
		}
	}
	const want = "rawhttp check: there is no flag -x (rawhttp check -h shows the usage)\n"
	if _, _, stderr := call(t, "", "check", "-x"); stderr != want {
		t.Errorf("check -x: stderr %q, want %q", stderr, want)
	}
}
