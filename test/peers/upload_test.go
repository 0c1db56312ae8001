package peers

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

var long = flag.Bool("long", false, "repeat tests of races many more times; needs -timeout 1h")

// An upload is a request with content that a client sends Tries times.
type upload struct {
	Path    string `json:"path"`
	Size    int    `json:"size"`
	Chunked bool   `json:"chunked"`
	Tries   int    `json:"tries"`
	Close   bool   `json:"close"` // the request says Connection: close
}

func (u upload) String() string {
	if u.Chunked {
		return fmt.Sprintf("POST %s, %d bytes, chunked", u.Path, u.Size)
	}
	return fmt.Sprintf("POST %s, %d bytes, Content-Length", u.Path, u.Size)
}

// uploads returns what each client sends. Content whose Content-Length exceeds the
// limit never reaches a resolver, so only chunked content of that size is sent to
// the resolvers that do not read it.
func uploads(closes bool) []upload {
	const mb = 1_000_000
	tries, few := 8, 1
	if *long {
		tries, few = 100, 10
	}
	all := []upload{
		{"/read", 12 * mb, false, tries, closes},
		{"/read", 20 * mb, false, tries, closes},
		{"/read", 100 * mb, false, few, closes},
	}
	for _, path := range []string{"/read", "/ignore", "/forbid"} {
		all = append(all,
			upload{path, 5 * mb, false, tries, closes},
			upload{path, 5 * mb, true, tries, closes},
			upload{path, 12 * mb, true, tries, closes},
			upload{path, 20 * mb, true, tries, closes},
			upload{path, 100 * mb, true, few, closes})
	}
	return all
}

// want returns the outcome that every attempt must have. The server knows the length
// from the start if the client or a proxy declares it.
func (u upload) want(proxyDeclares bool) string {
	const limit = 10 << 20 // the default of WithMaxBodyBytes
	switch {
	case u.Size > limit && (!u.Chunked || proxyDeclares || u.Path == "/read"):
		return outcome(413, "413 Content Too Large")
	case u.Path == "/read":
		return outcome(200, strings.Repeat("x", u.Size>>10))
	case u.Path == "/ignore":
		return outcome(200, ignored)
	}
	return outcome(403, "403 Forbidden")
}

// outcome returns what a client reports about a complete answer with
// Content-Length: the status and length, or the first line of an error up to its reason.
func outcome(status int, content string) string {
	if status == 200 {
		return fmt.Sprintf("200, %d bytes", len(content))
	}
	line, _, _ := strings.Cut(content, "\n")
	line, _, _ = strings.Cut(line, ":")
	return fmt.Sprintf("%d, %q", status, line)
}

// ignored is the answer of /ignore. It takes several reads, but fits in the buffers
// of a client that is not reading yet.
var ignored = strings.Repeat("ignored\n", 8<<10)

// uploadSite reads the content at /read, where the answer has a byte for each KiB of
// it, and none at /ignore and /forbid.
var uploadSite = routes{
	"/read": func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		n, err := io.Copy(io.Discard, req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, strings.Repeat("x", int(n>>10))), nil
	},
	"/ignore": always(rawhttp.Text(200, ignored)),
	"/forbid": func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, &rawhttp.StatusError{Status: 403}
	},
}

// An origin is where clients find a server, and the certificate to trust if it has TLS.
type origin struct{ url, caFile string }

// uploadPaths are the ways from the client to the server.
var uploadPaths = []struct {
	name     string
	declares bool // a proxy reads all of the content and then declares its length
	close    bool // the client must close each connection, with Connection: close
	start    func(t *testing.T, opts ...rawhttp.Option) origin
}{{
	"TCP", false, false, func(t *testing.T, opts ...rawhttp.Option) origin {
		_, addr := serve(t, opts...)
		return origin{url: "http://" + addr}
	},
}, {
	"no CloseWrite", false, false, func(t *testing.T, opts ...rawhttp.Option) origin {
		ln := listen(t)
		serveOn(t, noCloseWrite{ln}, opts...)
		return origin{url: "http://" + ln.Addr().String()}
	},
}, {
	"TLS", false, false, func(t *testing.T, opts ...rawhttp.Option) origin {
		_, addr, trust := serveTLS(t, opts...)
		return origin{"https://" + addr, trust[1]}
	},
}, {
	"nginx", false, true, func(t *testing.T, opts ...rawhttp.Option) origin {
		_, addr := serve(t, opts...)
		return origin{url: "http://" + startNginx(t, addr)}
	},
}, {
	"nginx that buffers", true, false, func(t *testing.T, opts ...rawhttp.Option) origin {
		_, addr := serve(t, opts...)
		return origin{url: "http://" + startNginx(t, addr) + "/buffered"}
	},
}}

// noCloseWrite accepts connections that cannot be half-closed.
type noCloseWrite struct{ net.Listener }

func (l noCloseWrite) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// The answer reaches a client that is still sending content that is not read. Each client
// sends its uploads one after another, as any program would: over the same
// connection, unless the answer has Connection: close. If an answer lacks it by
// mistake, the next upload is lost.
func TestUploadAnswered(t *testing.T) {
	for _, path := range uploadPaths {
		for _, client := range uploadClients {
			t.Run(path.name+"/"+client.name, func(t *testing.T) {
				t.Parallel()
				sent := uploads(path.close)
				got := client.send(t, path.start(t, rawhttp.WithResolver(uploadSite)), sent)
				for i, u := range sent {
					count := make(map[string]int)
					for _, outcome := range got[i] {
						count[outcome]++
					}
					if diff := cmp.Diff(map[string]int{u.want(path.declares): u.Tries}, count); diff != "" {
						t.Errorf("outcomes of %v (-want +got):\n%s", u, diff)
					}
				}
			})
		}
	}
}
