package rawhttp

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The defaults, and the effect of repeated options.
func TestScriptOptionsConfig(t *testing.T) {
	type settings struct {
		Commands []scriptCommand
		Output   ScriptOutput
		PathInfo bool
		Methods  []string
		Timeout  time.Duration
		Max      int
		Env      []string
	}
	config := func(opts ...FileOption) settings {
		c, err := newFileConfig(opts)
		if err != nil {
			t.Error(err)
		}
		s := c.script
		return settings{s.commands, s.output, s.pathInfo, s.methods, s.timeout, s.max, s.env}
	}
	most := max(4, 2*runtime.GOMAXPROCS(0))
	compare := func(name string, want, got settings) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(scriptCommand{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	compare("the defaults", settings{Timeout: 30 * time.Second, Max: most}, config())
	compare("later calls", settings{
		Commands: []scriptCommand{{".py", []string{"python3", "-u"}}, {".cgi", nil}, {".PY", []string{"pypy"}}},
		Output:   ScriptCGI, PathInfo: false, Timeout: time.Second, Max: 7, Env: []string{"A", "B", "C"},
		Methods: []string{"PUT", "DELETE", "PUT"},
	}, config(
		WithScript(".py", "python3", "-u"), WithScript(".cgi"), WithScript(".PY", "pypy"),
		WithScriptOutput(ScriptPlain), WithScriptOutput(ScriptCGI), WithScriptPathInfo(true), WithScriptPathInfo(false),
		WithScriptTimeout(0), WithScriptTimeout(time.Second), WithMaxScripts(0), WithMaxScripts(7), WithScriptEnv("A", "B"), nil, WithScriptEnv("C"),
		WithScriptMethods("PUT", "DELETE"), WithScriptMethods(), WithScriptMethods("PUT"),
	))
}

// cgiHead is a scriptHead that cmp can compare.
type cgiHead struct {
	Status    int
	MediaType string
	Fields    string
	Length    int64
	Size      int
}

func toCGIHead(h scriptHead) cgiHead {
	var fields []string
	for _, f := range h.fields {
		fields = append(fields, f.name+": "+f.value)
	}
	return cgiHead{h.status, h.mediaType, strings.Join(fields, "|"), h.length, h.size}
}

func TestParseScriptOutput(t *testing.T) {
	plain := cgiHead{Status: 200, MediaType: textHTML, Length: -1}
	const (
		ended   = true
		running = false
	)
	incomplete := ErrIncomplete
	fault := errors.New("502")
	tests := []struct {
		name, out string
		whole     bool
		mode      ScriptOutput
		want      cgiHead
		err       error
		why       string
	}{
		{name: "nothing yet", out: "", whole: running, err: incomplete},
		{name: "nothing", out: "", whole: ended, want: plain},
		{name: "nothing, CGI", out: "", whole: ended, mode: ScriptCGI, err: fault, why: "it has no fields"},
		{name: "nothing yet, plain", out: "", whole: running, mode: ScriptPlain, want: plain, why: "there is nothing to wait for"},
		{name: "an incomplete line", out: "hello", whole: running, err: incomplete, why: "it may still contain a colon"},
		{name: "a complete line", out: "hello\n", whole: running, want: plain},
		{name: "an empty line", out: "\n", whole: running, want: plain},
		{name: "an empty line, CRLF", out: "\r\n", whole: running, want: plain},
		{name: "half of a CRLF", out: "\r", whole: running, err: incomplete},
		{name: "an empty line, CGI", out: "\n", whole: running, mode: ScriptCGI, err: fault},
		{name: "a field", out: "Status: 404\n", whole: running, err: incomplete},
		{name: "a field, then the end", out: "Status: 404\n", whole: ended, want: plain, why: "no empty line has ended it"},
		{name: "a field and half of an empty line", out: "Status: 404\n\r", whole: running, err: incomplete},
		{name: "a block", out: "Status: 404\n\nhello", whole: running, want: cgiHead{404, "", "", -1, 13}},
		{name: "a block, CRLF", out: "Status: 404\r\n\r\nhello", whole: running, want: cgiHead{404, "", "", -1, 15}},
		{name: "a block without content", out: "Content-Type: a/b\n\n", whole: ended, want: cgiHead{200, "a/b", "", -1, 19}},
		{name: "all fields", out: "X:y\nContent-Length: 007\ncontent-type:\ta/b \nSTATUS: 201 x\nLocation: /a\nDate: x\n\n", whole: ended,
			want: cgiHead{201, "a/b", "X: y|Location: /a", 7, 79}},
		{name: "a redirect", out: "Location: a\n\n", whole: ended, want: cgiHead{302, "", "Location: a", -1, 13}},
		{name: "other fields", out: "A: b\n\nhello", whole: ended, want: plain},
		{name: "other fields, CGI", out: "A: b\n\nhello", whole: ended, mode: ScriptCGI, want: cgiHead{200, "", "A: b", -1, 6}},
		{name: "a bad status, block incomplete", out: "Status: 999\n", whole: running, err: incomplete, why: "it may not be a block"},
		{name: "a bad status", out: "Status: 999\n\n", whole: running, err: fault},
		{name: "a bad status, plain", out: "Status: 999\n\n", whole: ended, mode: ScriptPlain, want: plain},
		{name: "two CRs", out: "Status: 404\r\r\n\n", whole: ended, err: fault, why: "the first is part of the value"},
		{name: "a line of CRs", out: "Status: 404\n\r\r\n\n", whole: ended, want: plain, why: "it is not empty, and has no colon"},
		{name: "a block of 32 KiB", out: blockOf(maxScriptFields) + "x", whole: running, want: cgiHead{200, "", "X: " + strings.Repeat("a", maxScriptFields-17), -1, maxScriptFields}},
		{name: "a block of 32 KiB and a byte", out: blockOf(maxScriptFields + 1), whole: running, err: fault},
		{name: "a block of 32 KiB without its end", out: blockOf(maxScriptFields)[:maxScriptFields-1], whole: running, err: incomplete},
		{name: "a long first line", out: strings.Repeat("a", maxScriptFields), whole: running, want: plain},
		{name: "a long first line, incomplete", out: strings.Repeat("a", maxScriptFields-1), whole: running, err: incomplete},
		{name: "a long first line, CGI", out: strings.Repeat("a", maxScriptFields), whole: running, mode: ScriptCGI, err: fault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseScriptOutput([]byte(tt.out), tt.whole, tt.mode)
			switch {
			case tt.err == fault && (err == nil || err == ErrIncomplete || StatusOf(err) != 502), tt.err != fault && err != tt.err:
				t.Errorf("parseScriptOutput(%.60q, %v, %v) error %v, want %v; why: %s", tt.out, tt.whole, tt.mode, err, tt.err, tt.why)
			case err == nil:
				if diff := cmp.Diff(tt.want, toCGIHead(got)); diff != "" {
					t.Errorf("parseScriptOutput(%.60q, %v, %v) (-want +got):\n%s\nwhy: %s", tt.out, tt.whole, tt.mode, diff, tt.why)
				}
			}
		})
	}
}

// blockOf is a block of n bytes.
func blockOf(n int) string { return "Status: 200\nX: " + strings.Repeat("a", n-17) + "\n\n" }

func TestParseScriptStatus(t *testing.T) {
	for value, want := range map[string]int{
		"200": 200, "599": 599, "404 Not Found": 404, "404  Not Found": 404, "404 ": 404, "299 x": 299,
		"": 0, " 404": 0, "199": 0, "600": 0, "000": 0, "999": 0, "1000": 0, "40": 0, "0404": 0, "+404": 0, "-404": 0, "+44": 0, "-44": 0,
		"4o4": 0, "0x1": 0, "4_4": 0, "1e2": 0, "404x": 0, "404\tNot": 0, "404,200": 0, "OK": 0, "٤٠٤": 0, "HTTP/1.1 404": 0,
	} {
		if got := parseScriptStatus(value); got != want {
			t.Errorf("parseScriptStatus(%q) = %d, want %d", value, got, want)
		}
	}
}

// Fields that concern the connection are dropped, in any case; fields with similar names are
// not.
func TestScriptFieldsDropped(t *testing.T) {
	for name, dropped := range map[string]bool{
		"Connection": true, "CONNECTION": true, "keep-alive": true, "Proxy-Connection": true, "TE": true, "Trailer": true, "transfer-Encoding": true, "Upgrade": true, "Date": true,
		"Content-Length": true, // the server sets it from the bytes that it sends
		"Server":         false, "Set-Cookie": false, "Expires": false, "Last-Modified": false, "Content-Encoding": false, "Connection-X": false, "Trailers": false, "Dat": false,
	} {
		head, err := parseScriptOutput([]byte("Status: 200\n"+name+": 1\n\n"), true, ScriptAuto)
		if err != nil || (len(head.fields) == 0) != dropped {
			t.Errorf("field %s: 1 of a script becomes the fields %v, %v; want dropped: %v", name, head.fields, err, dropped)
		}
	}
}

func TestVariableName(t *testing.T) {
	for field, want := range map[string]string{
		"Host": "HTTP_HOST", "user-agent": "HTTP_USER_AGENT", "X-1-a--B": "HTTP_X_1_A__B", "-": "HTTP__", "DNT": "HTTP_DNT",
	} {
		if got := variableName(field); got != want {
			t.Errorf("variableName(%q) = %q, want %q", field, got, want)
		}
	}
}

func TestIsFieldForScripts(t *testing.T) {
	for name, want := range map[string]bool{
		"Host": true, "X-Forwarded-For": true, "X1": true, "Expect": true, "TE": true, "Cookie": true, "Proxies": true, "Proxy-X": true, "X-Proxy": true,
		"Proxy": false, "pROXY": false, "Authorization": false, "authorization": false, "Proxy-Authorization": false, "Connection": false, "transfer-encoding": false,
		"Content-Length": false, "Content-Type": false,
		"X_A": false, "_": false, "X.A": false, "X!": false, "X~A": false, "X'A": false, "X+A": false, "X|A": false, "X%A": false,
	} {
		if got := isFieldForScripts(name); got != want {
			t.Errorf("isFieldForScripts(%q) = %v, want %v", name, got, want)
		}
	}
}

// All variables of a request are set even if little is known about the connection.
func TestAppendVariables(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	unix := &net.UnixAddr{Name: "/run/http.sock", Net: "unix"}
	tests := []struct {
		name, head string
		conn       ConnInfo
		call       scriptCall
		want       []string // in order
	}{
		{
			name: "TCP", head: "GET /a.sh?q HTTP/1.1\r\nHost: example.test:1\r\nX-A: 1\r\n\r\n",
			conn: ConnInfo{LocalAddr: tcp("192.0.2.1:8080"), RemoteAddr: tcp("192.0.2.2:5"), Client: netip.MustParseAddr("192.0.2.2")},
			call: scriptCall{name: "/a.sh", file: "/www/a.sh", contentLength: -1, software: "rawhttp"},
			want: []string{"A=b", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=rawhttp", "SERVER_NAME=example.test", "SERVER_PORT=8080",
				"REQUEST_METHOD=GET", "REQUEST_URI=/a.sh?q", "QUERY_STRING=q", "SCRIPT_NAME=/a.sh", "SCRIPT_FILENAME=/www/a.sh",
				"REMOTE_ADDR=192.0.2.2", "REMOTE_HOST=192.0.2.2", "HTTP_HOST=example.test:1", "HTTP_X_A=1"},
		},
		{
			name: "IPv6, without Host", head: "POST /a.sh/b HTTP/1.0\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n",
			conn: ConnInfo{LocalAddr: tcp("[::1]:8443"), RemoteAddr: tcp("[2001:db8::2]:5"), Client: netip.MustParseAddr("2001:db8::2"), TLS: true},
			call: scriptCall{name: "/a.sh", file: "/www/a.sh", pathInfo: "/b", contentLength: 0, software: "s"},
			want: []string{"A=b", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.0", "SERVER_SOFTWARE=s", "SERVER_NAME=[::1]", "SERVER_PORT=8443",
				"REQUEST_METHOD=POST", "REQUEST_URI=/a.sh/b", "QUERY_STRING=", "SCRIPT_NAME=/a.sh", "SCRIPT_FILENAME=/www/a.sh",
				"REMOTE_ADDR=2001:db8::2", "REMOTE_HOST=2001:db8::2", "PATH_INFO=/b", "CONTENT_LENGTH=0", "CONTENT_TYPE=a/b", "HTTPS=on"},
		},
		{ // without a port, SERVER_PORT is the default of the scheme
			name: "a Unix domain socket", head: "GET /a.sh HTTP/1.1\r\nHost: a\r\n\r\n",
			conn: ConnInfo{LocalAddr: unix, RemoteAddr: &net.UnixAddr{Name: "@", Net: "unix"}},
			call: scriptCall{name: "/a.sh", file: "/www/a.sh", contentLength: -1, software: "rawhttp"},
			want: []string{"A=b", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=rawhttp", "SERVER_NAME=a", "SERVER_PORT=80",
				"REQUEST_METHOD=GET", "REQUEST_URI=/a.sh", "QUERY_STRING=", "SCRIPT_NAME=/a.sh", "SCRIPT_FILENAME=/www/a.sh",
				"REMOTE_ADDR=@", "REMOTE_HOST=@", "HTTP_HOST=a"},
		},
		{
			name: "no connection", head: "GET /a.sh HTTP/1.0\r\n\r\n",
			call: scriptCall{name: "/a.sh", file: "/www/a.sh", contentLength: 1 << 40, software: "rawhttp"},
			want: []string{"A=b", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.0", "SERVER_SOFTWARE=rawhttp", "SERVER_NAME=localhost", "SERVER_PORT=80",
				"REQUEST_METHOD=GET", "REQUEST_URI=/a.sh", "QUERY_STRING=", "SCRIPT_NAME=/a.sh", "SCRIPT_FILENAME=/www/a.sh",
				"REMOTE_ADDR=unknown", "REMOTE_HOST=unknown", "CONTENT_LENGTH=1099511627776"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, _, err := ParseRequest([]byte(tt.head))
			if err != nil {
				t.Fatal(err)
			}
			req.connInfo = &tt.conn
			if diff := cmp.Diff(tt.want, tt.call.appendVariables([]string{"A=b"}, req)); diff != "" {
				t.Errorf("appendVariables for %q (-want +got):\n%s", tt.head, diff)
			}
		})
	}
}

// FuzzScriptOutput checks that the parser of a script's output does not panic, that it gets
// the same result however the output is split, that no field contains a line ending, and that
// a response can be built from the result.
func FuzzScriptOutput(f *testing.F) {
	for _, out := range []string{
		"", "\n<p>a: b</p>", "\r\n", "Status: 404 Gone fishing\r\nContent-Type: text/plain\r\n\r\nno fish",
		"Location: /a\n\n", "Content-Type: a/b\n c: d\n\n", "Content-Length: 5\nStatus: 200\n\nhello", "A: b\n\n", "A: b\nStatus:\r\r\n\n",
		"Set-Cookie: a=b\nSet-Cookie: c=d\nlocation:x\nDate: now\n\n", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", "Status: 200\nX: \x00\n\n", "Status: 304\nX:\t \xff \n\n",
		"content-type : a/b\n\n", "Status: 200\nX-Content-Type-Options: none\n\n", "Status: 200\nX: " + strings.Repeat("a", maxScriptFields-17) + "\n\nx",
	} {
		for mode := range uint8(3) {
			f.Add([]byte(out), mode, uint16(len(out)/2))
		}
	}
	f.Fuzz(func(t *testing.T, out []byte, mode uint8, split uint16) {
		o := ScriptOutput(mode % 3)
		want, wantErr := parseScriptOutput(out, true, o)
		if wantErr == ErrIncomplete || wantErr != nil && StatusOf(wantErr) != 502 {
			t.Fatalf("parseScriptOutput(%q, true, %v) error %v, want none or a 502", out, o, wantErr)
		}
		splits := []int{min(int(split), len(out)), len(out)}
		for i := range min(len(out), 300) {
			splits = append(splits, i)
		}
		for _, n := range splits {
			got, err := parseScriptOutput(out[:n], false, o)
			if err != ErrIncomplete && (!reflect.DeepEqual(err, wantErr) || err == nil && !reflect.DeepEqual(got, want)) {
				t.Fatalf("parseScriptOutput of the first %d bytes of %q, %v: %+v, %v; of the whole %+v, %v", n, out, o, got, err, want, wantErr)
			}
		}
		if wantErr != nil {
			return
		}
		if want.status < 200 || want.status > 599 || want.size > min(len(out), maxScriptFields) || want.length < -1 || o == ScriptPlain && want.size > 0 {
			t.Fatalf("parseScriptOutput(%q, true, %v) = %+v", out, o, want)
		}
		resp := newResponse(want.status, want.mediaType)
		for _, f := range want.fields {
			if strings.ContainsAny(f.name+f.value, "\r\n\x00") {
				t.Fatalf("parseScriptOutput(%q, true, %v) returns the field %q", out, o, f)
			}
			resp.Add(f.name, f.value)
		}
		if want.mediaType != "" {
			resp.Set("Content-Type", want.mediaType)
		}
		if err := resp.Err(); err != nil {
			t.Fatalf("parseScriptOutput(%q, true, %v) returns a head from which no response can be built: %v", out, o, err)
		}
	})
}
