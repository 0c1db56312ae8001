package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

func TestStreamFuncSendsEachWrite(t *testing.T) {
	w := new(writeLog)
	large := strings.Repeat("x", 3*outputBuffer)
	var counts []int // number of Writes to w after each Write
	r := rawhttp.StreamFunc(200, "", func(_ context.Context, out io.Writer) error {
		counts = append(counts, len(w.writes))
		for _, p := range []string{"", "ab", "", "c"} {
			if n, err := io.WriteString(out, p); n != len(p) || err != nil {
				t.Errorf("Write(%q) = %d, %v, want %d, nil", p, n, err, len(p))
			}
			counts = append(counts, len(w.writes))
		}
		n, err := io.WriteString(out, large)
		if n != len(large) || err != nil {
			t.Errorf("Write of %d bytes = %d, %v", len(large), n, err)
		}
		if !strings.HasSuffix(w.String(), large+"\r\n") {
			t.Error("a large Write returned before its bytes were written")
		}
		return nil
	})
	persist, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), r)
	if !persist || err != nil {
		t.Errorf("WriteResponse = %v, %v, want true, nil", persist, err)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 2, 3}, counts); diff != "" {
		t.Errorf("number of Writes at the start and after each Write (-want +got):\n%s", diff)
	}
	if head, rest := splitHead(w.writes[0]); rest != "" || !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("a first empty Write sent %q, want only the head", w.writes[0])
	}
	if diff := cmp.Diff([]string{"2\r\nab\r\n", "1\r\nc\r\n"}, w.writes[1:3]); diff != "" {
		t.Errorf("Writes after the head (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(w.String(), "\r\n30000\r\n"+large+"\r\n0\r\n\r\n") {
		t.Error("the output does not end with a chunk of 196608 bytes and the last chunk")
	}
}

func TestStreamFuncHeadIsSentWithFirstWrite(t *testing.T) {
	w := new(writeLog)
	if _, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), rawhttp.StreamFunc(200, "", writeEach("ab"))); err != nil {
		t.Fatal(err)
	}
	if len(w.writes) != 2 || !strings.HasSuffix(w.writes[0], "\r\n\r\n2\r\nab\r\n") || w.writes[1] != "0\r\n\r\n" {
		t.Errorf("Writes %q, want head and first chunk in one, then the last chunk", w.writes)
	}
}

func TestStreamFuncWithoutWrite(t *testing.T) {
	var b strings.Builder
	persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), rawhttp.StreamFunc(200, "", writeEach()))
	if _, rest := splitHead(b.String()); !persist || err != nil || rest != "0\r\n\r\n" {
		t.Errorf("WriteResponse = %v, %v and wrote %q, want true, nil and empty content", persist, err, b.String())
	}
}

func TestStreamFuncFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name, request string
		writes        []string
		want          string // output after the head
		headOut       bool
	}{
		{"before the first Write", get11, nil, "", false},
		{"after an empty Write", get11, []string{""}, "", true},
		{"after the first Write", get11, []string{"ab"}, "2\r\nab\r\n", true},
		{"after the first Write, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", []string{"ab"}, "ab", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				return errors.Join(writeEach(tt.writes...)(ctx, w), broken)
			})
			var b strings.Builder
			persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, tt.request), r)
			if persist || !errors.Is(err, broken) {
				t.Errorf("WriteResponse = %v, %v, want false and an error that wraps %v", persist, err, broken)
			}
			head, rest := splitHead(b.String())
			if rest != tt.want || (head != "") != tt.headOut {
				t.Errorf("wrote %q, want %q after the head, with the head: %v", b.String(), tt.want, tt.headOut)
			}
			if n, err := r.WriteTo(io.Discard); (n > 0) != tt.headOut || !errors.Is(err, broken) {
				t.Errorf("WriteTo = %d, %v, want the same result as WriteResponse", n, err)
			}
		})
	}
}

func TestStreamFuncWriteAfterReturn(t *testing.T) {
	for _, fails := range []error{nil, errors.New("broken")} {
		var kept io.Writer
		var b bytes.Buffer
		r := rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
			kept = w
			io.WriteString(w, "ab")
			return fails
		})
		rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), r)
		before := b.String()
		for _, p := range []string{"late", ""} {
			if n, err := io.WriteString(kept, p); n != 0 || err == nil {
				t.Errorf("Write(%q) after the function has returned = %d, %v, want 0 and an error", p, n, err)
			}
		}
		if b.String() != before {
			t.Errorf("Write after the function has returned wrote %q, want nothing", b.String()[len(before):])
		}
	}
}

// A writeFails is a Writer that fails one Write.
type writeFails struct {
	writeLog
	at, calls int
}

func (w *writeFails) Write(p []byte) (int, error) {
	if w.calls++; w.calls == w.at {
		return 0, errRespFull
	}
	return w.writeLog.Write(p)
}

// If a function ignores an error of Write, its response must not look complete.
func TestStreamFuncIgnoresWriteErrors(t *testing.T) {
	careless := func(parts ...string) func(context.Context, io.Writer) error {
		return func(_ context.Context, w io.Writer) error {
			for _, p := range parts {
				io.WriteString(w, p)
			}
			return nil
		}
	}
	large := strings.Repeat("x", 2*outputBuffer)
	for at := 1; at <= 3; at++ {
		for _, request := range []string{get11, "GET / HTTP/1.0\r\n\r\n"} {
			for _, parts := range [][]string{{"a", "b", "c", "d"}, {large, "b", large, "d"}} {
				w := &writeFails{at: at}
				persist, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, request), rawhttp.StreamFunc(200, "", careless(parts...)))
				if persist || !errors.Is(err, errRespFull) {
					t.Errorf("WriteResponse if Write %d fails = %v, %v, want false and its error", at, persist, err)
				}
				if strings.HasSuffix(w.String(), "0\r\n\r\n") {
					t.Errorf("the last chunk was written although Write %d failed: %.80q", at, w.String())
				}
				if w.calls != at {
					t.Errorf("%d Writes although Write %d failed, want no more", w.calls, at)
				}
			}
		}
	}
}

func TestStreamFuncWriteFailsAfterContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	var b strings.Builder
	r := rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, "ab"); err != nil {
			t.Errorf("Write before the end of the context: %v", err)
		}
		cancel(gone)
		<-ctx.Done()
		for range 2 {
			if n, err := io.WriteString(w, "lost"); n != 0 || !errors.Is(err, gone) {
				t.Errorf("Write after the end of the context = %d, %v, want 0, %v", n, err, gone)
			}
		}
		return nil
	})
	persist, err := rawhttp.WriteResponse(ctx, &b, requestOf(t, get11), r)
	if persist || !errors.Is(err, gone) {
		t.Errorf("WriteResponse = %v, %v, want false, %v, since content was lost", persist, err, gone)
	}
	if _, rest := splitHead(b.String()); rest != "2\r\nab\r\n" {
		t.Errorf("wrote %q after the head, want only the first chunk", rest)
	}
}

func TestStreamFuncGetsContext(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	r := rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, ctx.Value(key{}).(string))
		return err
	})
	var b strings.Builder
	if _, err := rawhttp.WriteResponse(ctx, &b, requestOf(t, get11), r); err != nil || !strings.HasSuffix(b.String(), "5\r\nvalue\r\n0\r\n\r\n") {
		t.Errorf("WriteResponse wrote %q, %v, want the value of the context", b.String(), err)
	}
}

func TestWriteResponseToFailingWriter(t *testing.T) {
	large := strings.Repeat("x", 2*outputBuffer)
	for name, build := range map[string]func() *rawhttp.Response{
		"Text":       func() *rawhttp.Response { return rawhttp.Text(200, "abc") },
		"large Text": func() *rawhttp.Response { return rawhttp.Text(200, large) },
		"Stream":     func() *rawhttp.Response { return rawhttp.Stream(200, "", respReader("a", "b")) },
		"Content": func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{Body: respReader(large), Size: int64(len(large))})
		},
		"Empty":      func() *rawhttp.Response { return rawhttp.Empty(204) },
		"CloseAfter": func() *rawhttp.Response { return rawhttp.NotFound().CloseAfter() },
	} {
		w := &writeFails{at: 1}
		persist, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), build())
		if persist || !errors.Is(err, errRespFull) || w.calls != 1 {
			t.Errorf("%s: WriteResponse to a Writer that fails = %v, %v after %d writes, want false, its error, 1", name, persist, err, w.calls)
		}
	}
}
