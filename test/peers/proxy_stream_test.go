package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"example.com/rawhttp"
)

// forward is the simplest reverse proxy. The transport reads the content on a
// goroutine of its own, while the answer is written and even after that.
func forward(transport *http.Transport, upstream string) rawhttp.ResolverFunc {
	return func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		outbound, err := http.NewRequestWithContext(ctx, req.Method(), upstream+req.Target(), req.Body)
		if err != nil {
			return nil, err
		}
		outbound.ContentLength = req.ContentLength()
		res, err := transport.RoundTrip(outbound)
		if err != nil {
			return nil, &rawhttp.StatusError{Status: 502, Err: err}
		}
		return rawhttp.Stream(res.StatusCode, res.Header.Get("Content-Type"), res.Body), nil
	}
}

// startForward serves a reverse proxy in front of a server of net/http, which
// has a path for each kind of answer.
func startForward(t *testing.T) (srv *rawhttp.Server, addr string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/early", early)
	mux.HandleFunc("/echo", echoDuplex)
	mux.HandleFunc("/echo-after", echoAfter)
	upstream := httptest.NewServer(mux)
	t.Cleanup(upstream.Close)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return serve(t, rawhttp.WithResolver(forward(transport, upstream.URL)), rawhttp.WithMaxBodyBytes(0))
}

// earlyAnswer is the answer of early.
var earlyAnswer = someBytes(300_000)

// early sends the whole answer before it reads. It then reads to the end, since the
// server would reset the connection if it did not.
func early(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.EnableFullDuplex()
	w.Header().Set("Content-Type", octets)
	w.Write(earlyAnswer)
	control.Flush()
	io.Copy(io.Discard, r.Body)
}

// echoDuplex sends each piece of the content back before it reads the next.
func echoDuplex(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.EnableFullDuplex()
	w.Header().Set("Content-Type", octets)
	piece := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(piece)
		if _, failed := w.Write(piece[:n]); failed != nil || control.Flush() != nil {
			return
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer must not look complete
		}
	}
}

// echoAfter sends the content back after it has read all of it.
func echoAfter(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", octets)
	w.Write(content)
}

// Each of many concurrent requests receives its own, complete answer. Races are
// found best with go test -race.
func TestForward(t *testing.T) {
	tests := []struct {
		size, clients int
	}{
		{1_000_000, 16},
		{20_000_000, 3},
	}
	rounds := 1
	if *long {
		rounds = 20
	}
	for _, tt := range tests {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, chunked %t", tt.size, chunked), func(t *testing.T) {
				_, addr := startForward(t)
				content := someBytes(tt.size)
				var running sync.WaitGroup
				for i := range tt.clients {
					running.Go(func() {
						client := newClient(t, "127.0.0.1")
						for round := range 3 * rounds { // so that the three paths are in use at the same time
							path := []string{"/early", "/echo", "/echo-after"}[(i+round)%3]
							postForward(t, client, "http://"+addr, path, content, chunked)
						}
					})
				}
				running.Wait()
			})
		}
	}
}

func postForward(t *testing.T, client *http.Client, url, path string, content []byte, chunked bool) {
	t.Helper()
	var body io.Reader = bytes.NewReader(content)
	if chunked {
		body = io.MultiReader(body) // hides the length
	}
	req, err := http.NewRequest("POST", url+path, body)
	if err != nil {
		t.Error(err)
		return
	}
	want := content
	if path == "/early" {
		want = earlyAnswer
		req.Close = true // the answer may end long before the content, which ends the connection
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Errorf("POST %s: %v", path, err)
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("POST %s: status %d, then %v after %d bytes, want 200 and %d bytes", path, resp.StatusCode, err, len(got), len(want))
		return
	}
	wantBytes(t, "POST "+path, got, want)
}

// Reading content does not delay writes: each piece comes back before the
// client sends the next.
func TestForwardPieceByPiece(t *testing.T) {
	_, addr := startForward(t)
	content, sender := io.Pipe()
	defer content.CloseWithError(errors.New("the test has ended"))
	req, err := http.NewRequest("POST", "http://"+addr+"/echo", content)
	if err != nil {
		t.Fatal(err)
	}
	pieces := [][]byte{[]byte("a"), someBytes(1000), []byte("b"), someBytes(40_000), []byte("c")}
	go sender.Write(pieces[0])
	resp, err := newClient(t, "127.0.0.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i, piece := range pieces {
		if i > 0 {
			go sender.Write(piece)
		}
		got := make([]byte, len(piece))
		if n, err := io.ReadFull(resp.Body, got); err != nil {
			t.Fatalf("piece %d: %v after %d of %d bytes", i, err, n, len(piece))
		}
		wantBytes(t, fmt.Sprint("piece ", i), got, piece)
	}
	sender.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("after the last piece: %d bytes, %v, want only io.EOF", len(rest), err)
	}
}
