// Package links has a resolver for links that work once. Its tests show how to test a resolver:
// comparing exact bytes without a connection, choosing the client's address, passing time
// without waiting, and talking to a server over a pipe.
package links

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"sync"
	"time"

	"example.com/rawhttp"
)

// Links answers POST with a new link to the content. GET returns the content once, within ten
// minutes. Only programs on the same machine may create links. The zero value is ready to use.
type Links struct {
	mu    sync.Mutex
	links map[string]link // by path
}

type link struct {
	content []byte
	expires time.Time
}

const (
	lifetime = 10 * time.Minute
	maxLinks = 1000
)

var errFull = errors.New("there are too many links")

// Resolve implements rawhttp.Resolver.
func (l *Links) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	if req.Path() == "/" {
		return l.create(req)
	}
	if req.Method() != "GET" { // not HEAD: it must not use up the link
		return rawhttp.MethodNotAllowed("GET", "OPTIONS"), nil
	}
	return l.use(req.Path())
}

func (l *Links) create(req *rawhttp.Request) (*rawhttp.Response, error) {
	if req.Method() != "POST" {
		return rawhttp.MethodNotAllowed("POST", "OPTIONS"), nil
	}
	if !req.Conn().Client.IsLoopback() {
		return nil, fs.ErrPermission
	}
	content, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	path := "/" + rand.Text()
	if err := l.add(path, content); err != nil {
		return nil, &rawhttp.StatusError{Status: 503, Err: err}
	}
	return rawhttp.Text(201, path+"\n").Set("Location", path), nil
}

func (l *Links) add(path string, content []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, link := range l.links {
		if !time.Now().Before(link.expires) {
			delete(l.links, path)
		}
	}
	if len(l.links) >= maxLinks {
		return errFull
	}
	if l.links == nil {
		l.links = make(map[string]link)
	}
	l.links[path] = link{content, time.Now().Add(lifetime)}
	return nil
}

func (l *Links) use(path string) (*rawhttp.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, ok := l.links[path]
	delete(l.links, path)
	if !ok || !time.Now().Before(link.expires) {
		return nil, fs.ErrNotExist
	}
	return rawhttp.OK("application/octet-stream", link.content).Set("Cache-Control", "no-store"), nil
}
