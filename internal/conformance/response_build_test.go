package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

func TestBuilders(t *testing.T) {
	type built struct {
		Status int
		Fields [][2]string
		Wire   string
		Twice  bool // whether it may answer more than one request
	}
	const text = "text/plain; charset=utf-8"
	stream := func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "x")
		return err
	}
	file := func() *rawhttp.Response {
		f, err := fstest.MapFS{"a.txt": {Data: []byte("x")}}.Open("a.txt")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rawhttp.File(f)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const chunked = "Transfer-Encoding: chunked\r\n"
	tests := []struct {
		name string
		resp *rawhttp.Response
		want built
	}{
		{"OK", rawhttp.OK("a/b", []byte("x")), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Text", rawhttp.Text(201, "x"), built{201, [][2]string{{"Content-Type", text}}, length(1) + "\r\nx", true}},
		{"HTML", rawhttp.HTML(202, "x"), built{202, [][2]string{{"Content-Type", "text/html; charset=utf-8"}}, length(1) + "\r\nx", true}},
		{"Bytes", rawhttp.Bytes(203, "a/b", []byte("x")), built{203, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Empty", rawhttp.Empty(200), built{200, nil, length(0) + "\r\n", true}},
		{"Empty 204", rawhttp.Empty(204), built{204, nil, "\r\n", true}},
		{"NotFound", rawhttp.NotFound(), built{404, [][2]string{{"Content-Type", text}}, length(14) + "\r\n404 Not Found\n", true}},
		{"InternalServerError", rawhttp.InternalServerError(), built{500, [][2]string{{"Content-Type", text}}, length(26) + "\r\n500 Internal Server Error\n", true}},
		{"MethodNotAllowed", rawhttp.MethodNotAllowed("GET", "PUT"), built{405, [][2]string{{"Content-Type", text}, {"Allow", "GET, PUT"}}, length(23) + "\r\n405 Method Not Allowed\n", true}},
		{"Redirect", rawhttp.Redirect(303, "/a"), built{303, [][2]string{{"Content-Type", text}, {"Location", "/a"}}, length(14) + "\r\n303 See Other\n", true}},
		{"StreamFunc", rawhttp.StreamFunc(200, "a/b", stream), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", true}},
		{"Stream", rawhttp.Stream(200, "a/b", strings.NewReader("x")), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", false}},
		{"Content of an io.ReaderAt", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: strings.NewReader("x"), Size: 1}), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", true}},
		{"Content of another Reader", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: bytes.NewBufferString("x"), Size: 1}), built{200, [][2]string{{"Content-Type", "a/b"}}, length(1) + "\r\nx", false}},
		{"Content of unknown size", rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: bytes.NewBufferString("x"), Size: -1}), built{200, [][2]string{{"Content-Type", "a/b"}}, chunked + "\r\n1\r\nx\r\n0\r\n\r\n", false}},
		{"Content of nothing", rawhttp.Content(rawhttp.Representation{}), built{200, [][2]string{{"Content-Type", "application/octet-stream"}}, length(0) + "\r\n", true}},
		{"File", file(), built{200, [][2]string{{"Content-Type", text}}, length(1) + "\r\nx", false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.resp.Err(); err != nil {
				t.Fatal(err)
			}
			got := built{Status: tt.resp.Status()}
			for name, value := range tt.resp.Fields() {
				got.Fields = append(got.Fields, [2]string{name, value})
			}
			var first, second strings.Builder
			if _, err := tt.resp.WriteTo(&first); err != nil {
				t.Fatal(err)
			}
			_, err := tt.resp.WriteTo(&second)
			got.Twice = err == nil && first.String() == second.String()
			// The fields of Fields are compared above; the server adds the framing field.
			head, content, _ := strings.Cut(first.String(), "\r\n\r\n")
			for line := range strings.Lines(head + "\r\n") {
				if strings.HasPrefix(line, "Content-Length:") || strings.HasPrefix(line, "Transfer-Encoding:") {
					got.Wire += line
				}
			}
			got.Wire += "\r\n" + content
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			if err := tt.resp.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}
