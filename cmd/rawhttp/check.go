package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/transcript"
)

const checkUsage = `usage: rawhttp check [flags] [file]

Parses the requests in the file, or on standard input. Shows the parts of each
with their offsets, and marks the first byte that breaks a rule. Lines that you
type on a terminal end in CRLF. At most 8 MiB are read. Nothing is sent.

  -lenient    accept bare LF, folded lines, and a head without its empty line
  -color WHEN use colors: auto, always or never

  printf 'GET /a HTTP/1.1\r\nHost : x\r\n\r\n' | rawhttp check

The exit status is 0 if all requests are accepted, 1 if one is rejected or
incomplete, 2 for wrong usage.
`

// maxCheck is the most bytes that are checked, since all of them are held in memory.
const maxCheck = 8 << 20

// check is the command check.
func check(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := newFlags("check")
	lenient := flags.Bool("lenient", false, "")
	color := colorFlag(flags)
	files, err := parseAnywhere(flags, args, false)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, checkUsage)
		return 0
	case err == nil && len(files) > 1:
		err = fmt.Errorf("want one file, not %d; to check text, write it to standard input", len(files))
	}
	if err != nil {
		return misused(stderr, "check", err)
	}
	if isTerminal(stdin) {
		stdin = &terminalLines{terminal: stdin, end: "\r\n"}
	}
	if len(files) == 1 && files[0] != "-" {
		f, err := os.Open(files[0])
		if err != nil {
			fmt.Fprintf(stderr, "rawhttp check: %v\n", err)
			return 2
		}
		defer f.Close()
		stdin = f
	}
	b, err := io.ReadAll(io.LimitReader(stdin, maxCheck+1))
	if err != nil {
		fmt.Fprintf(stderr, "rawhttp check: %v\n", err)
		return 2
	}
	if len(b) > maxCheck {
		b = b[:maxCheck]
		fmt.Fprintln(stderr, "rawhttp check: only the first 8 MiB are checked")
	}
	text, ok := report(b, *lenient, color.on(stdout))
	io.WriteString(stdout, text)
	if ok {
		return 0
	}
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		fmt.Fprintln(stderr, "rawhttp check: this looks like a response; only requests are checked")
	}
	return 1
}

// report describes the requests in b, and reports whether all are accepted.
func report(b []byte, lenient, color bool) (text string, ok bool) {
	parse := rawhttp.ParseRequest
	if lenient {
		parse = rawhttp.ParseRequestLenient
	}
	var out strings.Builder
	for base := 0; ; {
		req, rest, err := parse(b[base:])
		var pe *rawhttp.ParseError
		switch {
		case errors.As(err, &pe):
			reportRejected(&out, b[base:], pe, color)
			return out.String(), false
		case errors.Is(err, rawhttp.ErrIncomplete):
			ok = reportIncomplete(&out, b, base)
			return out.String(), ok
		case err != nil:
			fmt.Fprintln(&out, err)
			return out.String(), false
		}
		head := len(b) - base - len(rest)
		reportHead(&out, b[base:base+head], base, req)
		n, err := contentLength(req, rest)
		content := base + head
		switch {
		case errors.As(err, &pe) && !errors.Is(err, io.ErrUnexpectedEOF):
			fmt.Fprintf(&out, "%6d  content:\n", content)
			reportRejected(&out, rest, pe, color)
			return out.String(), false
		case err != nil:
			fmt.Fprintf(&out, "%6d  content, incomplete: %d bytes received\n", content, len(rest))
			return out.String(), false
		case n > 0:
			fmt.Fprintf(&out, "%6d  content, %d bytes on the wire\n", content, n)
		}
		base = content + n
		if base == len(b) {
			fmt.Fprintf(&out, "%6d  end\n", base)
			return out.String(), true
		}
		out.WriteString("\n")
	}
}

// reportIncomplete describes the bytes after the last complete request, which ends at base. It
// reports whether they are only an empty line.
func reportIncomplete(out *strings.Builder, b []byte, base int) (ok bool) {
	isEmpty := len(bytes.Trim(b[base:], "\r\n")) == 0
	switch {
	case isEmpty && base > 0:
		fmt.Fprintf(out, "%6d  an empty line, which servers ignore\n%6d  end\n", base, len(b))
		return true
	case isEmpty:
		fmt.Fprintf(out, "%6d  incomplete: there is no request\n", len(b))
	default:
		fmt.Fprintf(out, "%6d  incomplete: the head does not end in an empty line\n", len(b))
	}
	return false
}

// reportHead describes the parts of a head, each with its offset in the input.
func reportHead(out *strings.Builder, head []byte, base int, req *rawhttp.Request) {
	part := func(off int, name, value string) {
		fmt.Fprintf(out, "%6d  %-9s %s\n", base+off, name, transcript.Escape(value))
	}
	// A Request has no offsets, so each part is searched for after the one before it.
	at := func(s string, from int) int { return from + max(0, strings.Index(string(head[from:]), s)) }
	method := at(req.Method(), 0)
	target := at(req.Target(), method+len(req.Method()))
	part(method, "method", req.Method())
	part(target, "target", req.Target())
	end := target + len(req.Target())
	part(at("HTTP/", end), "version", req.Version())
	from := end + strings.IndexByte(string(head[end:])+"\n", '\n') + 1
	for name, value := range req.Header().All() {
		for from < len(head) && !bytes.HasPrefix(head[from:], []byte(name+":")) {
			_, rest, _ := bytes.Cut(head[from:], []byte("\n")) // a line of the previous value, which may be folded
			from = len(head) - len(rest)
		}
		part(from, "field", name+": "+value)
		from += len(name) + 1
	}
	fmt.Fprintf(out, "%6s  %-9s %s\n", "", "path", transcript.Escape(req.Path()))
	if q := req.RawQuery(); q != "" {
		fmt.Fprintf(out, "%6s  %-9s %s\n", "", "query", transcript.Escape(q))
	}
	fmt.Fprintf(out, "%6s  %-9s %s\n", "", "host", transcript.Escape(req.Host()))
	fmt.Fprintf(out, "%6s  %-9s %s\n", "", "framing", framing(req))
}

// framing describes how the end of the content is found.
func framing(req *rawhttp.Request) string {
	switch n := req.ContentLength(); {
	case n < 0:
		return "chunked"
	case n == 0:
		return "no content"
	default:
		return fmt.Sprintf("%d bytes of content", n)
	}
}

// contentLength returns how many bytes of rest are the content of req, with its framing.
func contentLength(req *rawhttp.Request, rest []byte) (n int, err error) {
	if length := req.ContentLength(); length >= 0 {
		if length > int64(len(rest)) {
			return 0, io.ErrUnexpectedEOF
		}
		return int(length), nil
	}
	r := bytes.NewReader(rest) // Content takes no more of it than it needs
	if _, err := io.Copy(io.Discard, req.Content(nil, r)); err != nil {
		return 0, err
	}
	return len(rest) - r.Len(), nil
}

// reportRejected shows the line of b that has the offset of the error, and the reason below it.
func reportRejected(out *strings.Builder, b []byte, pe *rawhttp.ParseError, color bool) {
	line, mark := transcript.Mark(b, pe.Offset)
	below := fmt.Sprintf("%s %s (%s): %d", mark, pe.Reason, pe.Section, pe.Status)
	if color {
		below = "\x1b[31m" + below + "\x1b[0m"
	}
	fmt.Fprintf(out, "%s\n%s\n", line, below)
}
