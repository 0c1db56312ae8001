package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A transfer is what curl reports about one URL, by the names of its --write-out.
type transfer struct {
	Status     int    `json:"http_code"`
	Version    string `json:"http_version"`
	MediaType  string `json:"content_type"`
	Connects   int    `json:"num_connects"`
	Uploaded   int    `json:"size_upload"` // including framing
	Downloaded int    `json:"size_download"`
	Exit       int    `json:"exitcode"`
}

// Exit statuses of curl, from its manual.
const (
	exitPartialFile = 18 // the content ended before its length or the last chunk
	exitReceive     = 56 // failure in receiving network data
)

// curlCommand returns a command that runs curl. The option --next in args, as in curl's manual,
// begins another request, which may use the same connection.
func curlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	common := []string{
		"--silent", "--noproxy", "*", "--path-as-is", "--write-out", `%{stderr}%{json}\n`,
		"--max-time", "60", // limits a hang
	}
	all := append([]string{"-q"}, common...)
	for _, arg := range args {
		all = append(all, arg)
		if arg == "--next" {
			all = append(all, common...)
		}
	}
	return exec.Command(peer(t, "curl", "curl"), all...)
}

// curl runs curl, and returns its report about each URL and its output.
func curl(t *testing.T, stdin io.Reader, args ...string) (transfers []transfer, stdout []byte) {
	t.Helper()
	cmd := curlCommand(t, args...)
	var out, report bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &report
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("curl %q: %v", args, err)
	}
	for d := json.NewDecoder(&report); ; {
		var tr transfer
		err := d.Decode(&tr)
		if err == io.EOF {
			return transfers, out.Bytes()
		}
		if err != nil {
			t.Fatalf("curl %q: its report: %v", args, err)
		}
		transfers = append(transfers, tr)
	}
}

// wantTransfers runs curl and compares what it reports about downloads.
func wantTransfers(t *testing.T, stdin io.Reader, args []string, want ...transfer) (stdout []byte) {
	t.Helper()
	got, stdout := curl(t, stdin, args...)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(transfer{}, "Uploaded")); diff != "" {
		t.Errorf("curl %q (-want +got):\n%s", args, diff)
	}
	return stdout
}

func TestCurl(t *testing.T) {
	const plain = "text/plain; charset=utf-8"
	helloHead := "HTTP/1.1 200 OK\r\nContent-Type: " + plain + "\r\nContent-Length: 6\r\n"
	hello := transfer{Status: 200, Version: "1.1", MediaType: plain, Connects: 1, Downloaded: 6}
	again := hello
	again.Connects = 0
	head := hello
	head.Downloaded = 0
	lines := transfer{Status: 200, Version: "1.1", MediaType: "text/plain", Connects: 1, Downloaded: 21}

	tests := []struct {
		name  string
		args  string // URLs have only a path
		want  []transfer
		out   string
		conns uint64
		why   string
	}{{
		name: "GET", args: "--include /hello",
		want: []transfer{hello}, out: helloHead + "\r\nhello\n", conns: 1,
	}, {
		name: "GET over HTTP/1.0", args: "--http1.0 --include /hello",
		want: []transfer{hello}, out: helloHead + "Connection: close\r\n\r\nhello\n", conns: 1,
		why: "the answer has version 1.1 (RFC 9110, section 6.2), and closes the connection",
	}, {
		name: "HEAD", args: "--head /hello",
		want: []transfer{head}, out: helloHead + "\r\n", conns: 1,
	}, {
		name: "HEAD over HTTP/1.0", args: "--http1.0 --head /hello",
		want: []transfer{head}, out: helloHead + "Connection: close\r\n\r\n", conns: 1,
	}, {
		name: "content of unknown length", args: "--include /stream",
		want: []transfer{lines}, conns: 1,
		out: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nline 1\nline 2\nline 3\n",
	}, {
		name: "content of unknown length over HTTP/1.0", args: "--http1.0 --include /stream",
		want: []transfer{lines}, conns: 1,
		out: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nline 1\nline 2\nline 3\n",
		why: "a 1.0 client does not support chunks, so the content ends with the connection",
	}, {
		name: "persistent connection", args: "/hello /hello",
		want: []transfer{hello, again}, out: "hello\nhello\n", conns: 1,
	}, {
		name: "persistent connection after chunked content", args: "/stream /hello",
		want: []transfer{lines, again}, out: "line 1\nline 2\nline 3\nhello\n", conns: 1,
	}, {
		name: "persistent connection after 204", args: "/empty /hello",
		want: []transfer{{Status: 204, Version: "1.1", Connects: 1}, again}, out: "hello\n", conns: 1,
		why: "204 has no content, whatever its fields say (RFC 9112, section 6.3)",
	}, {
		name: "persistent connection after HEAD", args: "--head /hello --next /hello",
		want: []transfer{head, again}, out: helloHead + "\r\nhello\n", conns: 1,
	}, {
		name: "persistent connection after HEAD of a stream", args: "--head /stream --next /hello",
		want:  []transfer{{Status: 200, Version: "1.1", MediaType: "text/plain", Connects: 1}, again},
		out:   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nhello\n",
		conns: 1,
		why:   "the framing is that of GET, but no chunk follows",
	}, {
		name: "persistent connection after an error", args: "/missing /fail /hello",
		want: []transfer{
			{Status: 404, Version: "1.1", MediaType: plain, Connects: 1, Downloaded: 14},
			{Status: 500, Version: "1.1", MediaType: plain, Downloaded: 26},
			again,
		},
		out: "404 Not Found\n500 Internal Server Error\nhello\n", conns: 1,
	}, {
		name: "two requests over HTTP/1.0", args: "--http1.0 /hello /hello",
		want: []transfer{hello, hello}, out: "hello\nhello\n", conns: 2,
	}, {
		name: "two requests over HTTP/1.0 with Connection: keep-alive",
		args: "--http1.0 --header Connection:keep-alive --include /hello /hello",
		want: []transfer{hello, again}, conns: 1,
		out: strings.Repeat(helloHead+"Connection: keep-alive\r\n\r\nhello\n", 2),
	}, {
		name: "redirect to a folder", args: "--location /files/folder",
		want: []transfer{{Status: 200, Version: "1.1", MediaType: "text/html; charset=utf-8", Connects: 1, Downloaded: 7}},
		out:  "<p>hi\n\n", conns: 1,
		why: "curl must resolve the relative Location",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			writeFile(t, folder, "folder/index.html", []byte("<p>hi\n\n"))
			srv, addr := serve(t, rawhttp.WithResolver(site(t, folder)))
			args := strings.Fields(tt.args)
			for i, arg := range args {
				if arg[0] == '/' {
					args[i] = "http://" + addr + arg
				}
			}
			out := wantTransfers(t, nil, args, tt.want...)
			if diff := cmp.Diff(tt.out, string(out)); diff != "" {
				t.Errorf("curl %q writes (-want +got):\n%s", args, diff)
			}
			if got := srv.Stats().Conns; got != tt.conns {
				t.Errorf("curl %q made %d connections, want %d", args, got, tt.conns)
			}
			if t.Failed() && tt.why != "" {
				t.Log("why:", tt.why)
			}
		})
	}
}

// curl sends content of several MB in each framing, with and without waiting for
// 100 (Continue), and receives the same content back.
func TestCurlUpload(t *testing.T) {
	content := someBytes(5 << 20)
	file := writeFile(t, t.TempDir(), "content", content)
	goOn := "HTTP/1.1 100 Continue\r\n\r\n"
	tests := []struct {
		name     string
		args     []string
		proceed  string // interim response before the final one
		declared string
	}{{
		name: "PUT, chunked", args: []string{"--upload-file", "-", "--header", "Expect:"},
		declared: "-1",
	}, {
		name: "PUT, chunked, Expect", args: []string{"--upload-file", "-", "--header", "Expect: 100-continue"},
		proceed: goOn, declared: "-1",
	}, {
		name: "PUT, Content-Length", args: []string{"--upload-file", file, "--header", "Expect:"},
		declared: "5242880",
	}, {
		name: "PUT, Content-Length, Expect", args: []string{"--upload-file", file, "--header", "Expect: 100-continue"},
		proceed: goOn, declared: "5242880",
	}, {
		name: "POST, chunked", declared: "-1",
		args: []string{"--data-binary", "@-", "--header", "Transfer-Encoding: chunked", "--header", "Expect:"},
	}, {
		name: "POST, chunked, Expect", proceed: goOn, declared: "-1",
		args: []string{"--data-binary", "@-", "--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue"},
	}}
	for _, tt := range tests {
		for _, path := range []string{"/echo", "/echo-stream"} {
			t.Run(tt.name+path, func(t *testing.T) {
				srv, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
				// Without the 100, curl would wait until its limit, and its output would
				// not have it.
				args := append([]string{"--include", "--expect100-timeout", "30"}, tt.args...)
				args = append(args, "http://"+addr+path, "--next", "http://"+addr+"/hello")
				out := wantTransfers(t, bytes.NewReader(content), args,
					transfer{Status: 200, Version: "1.1", MediaType: octets, Connects: 1, Downloaded: len(content)},
					transfer{Status: 200, Version: "1.1", MediaType: "text/plain; charset=utf-8", Downloaded: 6})
				if conns := srv.Stats().Conns; conns != 1 {
					t.Errorf("curl %q made %d connections, want 1", args, conns)
				}
				out, ok := bytes.CutSuffix(out, []byte("hello\n"))
				if !ok {
					t.Error("the second response is not at the end of the output")
				}
				wantHead := tt.proceed + "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" +
					"Content-Length: 5242880\r\nDeclared-Length: " + tt.declared + "\r\n\r\n"
				if path == "/echo-stream" {
					wantHead = tt.proceed + "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
				}
				if n := min(len(out), len(wantHead)); string(out[:n]) != wantHead {
					t.Fatalf("curl %q writes first %q, want %q", args, out[:n], wantHead)
				}
				wantBytes(t, "the returned content", out[len(wantHead):], content)
			})
		}
	}
}

// After a final status instead of 100, the client need not send its content.
func TestCurlExpectRefused(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "file.txt", []byte("a file\n"))
	_, addr := serve(t, rawhttp.WithResolver(site(t, folder)), rawhttp.WithMaxBodyBytes(2<<20))
	tests := []struct {
		name, path string
		size       int
		status     int
		field      string // a field of the response
	}{
		{"content over the limit", "/echo", 3 << 20, 413, "Connection: close\r\n"},
		{"method not allowed", "/files/file.txt", 1 << 20, 405, "Allow: GET, HEAD, OPTIONS\r\n"},
		{"method not allowed, little content", "/files/file.txt", 100, 405, "Allow: GET, HEAD, OPTIONS\r\n"},
		{"missing resource", "/missing", 1 << 20, 404, "Connection: close\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"--include", "--expect100-timeout", "30", "--header", "Expect: 100-continue"}
			args = append(args, "--upload-file", writeFile(t, t.TempDir(), "content", someBytes(tt.size)), "http://"+addr+tt.path)
			got, out := curl(t, nil, args...)
			if len(got) != 1 || got[0].Status != tt.status || got[0].Exit != 0 {
				t.Fatalf("curl %q: %+v, want status %d and exit status 0", args, got, tt.status)
			}
			if got[0].Uploaded != 0 {
				t.Errorf("curl %q sent %d bytes of its content, want none", args, got[0].Uploaded)
			}
			if bytes.Contains(out, []byte("100 Continue")) || !bytes.Contains(out, []byte(tt.field)) {
				t.Errorf("curl %q writes %q, want no 100, and %q", args, out, tt.field)
			}
		})
	}
}

// An unknown expectation is refused, and the response arrives although curl sends its content
// immediately.
func TestCurlExpectOther(t *testing.T) {
	_, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
	args := []string{"--header", "Expect: a-miracle", "--data-binary", "@-", "http://" + addr + "/echo"}
	wantTransfers(t, bytes.NewReader(someBytes(100<<10)), args,
		transfer{Status: 417, Version: "1.1", MediaType: "text/plain; charset=utf-8", Connects: 1, Downloaded: 23})
}

// Chunked content over the limit is answered while it is being sent; the
// client must still receive the response.
func TestCurlChunkedOverLimit(t *testing.T) {
	_, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())), rawhttp.WithMaxBodyBytes(64<<10))
	args := []string{"--upload-file", "-", "--header", "Expect:", "http://" + addr + "/echo"}
	got, out := curl(t, bytes.NewReader(someBytes(512<<10)), args...)
	if len(got) != 1 || got[0].Status != 413 || got[0].Exit != 0 {
		t.Errorf("curl %q: %+v, %q, want status 413 and exit status 0", args, got, out)
	}
}

// The first piece of a stream reaches the client before the second is written.
func TestCurlStream(t *testing.T) {
	for _, version := range []string{"--http1.0", "--http1.1"} {
		t.Run(version, func(t *testing.T) {
			goOn := make(chan struct{})
			_, addr := serve(t, rawhttp.WithResolver(twoPieces(goOn)))
			cmd := curlCommand(t, version, "--no-buffer", "http://"+addr+"/")
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			readTwoPieces(t, stdout, goOn)
			if err := cmd.Wait(); err != nil {
				t.Errorf("curl: %v", err)
			}
		})
	}
}

// After the client has disconnected, the writes of a StreamFunc fail.
func TestCurlDisconnects(t *testing.T) {
	failed := make(chan error, 1)
	endless := always(rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
		for {
			if _, err := io.WriteString(w, "more and more\n"); err != nil {
				failed <- err
				return err
			}
		}
	}))
	_, addr := serve(t, rawhttp.WithResolver(endless))
	cmd := curlCommand(t, "--no-buffer", "http://"+addr+"/")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(stdout, make([]byte, len("more and more\n")))
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil {
		t.Fatalf("read the output of curl: %v", err)
	}
	<-failed
}

// A client notices that a response was cut.
func TestCurlCut(t *testing.T) {
	tests := []struct {
		name, version, path string
		want                int
		why                 string
	}{
		{"no last chunk", "--http1.1", "/cut", exitPartialFile, "the last chunk ends the content (RFC 9112, section 8)"},
		{"short of Content-Length", "--http1.1", "/short", exitPartialFile, "the content must have Content-Length bytes"},
		{"short of Content-Length, HTTP/1.0", "--http1.0", "/short", exitPartialFile, "the content must have Content-Length bytes"},
		{"no length, HTTP/1.0", "--http1.0", "/cut", exitReceive, "a graceful close would mark the end of the content, so the connection is reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
			args := []string{tt.version, "http://" + addr + tt.path}
			got, out := curl(t, nil, args...)
			if len(got) != 1 || got[0].Exit != tt.want {
				t.Errorf("curl %q: %+v, %q, want exit status %d\nwhy: %s", args, got, out, tt.want, tt.why)
			}
		})
	}
}

// No target leads out of the root.
func TestCurlTraversal(t *testing.T) {
	const inside, outside = "inside\n", "outside\n"
	top := t.TempDir()
	root := filepath.Join(top, "root")
	writeFile(t, root, "file.txt", []byte(inside))
	writeFile(t, root, "folder/file.txt", []byte(inside))
	writeFile(t, top, "secret.txt", []byte(outside))
	for link, to := range map[string]string{
		"to-inside": "folder/file.txt", "to-outside": "../secret.txt",
		"to-absolute": filepath.Join(top, "secret.txt"), "to-top": "..",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	_, addr := serve(t, rawhttp.WithRoot(root))
	tests := []struct {
		target string
		status int
	}{
		{"/file.txt", 200},
		{"/../file.txt", 200}, // dot segments end at the root (RFC 3986, section 5.2.4)
		{"/folder/../file.txt", 200},
		{"/folder/%2e%2e/file.txt", 200},
		{"/folder%2Ffile.txt", 200},
		{"/to-inside", 200},
		{"/../secret.txt", 404},
		{"/../../../../../../../../etc/passwd", 404},
		{"/%2e%2e/secret.txt", 404},
		{"/..%2fsecret.txt", 404},
		{"/%2e%2e%2fsecret.txt", 404},
		{"/folder/../../secret.txt", 404},
		{"/%252e%252e/secret.txt", 404},
		{"/..%5csecret.txt", 404},
		{"/%2fetc/passwd", 404},
		{"//etc/passwd", 404},
		{"/..;/secret.txt", 404},
		{"/to-outside", 404},
		{"/to-absolute", 404},
		{"/to-top/secret.txt", 404},
		{"/file.txt%00.html", 400},
	}
	for _, tt := range tests {
		got, out := curl(t, nil, "http://"+addr+tt.target)
		if len(got) != 1 || got[0].Status != tt.status {
			t.Errorf("curl %s: %+v, want status %d", tt.target, got, tt.status)
		}
		if ok := string(out) == inside; ok != (tt.status == 200) || bytes.Contains(out, []byte(outside)) {
			t.Errorf("curl %s: status %d with content %q, want the file", tt.target, tt.status, out)
		}
	}
}

// A request that is too long is refused, and the response arrives.
func TestCurlTooLong(t *testing.T) {
	_, addr := serve(t, rawhttp.WithResolver(always(rawhttp.Text(200, "hello\n"))))
	url := "http://" + addr + "/"
	manyFields := strings.Split(strings.Repeat("--header;X-Field: 1;", 101), ";")
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"target of 7900 bytes", []string{url + strings.Repeat("a", 7899)}, 200},
		{"target of 8200 bytes", []string{url + strings.Repeat("a", 8199)}, 414},
		{"target of 100000 bytes", []string{url + strings.Repeat("a", 99999)}, 414},
		{"field value of 7000 bytes", []string{"--header", "X-Field: " + strings.Repeat("a", 7000), url}, 200},
		{"field value of 8200 bytes", []string{"--header", "X-Field: " + strings.Repeat("a", 8200), url}, 431},
		{"field value of 100000 bytes", []string{"--header", "X-Field: " + strings.Repeat("a", 100_000), url}, 431},
		{"more than 100 field lines", append(manyFields[:len(manyFields)-1:len(manyFields)-1], url), 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, out := curl(t, nil, tt.args...)
			if len(got) != 1 || got[0].Status != tt.want || got[0].Exit != 0 {
				t.Errorf("curl: %+v, %q, want status %d and exit status 0", got, out, tt.want)
			}
		})
	}
}
