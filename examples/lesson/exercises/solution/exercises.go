// Package exercises is a solution of the exercises of the lesson.
package exercises

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log"
	"net/url"
	"path"
	"strings"
	"time"

	"example.com/rawhttp"
)

// ReadHead reads byte by byte, since a larger read could take some of the content.
func ReadHead(r io.Reader) (string, error) {
	var head []byte
	b := make([]byte, 1)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		if _, err := io.ReadFull(r, b); err == io.EOF {
			return string(head), io.ErrUnexpectedEOF
		} else if err != nil {
			return string(head), err
		}
		head = append(head, b...)
	}
	return string(head), nil
}

// ResponseOK counts bytes, as len does.
func ResponseOK(mediaType, content string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", mediaType, len(content), content)
}

// RequestLine splits at each space, so that a space too many makes a part too many.
func RequestLine(line string) (method, target, version string, ok bool) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return "", "", "", false
	}
	if parts[2] != "HTTP/1.0" && parts[2] != "HTTP/1.1" {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// Status asks errors.Is, which also finds an error that is wrapped.
func Status(err error) int {
	switch {
	case err == nil:
		return 200
	case errors.Is(err, fs.ErrNotExist):
		return 404
	case errors.Is(err, fs.ErrPermission):
		return 403
	}
	return 500
}

// Name judges each segment, before the path is cleaned.
func Name(p string) (string, error) {
	if !strings.HasPrefix(p, "/") {
		return "", fs.ErrNotExist
	}
	for _, segment := range strings.Split(p, "/") {
		if strings.HasPrefix(segment, ".") { // ".." is one of these
			return "", fs.ErrNotExist
		}
	}
	return path.Clean("." + p), nil
}

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".png":  "image/png",
}

// MediaType looks only at the last extension.
func MediaType(name string) string {
	if mediaType, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return mediaType
	}
	return "application/octet-stream"
}

// Item escapes the name for the URL in the link, and both for the page. The "./" keeps
// "16:9.png" from being read as a URL with the scheme 16.
func Item(name string) string {
	return fmt.Sprintf("<li><a href=\"./%s\">%s</a></li>\n", html.EscapeString(url.PathEscape(name)), html.EscapeString(name))
}

// Date puts the time into UTC first: Format writes the GMT of the layout as it stands.
func Date(t time.Time) string {
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// Guard recovers in a deferred function, which can still set what is returned.
func Guard(r rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (resp *rawhttp.Response, err error) {
		defer func() {
			if v := recover(); v != nil {
				log.Printf("panic: %v", v)
				resp, err = rawhttp.Text(500, "Something went wrong.\n"), nil
			}
		}()
		return r.Resolve(ctx, req)
	})
}

// Environment compares names as HTTP does, without regard to case.
func Environment(req *rawhttp.Request) []string {
	env := []string{"REQUEST_METHOD=" + req.Method(), "QUERY_STRING=" + req.RawQuery()}
	for name, value := range req.Header().All() {
		if strings.EqualFold(name, "Proxy") || strings.Contains(name, "_") {
			continue
		}
		name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		env = append(env, "HTTP_"+name+"="+value)
	}
	return env
}
