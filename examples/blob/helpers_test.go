package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/rawhttp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// onEachStore runs f with an empty bucket of each kind.
func onEachStore(t *testing.T, f func(t *testing.T, bucket *blob.Bucket)) {
	t.Helper()
	stores := []struct {
		name string
		open func() (*blob.Bucket, error)
	}{
		{"memblob", func() (*blob.Bucket, error) { return memblob.OpenBucket(nil), nil }},
		{"fileblob", func() (*blob.Bucket, error) {
			return fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true})
		}},
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			bucket, err := store.open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { bucket.Close() })
			f(t, bucket)
		})
	}
}

// put stores an object.
func put(t *testing.T, bucket *blob.Bucket, key, value string, opts *blob.WriterOptions) {
	t.Helper()
	if err := bucket.WriteAll(t.Context(), key, []byte(value), opts); err != nil {
		t.Fatalf("store %q: %v", key, err)
	}
}

// validators returns the entity tag and the modification time of an object in the store.
func validators(t *testing.T, bucket *blob.Bucket, key string) (etag string, mod time.Time) {
	t.Helper()
	attrs, err := bucket.Attributes(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return attrs.ETag, attrs.ModTime
}

// A counted is a bucket that counts the calls to another.
type counted struct {
	driver.Bucket // nil: no other methods are called
	inner         *blob.Bucket

	asked        atomic.Int64 // calls of Attributes
	opened, open atomic.Int64 // readers

	fail       error                     // the error of Attributes; nil means that of the object
	older      time.Duration             // subtracted from the modification time by Attributes
	beforeOpen func()                    // called before an object is opened; may be nil
	through    func(io.Reader) io.Reader // wraps readers; may be nil
}

// count returns a counted bucket over inner, and the Bucket that uses it.
func count(t *testing.T, inner *blob.Bucket) (*counted, *blob.Bucket) {
	t.Helper()
	c := &counted{inner: inner}
	bucket := blob.NewBucket(c)
	t.Cleanup(func() { bucket.Close() })
	return c, bucket
}

func (c *counted) Close() error { return nil }

func (c *counted) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, gcerrors.ErrPermissionDenied) {
		return gcerrors.PermissionDenied
	}
	return gcerrors.Code(err)
}

func (c *counted) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	c.asked.Add(1)
	if c.fail != nil {
		return nil, c.fail
	}
	a, err := c.inner.Attributes(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{
		CacheControl:       a.CacheControl,
		ContentDisposition: a.ContentDisposition,
		ContentEncoding:    a.ContentEncoding,
		ContentLanguage:    a.ContentLanguage,
		ContentType:        a.ContentType,
		ModTime:            a.ModTime.Add(-c.older),
		Size:               a.Size,
		ETag:               a.ETag,
	}, nil
}

func (c *counted) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	token := opts.PageToken
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	objects, next, err := c.inner.ListPage(ctx, token, 1000, &blob.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter})
	page := &driver.ListPage{NextPageToken: next}
	for _, o := range objects {
		page.Objects = append(page.Objects, &driver.ListObject{Key: o.Key, ModTime: o.ModTime, Size: o.Size, IsDir: o.IsDir})
	}
	return page, err
}

func (c *counted) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if c.beforeOpen != nil {
		c.beforeOpen()
	}
	r, err := c.inner.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, err
	}
	if offset > 0 && offset >= r.Size() {
		return nil, errors.Join(errors.New("range after the end, which S3 rejects"), r.Close())
	}
	c.opened.Add(1)
	c.open.Add(1)
	counting := &countedReader{blob: r, r: r, open: &c.open}
	if c.through != nil {
		counting.r = c.through(r)
	}
	return counting, nil
}

type countedReader struct {
	blob *blob.Reader
	r    io.Reader
	open *atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) { return r.r.Read(p) }
func (r *countedReader) As(any) bool                { return false }

func (r *countedReader) Close() error {
	r.open.Add(-1)
	return r.blob.Close()
}

func (r *countedReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.blob.ContentType(), ModTime: r.blob.ModTime(), Size: r.blob.Size()}
}

// A server serves on a port of 127.0.0.1.
type server struct {
	addr   string
	client *http.Client
	stop   func() // stops it, and returns when all responses are closed; may be called twice
}

func serve(t *testing.T, resolver rawhttp.Resolver) *server {
	t.Helper()
	srv, err := rawhttp.New(rawhttp.WithResolver(resolver))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(ctx, ln); err != nil {
			t.Errorf("Serve = %v, want nil after its context has ended", err)
		}
	}()
	transport := &http.Transport{DisableCompression: true}
	s := &server{
		addr: ln.Addr().String(),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		stop: func() {
			transport.CloseIdleConnections()
			cancel()
			<-served
		},
	}
	t.Cleanup(s.stop)
	return s
}

// ask sends a request. fields are pairs of name and value; pairs with an
// empty name are ignored.
func (s *server) ask(t *testing.T, method, path string, fields ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] != "" {
			req.Header.Add(fields[i], fields[i+1])
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// contentOf reads the content of a response.
func contentOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: content: %v", resp.Request.Method, resp.Request.URL, err)
	}
	return string(b)
}

// fieldsOf returns the named fields, as far as the response has them.
func fieldsOf(resp *http.Response, names ...string) map[string]string {
	fields := make(map[string]string)
	for _, name := range names {
		if values := resp.Header.Values(name); len(values) > 0 {
			fields[name] = strings.Join(values, " | ")
		}
	}
	return fields
}

// long returns n bytes without long repetitions.
func long(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b.WriteByte(byte(x))
	}
	return b.String()
}
