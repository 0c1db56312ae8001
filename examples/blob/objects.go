package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"example.com/rawhttp"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// objects serves the objects of the bucket. The key is the path without its first
// slash, so keys that are not clean paths, such as "a//b", cannot be requested.
func objects(bucket *blob.Bucket) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		key := strings.TrimPrefix(req.Path(), "/")
		if key == "" {
			return nil, fs.ErrNotExist
		}
		attrs, err := bucket.Attributes(ctx, key)
		if err != nil {
			return nil, storeError(err)
		}
		if m := req.Method(); m != "GET" && m != "HEAD" {
			return nil, &rawhttp.StatusError{Status: 405, Allow: []string{"GET", "HEAD", "OPTIONS"}}
		}
		resp := rawhttp.Content(rawhttp.Representation{
			MediaType: attrs.ContentType,
			Body:      &content{ctx: ctx, bucket: bucket, key: key, attrs: attrs},
			Size:      attrs.Size,
			ModTime:   attrs.ModTime,
			ETag:      attrs.ETag,
		})
		return setFields(resp, attrs), nil
	})
}

// listed serves the objects of the bucket, and lists them. A bucket is an fs.FS, in
// which keys with a common prefix up to a slash form a folder. The fs.FS alone would
// serve the objects too, but without the types, entity tags and fields of the store.
func listed(bucket *blob.Bucket) (rawhttp.Resolver, error) {
	folders, err := rawhttp.FS(bucket, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithIndex(), rawhttp.WithDotFiles(true))
	if err != nil {
		return nil, err
	}
	return rawhttp.First(objects(bucket), folders), nil
}

// setFields sets the fields that were stored with the object.
func setFields(resp *rawhttp.Response, attrs *blob.Attributes) *rawhttp.Response {
	set := func(name, value string) {
		if value != "" {
			resp.Set(name, value)
		}
	}
	set("Cache-Control", attrs.CacheControl)
	set("Content-Disposition", attrs.ContentDisposition)
	set("Content-Encoding", attrs.ContentEncoding)
	set("Content-Language", attrs.ContentLanguage)
	set("X-Content-Type-Options", "nosniff")
	return resp
}

// storeError wraps an error of the store in one that rawhttp.StatusOf knows. It returns any
// other error unchanged, which is answered with 500.
func storeError(err error) error {
	code := gcerrors.Code(err)
	switch {
	case code == gcerrors.NotFound,
		code == gcerrors.InvalidArgument, // the key is not UTF-8
		errors.Is(err, syscall.ENOTDIR),  // of fileblob, which has no code for these two
		errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case code == gcerrors.PermissionDenied:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// content reads an object. It opens the object at the first Read, and again at the
// first Read after a Seek, so a response without content (to HEAD, or a 304) opens
// nothing. The Response closes it.
type content struct {
	ctx    context.Context
	bucket *blob.Bucket
	key    string
	attrs  *blob.Attributes // metadata that the client receives
	offset int64
	reader *blob.Reader // at offset; nil if not open
}

func (c *content) Read(p []byte) (int, error) {
	if c.offset >= c.attrs.Size {
		return 0, io.EOF
	}
	if c.reader == nil {
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	n, err := c.reader.Read(p)
	c.offset += int64(n)
	return n, err
}

// open opens the object at offset. It must still be the object in attrs; some stores
// report its time here only in seconds.
func (c *content) open() error {
	r, err := c.bucket.NewRangeReader(c.ctx, c.key, c.offset, -1, nil)
	if err != nil {
		return err
	}
	if r.Size() != c.attrs.Size || r.ModTime().Unix() != c.attrs.ModTime.Unix() {
		return errors.Join(fmt.Errorf("object %q was replaced", c.key), r.Close())
	}
	c.reader = r
	return nil
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.attrs.Size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	c.offset = offset
	return offset, c.Close()
}

func (c *content) Close() error {
	if c.reader == nil {
		return nil
	}
	r := c.reader
	c.reader = nil
	return r.Close()
}
