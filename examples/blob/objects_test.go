package main

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Each request is answered as RFC 9110 requires, opens the object no more often than
// necessary, and leaves nothing open.
func TestObjects(t *testing.T) {
	const text = "0123456789abcdefghijklmnopqrstuvwxyz"
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "docs/a.txt", text, &blob.WriterOptions{ContentType: "text/x-test; charset=utf-8"})
		put(t, inner, "empty", "", &blob.WriterOptions{ContentType: "text/x-test; charset=utf-8"})
		etag, mod := validators(t, inner, "docs/a.txt")
		emptyETag, emptyMod := validators(t, inner, "empty")
		date := func(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
		modified, earlier, later := date(mod), date(mod.Add(-time.Hour)), date(mod.Add(time.Hour))
		time.Sleep(time.Until(mod.Add(2100 * time.Millisecond))) // until then, the date is only a weak validator

		// Of these fields, exactly the wanted ones must be present.
		looked := []string{"Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified", "Allow", "X-Content-Type-Options"}
		type fields = map[string]string
		object := func(more fields) fields {
			f := fields{
				"Content-Type":           "text/x-test; charset=utf-8",
				"Content-Length":         "36",
				"Accept-Ranges":          "bytes",
				"ETag":                   etag,
				"Last-Modified":          modified,
				"X-Content-Type-Options": "nosniff",
			}
			for name, value := range more {
				f[name] = value
			}
			return f
		}
		plain := func(length string) fields {
			return fields{"Content-Type": "text/plain; charset=utf-8", "Content-Length": length, "X-Content-Type-Options": "nosniff"}
		}

		tests := []struct {
			name, method, path string
			send               []string
			status             int
			fields             fields
			content            string
			asked, opened      int64
			why                string
		}{{
			name: "whole object", method: "GET", path: "/docs/a.txt",
			status: 200, fields: object(nil), content: text, asked: 1, opened: 1,
		}, {
			name: "HEAD", method: "HEAD", path: "/docs/a.txt",
			status: 200, fields: object(nil), asked: 1, opened: 0,
			why: "it has the fields of GET (RFC 9110, section 9.3.2), without reading the object",
		}, {
			name: "empty object", method: "GET", path: "/empty",
			status: 200, fields: object(fields{"Content-Length": "0", "ETag": emptyETag, "Last-Modified": date(emptyMod)}), asked: 1, opened: 0,
		}, {
			name: "range from the middle", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=10-12"},
			status: 206, fields: object(fields{"Content-Length": "3", "Content-Range": "bytes 10-12/36"}), content: "abc", asked: 1, opened: 1,
		}, {
			name: "range without an end", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=33-"},
			status: 206, fields: object(fields{"Content-Length": "3", "Content-Range": "bytes 33-35/36"}), content: "xyz", asked: 1, opened: 1,
		}, {
			name: "suffix range", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=-2"},
			status: 206, fields: object(fields{"Content-Length": "2", "Content-Range": "bytes 34-35/36"}), content: "yz", asked: 1, opened: 1,
		}, {
			name: "range after the end", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=36-"},
			status: 416, fields: fields{
				"Content-Type": "text/plain; charset=utf-8", "Content-Length": "26",
				"Content-Range": "bytes */36", "X-Content-Type-Options": "nosniff",
			},
			content: "416 Range Not Satisfiable\n", asked: 1, opened: 0,
		}, {
			name: "range on HEAD", method: "HEAD", path: "/docs/a.txt", send: []string{"Range", "bytes=0-0"},
			status: 200, fields: object(nil), asked: 1, opened: 0,
			why: "Range is defined only for GET (RFC 9110, section 14.2)",
		}, {
			name: "If-None-Match with the ETag", method: "GET", path: "/docs/a.txt", send: []string{"If-None-Match", `"x", W/` + etag},
			status: 304, fields: fields{"ETag": etag, "Last-Modified": modified, "X-Content-Type-Options": "nosniff"}, asked: 1, opened: 0,
			why: "compared weakly (RFC 9110, section 13.1.2)",
		}, {
			name: "If-None-Match with another", method: "GET", path: "/docs/a.txt", send: []string{"If-None-Match", `"x"`, "If-Modified-Since", later},
			status: 200, fields: object(nil), content: text, asked: 1, opened: 1,
			why: "If-None-Match takes precedence over If-Modified-Since (RFC 9110, section 13.1.3)",
		}, {
			name: "If-Modified-Since with the Last-Modified", method: "GET", path: "/docs/a.txt", send: []string{"If-Modified-Since", modified},
			status: 304, fields: fields{"ETag": etag, "Last-Modified": modified, "X-Content-Type-Options": "nosniff"}, asked: 1, opened: 0,
		}, {
			name: "If-Match with another", method: "GET", path: "/docs/a.txt", send: []string{"If-Match", `"x"`},
			status: 412, fields: plain("24"), content: "412 Precondition Failed\n", asked: 1, opened: 0,
		}, {
			name: "If-Unmodified-Since an earlier time", method: "HEAD", path: "/docs/a.txt", send: []string{"If-Unmodified-Since", earlier},
			status: 412, fields: plain("24"), asked: 1, opened: 0,
		}, {
			name: "If-Range with the ETag", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=0-2", "If-Range", etag},
			status: 206, fields: object(fields{"Content-Length": "3", "Content-Range": "bytes 0-2/36"}), content: "012", asked: 1, opened: 1,
		}, {
			name: "If-Range with another", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=0-2", "If-Range", `"x"`},
			status: 200, fields: object(nil), content: text, asked: 1, opened: 1,
			why: "the client has a different version, so it needs the whole (RFC 9110, section 13.1.5)",
		}, {
			name: "If-Range with the ETag made weak", method: "GET", path: "/docs/a.txt", send: []string{"Range", "bytes=0-2", "If-Range", "W/" + etag},
			status: 200, fields: object(nil), content: text, asked: 1, opened: 1,
			why: "compared strongly (RFC 9110, section 13.1.5)",
		}, {
			name: "missing", method: "GET", path: "/docs/b.txt",
			status: 404, fields: plain("14"), content: "404 Not Found\n", asked: 1, opened: 0,
		}, {
			name: "HEAD of a missing object", method: "HEAD", path: "/docs/b.txt",
			status: 404, fields: plain("14"), asked: 1, opened: 0,
		}, {
			name: "PUT", method: "PUT", path: "/docs/a.txt",
			status: 405, fields: fields{
				"Content-Type": "text/plain; charset=utf-8", "Content-Length": "23",
				"Allow": "GET, HEAD, OPTIONS", "X-Content-Type-Options": "nosniff",
			},
			content: "405 Method Not Allowed\n", asked: 1, opened: 0,
			why: "a 405 must have Allow (RFC 9110, section 15.5.6)",
		}, {
			name: "PUT of a missing object", method: "PUT", path: "/docs/b.txt",
			status: 404, fields: plain("14"), content: "404 Not Found\n", asked: 1, opened: 0,
			why: "the next resolver of a First may answer it",
		}, {
			name: "OPTIONS", method: "OPTIONS", path: "/docs/a.txt",
			status: 204, fields: fields{"Allow": "GET, HEAD, OPTIONS", "X-Content-Type-Options": "nosniff"}, asked: 1, opened: 0,
			why: "no Content-Length with 204 (RFC 9110, section 8.6)",
		}}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				reads, bucket := count(t, inner)
				s := serve(t, objects(bucket))
				resp := s.ask(t, tt.method, tt.path, tt.send...)
				content := contentOf(t, resp)
				s.stop()

				if resp.StatusCode != tt.status || content != tt.content {
					t.Errorf("%s %s %q = %d, content %q, want %d, %q\nwhy: %s", tt.method, tt.path, tt.send, resp.StatusCode, content, tt.status, tt.content, tt.why)
				}
				if diff := cmp.Diff(tt.fields, fieldsOf(resp, looked...)); diff != "" {
					t.Errorf("%s %s %q fields (-want +got):\n%s\nwhy: %s", tt.method, tt.path, tt.send, diff, tt.why)
				}
				if asked, opened, open := reads.asked.Load(), reads.opened.Load(), reads.open.Load(); asked != tt.asked || opened != tt.opened || open != 0 {
					t.Errorf("%s %s %q asked the store %d times and opened %d readers, %d still open, want %d, %d, 0\nwhy: %s",
						tt.method, tt.path, tt.send, asked, opened, open, tt.asked, tt.opened, tt.why)
				}
			})
		}
	})
}

// The metadata stored with an object is sent in the corresponding fields.
func TestObjectsStoredFields(t *testing.T) {
	onEachStore(t, func(t *testing.T, bucket *blob.Bucket) {
		put(t, bucket, "page", "\x1f\x8b...", &blob.WriterOptions{
			ContentType:        "text/html",
			ContentEncoding:    "gzip",
			ContentLanguage:    "de",
			ContentDisposition: `attachment; filename="seite.html"`,
			CacheControl:       "max-age=60",
		})
		resp := serve(t, objects(bucket)).ask(t, "GET", "/page")
		content := contentOf(t, resp)
		want := map[string]string{
			"Content-Type":        "text/html",
			"Content-Encoding":    "gzip",
			"Content-Language":    "de",
			"Content-Disposition": `attachment; filename="seite.html"`,
			"Cache-Control":       "max-age=60",
		}
		got := fieldsOf(resp, "Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("GET /page fields (-want +got):\n%s", diff)
		}
		if content != "\x1f\x8b..." {
			t.Errorf("GET /page content = %q, want it as stored", content)
		}
	})
}

// Several ranges become parts of multipart/byteranges, each read from its own offset
// (RFC 9110, section 14.6).
func TestObjectsSeveralRanges(t *testing.T) {
	const text = "0123456789abcdefghijklmnopqrstuvwxyz"
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "a.txt", text, &blob.WriterOptions{ContentType: "text/x-test"})
		reads, bucket := count(t, inner)
		s := serve(t, objects(bucket))
		resp := s.ask(t, "GET", "/a.txt", "Range", "bytes=20-22, 0-0, -3")
		mediaType, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if resp.StatusCode != 206 || mediaType != "multipart/byteranges" || err != nil {
			t.Fatalf("three ranges = %s, Content-Type %q, %v, want 206, multipart/byteranges", resp.Status, mediaType, err)
		}
		type part struct{ Type, Range, Content string }
		var got []part
		parts := multipart.NewReader(resp.Body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part{p.Header.Get("Content-Type"), p.Header.Get("Content-Range"), string(content)})
		}
		want := []part{
			{"text/x-test", "bytes 20-22/36", "klm"},
			{"text/x-test", "bytes 0-0/36", "0"},
			{"text/x-test", "bytes 33-35/36", "xyz"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parts (-want +got):\n%s", diff)
		}
		s.stop()
		if opened, open := reads.opened.Load(), reads.open.Load(); opened != 3 || open != 0 {
			t.Errorf("three ranges opened %d readers, %d still open, want 3, 0", opened, open)
		}
	})
}

// A large object is sent correctly, both whole and in ranges.
func TestObjectsLarge(t *testing.T) {
	const size = 1 << 20
	content := long(size)
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "large", content, nil)
		tests := []struct {
			name, field string
			status      int
			want        string
		}{
			{"whole", "", 200, content},
			{"second half", "bytes=524288-", 206, content[size/2:]},
			{"all but the ends", "bytes=1-1048574", 206, content[1 : size-1]},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				reads, bucket := count(t, inner)
				s := serve(t, objects(bucket))
				var fields []string
				if tt.field != "" {
					fields = []string{"Range", tt.field}
				}
				resp := s.ask(t, "GET", "/large", fields...)
				if got := contentOf(t, resp); resp.StatusCode != tt.status || got != tt.want {
					t.Errorf("GET /large with Range %q = %d, %d bytes, want %d, %d bytes; content as wanted: %t",
						tt.field, resp.StatusCode, len(got), tt.status, len(tt.want), got == tt.want)
				}
				s.stop()
				if opened, open := reads.opened.Load(), reads.open.Load(); opened != 1 || open != 0 {
					t.Errorf("GET /large with Range %q opened %d readers, %d still open, want 1, 0", tt.field, opened, open)
				}
			})
		}
	})
}

// If a client disconnects during the content, no reader remains open.
func TestObjectsClientDisconnects(t *testing.T) {
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "large", strings.Repeat("x", 16<<20), nil)
		reads, bucket := count(t, inner)
		s := serve(t, objects(bucket))
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: example.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if open := reads.open.Load(); open != 1 {
			t.Fatalf("%d readers are open during the content, want 1", open)
		}
		conn.Close()
		s.stop()
		if open := reads.open.Load(); open != 0 {
			t.Errorf("%d readers are open after the client disconnected, want 0", open)
		}
	})
}

// If the store fails, or the object changes, the response is an error or is cut.
func TestObjectsStoreFails(t *testing.T) {
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		content := long(1 << 20)

		replaced := func(t *testing.T, reads *counted, bucket *blob.Bucket) {
			s := serve(t, objects(bucket))
			resp := s.ask(t, "GET", "/a")
			if got := contentOf(t, resp); resp.StatusCode != 500 || got != "500 Internal Server Error\n" {
				t.Errorf("GET /a = %d, %q, want 500, since the fields do not describe the new content", resp.StatusCode, got)
			}
			s.stop()
			if open := reads.open.Load(); open != 0 {
				t.Errorf("%d readers are open, want 0", open)
			}
		}
		t.Run("object is replaced by a longer one before it is opened", func(t *testing.T) {
			put(t, inner, "a", "old content", nil)
			reads, bucket := count(t, inner)
			reads.beforeOpen = func() { put(t, inner, "a", "new content, longer", nil) }
			replaced(t, reads, bucket)
		})
		t.Run("object is replaced by one of its size before it is opened", func(t *testing.T) {
			put(t, inner, "a", "new content", nil)
			reads, bucket := count(t, inner)
			reads.older = time.Minute
			replaced(t, reads, bucket)
		})
		t.Run("object is removed before it is opened", func(t *testing.T) {
			put(t, inner, "b", "content", nil)
			reads, bucket := count(t, inner)
			reads.beforeOpen = func() {
				if err := inner.Delete(t.Context(), "b"); err != nil {
					t.Error(err)
				}
			}
			resp := serve(t, objects(bucket)).ask(t, "GET", "/b")
			if resp.StatusCode != 500 {
				t.Errorf("GET /b = %d, want 500", resp.StatusCode)
			}
		})
		t.Run("read fails in the middle", func(t *testing.T) {
			put(t, inner, "c", content, nil)
			reads, bucket := count(t, inner)
			reads.through = func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, 1<<19), failing{})
			}
			s := serve(t, objects(bucket))
			resp := s.ask(t, "GET", "/c")
			got, err := io.ReadAll(resp.Body)
			if !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != content[:len(got)] {
				t.Errorf("GET /c: %d bytes, %v, want io.ErrUnexpectedEOF, so that the client notices", len(got), err)
			}
			s.stop()
			if open := reads.open.Load(); open != 0 {
				t.Errorf("%d readers are open, want 0", open)
			}
		})
	})
}

// The status depends on the error of the store; the content reveals nothing about it.
func TestObjectsStoreErrors(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		status  int
		content string
	}{
		{"permission", gcerrors.ErrPermissionDenied, 403, "403 Forbidden\n"},
		{"deadline exceeded", context.DeadlineExceeded, 503, "503 Service Unavailable\n"},
		{"anything else", errors.New("dial 192.0.2.1: no route"), 500, "500 Internal Server Error\n"},
	}
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "a", "content", nil)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				reads, bucket := count(t, inner)
				reads.fail = tt.err
				resp := serve(t, objects(bucket)).ask(t, "GET", "/a")
				if got := contentOf(t, resp); resp.StatusCode != tt.status || got != tt.content {
					t.Errorf("GET /a with the error %q of the store = %d, %q, want %d, %q", tt.err, resp.StatusCode, got, tt.status, tt.content)
				}
			})
		}
	})
}

// Content follows the rules of io.Reader and io.Seeker, also at its end.
func TestContentReads(t *testing.T) {
	text := long(1000)
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "a", text, nil)
		reads, bucket := count(t, inner)
		attrs, err := bucket.Attributes(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		c := &content{ctx: t.Context(), bucket: bucket, key: "a", attrs: attrs}
		if err := iotest.TestReader(c, []byte(text)); err != nil {
			t.Error(err)
		}
		if _, err := c.Seek(0, io.SeekEnd); err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read at the end = %d, %v, want 0, io.EOF", n, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if opened, open := reads.opened.Load(), reads.open.Load(); opened == 0 || open != 0 {
			t.Errorf("%d readers were opened, %d are still open, want more than 0, 0", opened, open)
		}
	})
}

// failing is a reader that returns an error.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the store is unavailable") }
