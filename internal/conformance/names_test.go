package conformance_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"example.com/rawhttp"
)

// These are the exported names and their signatures. If this file no longer compiles, a change
// breaks programs.
var (
	_ func([]byte) (*rawhttp.Request, []byte, error) = rawhttp.ParseRequest
	_ func([]byte) (*rawhttp.Request, []byte, error) = rawhttp.ParseRequestLenient
	_ func(*rawhttp.Request, []byte) ([]byte, error) = (*rawhttp.Request).Parse

	_ func(*rawhttp.Request) string = (*rawhttp.Request).Method
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Target
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Path
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Prefix
	_ func(*rawhttp.Request) string = (*rawhttp.Request).RawQuery
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Host
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Version

	_ func(*rawhttp.Request) url.Values               = (*rawhttp.Request).Query
	_ func(*rawhttp.Request) rawhttp.Header           = (*rawhttp.Request).Header
	_ func(*rawhttp.Request) rawhttp.Header           = (*rawhttp.Request).Trailer
	_ func(*rawhttp.Request) int64                    = (*rawhttp.Request).ContentLength
	_ func(*rawhttp.Request) rawhttp.ConnInfo         = (*rawhttp.Request).Conn
	_ func(*rawhttp.Request) []byte                   = (*rawhttp.Request).Head
	_ func(*rawhttp.Request) *rawhttp.Request         = (*rawhttp.Request).Clone
	_ func(*rawhttp.Request, string) *rawhttp.Request = (*rawhttp.Request).WithPath
	_ func(*rawhttp.Request, string) *rawhttp.Request = (*rawhttp.Request).WithUser

	_ func(*rawhttp.Request, func(int, ...string) error) *rawhttp.Request = (*rawhttp.Request).WithInform
	_ func(context.Context, <-chan struct{}) context.Context              = rawhttp.ContextWithStopping

	_ func(rawhttp.Header) int                        = rawhttp.Header.Len
	_ func(rawhttp.Header, string) string             = rawhttp.Header.Get
	_ func(rawhttp.Header, string) iter.Seq[string]   = rawhttp.Header.Values
	_ func(rawhttp.Header) iter.Seq2[string, string]  = rawhttp.Header.All
	_ func(h rawhttp.Header, name, token string) bool = rawhttp.Header.HasToken

	_ func(string, []byte) *rawhttp.Response      = rawhttp.OK
	_ func(int, string) *rawhttp.Response         = rawhttp.Text
	_ func(int, string) *rawhttp.Response         = rawhttp.HTML
	_ func(int, string, []byte) *rawhttp.Response = rawhttp.Bytes
	_ func(int) *rawhttp.Response                 = rawhttp.Empty
	_ func(int, string) *rawhttp.Response         = rawhttp.Redirect

	_ func() *rawhttp.Response          = rawhttp.NotFound
	_ func(...string) *rawhttp.Response = rawhttp.MethodNotAllowed
	_ func() *rawhttp.Response          = rawhttp.InternalServerError

	_ func(rawhttp.Representation) *rawhttp.Response = rawhttp.Content
	_ func(fs.File) (*rawhttp.Response, error)       = rawhttp.File
	_ func(int, string, io.Reader) *rawhttp.Response = rawhttp.Stream

	_ func(int, string, func(context.Context, io.Writer) error) *rawhttp.Response = rawhttp.StreamFunc

	_ func(r *rawhttp.Response, name, value string) *rawhttp.Response = (*rawhttp.Response).Set
	_ func(r *rawhttp.Response, name, value string) *rawhttp.Response = (*rawhttp.Response).Add

	_ func(*rawhttp.Response) *rawhttp.Response         = (*rawhttp.Response).Clone
	_ func(*rawhttp.Response) *rawhttp.Response         = (*rawhttp.Response).CloseAfter
	_ func(*rawhttp.Response) int                       = (*rawhttp.Response).Status
	_ func(*rawhttp.Response) iter.Seq2[string, string] = (*rawhttp.Response).Fields
	_ func(*rawhttp.Response) error                     = (*rawhttp.Response).Err
	_ func(*rawhttp.Response) error                     = (*rawhttp.Response).Close

	_ func(context.Context, io.Writer, *rawhttp.Request, *rawhttp.Response) (persist bool, err error) = rawhttp.WriteResponse

	_ func(...rawhttp.Resolver) rawhttp.Resolver      = rawhttp.First
	_ func(string, rawhttp.Resolver) rawhttp.Resolver = rawhttp.Mount

	_ func(string, ...rawhttp.FileOption) (*rawhttp.FileResolver, error) = rawhttp.Dir
	_ func(fs.FS, ...rawhttp.FileOption) (*rawhttp.FileResolver, error)  = rawhttp.FS

	_ func(*rawhttp.FileResolver) error = (*rawhttp.FileResolver).Close

	_ func(*rawhttp.FileResolver, context.Context, *rawhttp.Request) (*rawhttp.Response, error) = (*rawhttp.FileResolver).Resolve

	_ func(error) int = rawhttp.StatusOf

	_ func(...rawhttp.Option) (*rawhttp.Server, error) = rawhttp.New

	_ func(*rawhttp.Server, context.Context, net.Listener) error = (*rawhttp.Server).Serve
	_ func(*rawhttp.Server, context.Context, net.Conn) error     = (*rawhttp.Server).ServeConn
	_ func(*rawhttp.Server, context.Context, string) error       = (*rawhttp.Server).ListenAndServe
	_ func(*rawhttp.Server, context.Context) error               = (*rawhttp.Server).Shutdown
	_ func(*rawhttp.Server) error                                = (*rawhttp.Server).Close
	_ func(*rawhttp.Server) rawhttp.Stats                        = (*rawhttp.Server).Stats

	_ func(io.Writer, ...rawhttp.TranscriptOption) rawhttp.Trace = rawhttp.Transcript
	_ func(io.Writer) rawhttp.Trace                              = rawhttp.AccessLog

	_ func(string) rawhttp.Option           = rawhttp.WithRoot
	_ func(fs.FS) rawhttp.Option            = rawhttp.WithFS
	_ func(rawhttp.Resolver) rawhttp.Option = rawhttp.WithResolver

	_ func(bool) rawhttp.Option   = rawhttp.WithDate
	_ func(bool) rawhttp.Option   = rawhttp.WithContentLength
	_ func(string) rawhttp.Option = rawhttp.WithServerField

	_ func(time.Duration) rawhttp.Option = rawhttp.WithReadHeaderTimeout
	_ func(time.Duration) rawhttp.Option = rawhttp.WithIdleTimeout
	_ func(time.Duration) rawhttp.Option = rawhttp.WithStallTimeout
	_ func(time.Duration) rawhttp.Option = rawhttp.WithDrainTimeout

	_ func(int) rawhttp.Option   = rawhttp.WithMaxHeaderBytes
	_ func(int) rawhttp.Option   = rawhttp.WithMaxFields
	_ func(int64) rawhttp.Option = rawhttp.WithMaxBodyBytes
	_ func(int) rawhttp.Option   = rawhttp.WithMaxConns

	_ func(...string) rawhttp.Option       = rawhttp.WithHosts
	_ func(...netip.Prefix) rawhttp.Option = rawhttp.WithTrustedProxies
	_ func(rawhttp.Logger) rawhttp.Option  = rawhttp.WithLogger
	_ func(rawhttp.Trace) rawhttp.Option   = rawhttp.WithTrace
	_ func() rawhttp.Option                = rawhttp.WithLenientParsing

	_ func(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response) rawhttp.Option = rawhttp.WithErrorPage

	_ func(rawhttp.Listing) rawhttp.FileOption       = rawhttp.WithListing
	_ func(int) rawhttp.FileOption                   = rawhttp.WithMaxListing
	_ func(...string) rawhttp.FileOption             = rawhttp.WithIndex
	_ func(bool) rawhttp.FileOption                  = rawhttp.WithDotFiles
	_ func(ext, mediaType string) rawhttp.FileOption = rawhttp.WithMediaType
	_ func(string, ...string) rawhttp.FileOption     = rawhttp.WithCacheControl
	_ func(...string) rawhttp.FileOption             = rawhttp.WithPrecompressed
)

// The interfaces that exported types implement.
var (
	_ rawhttp.Resolver = rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, nil })
	_ rawhttp.Resolver = (*rawhttp.FileResolver)(nil)
	_ rawhttp.Option   = rawhttp.FileOption(nil)
	_ rawhttp.Logger   = (*slog.Logger)(nil)
	_ io.WriterTo      = (*rawhttp.Response)(nil)
	_ io.Closer        = (*rawhttp.Response)(nil)
	_ fmt.Stringer     = rawhttp.ConnState(0)
	_ fmt.Stringer     = rawhttp.Listing(0)
	_ io.Reader        = (&rawhttp.Request{}).Body

	_ interface {
		error
		StatusCode() int
	} = (*rawhttp.ParseError)(nil)
	_ interface {
		error
		StatusCode() int
		Unwrap() error
		Is(error) bool
	} = (*rawhttp.StatusError)(nil)

	_ = []error{rawhttp.ErrIncomplete, rawhttp.ErrServerClosed}
	_ = []rawhttp.Listing{rawhttp.ListNone, rawhttp.ListText, rawhttp.ListHTML}
	_ = []rawhttp.ConnState{
		rawhttp.StateIdle, rawhttp.StateHead, rawhttp.StateResolve, rawhttp.StateWrite,
		rawhttp.StateDrain, rawhttp.StateLinger, rawhttp.StateClosed,
	}
	_ = rawhttp.ParseError{Status: 0, Offset: 0, Reason: "", Section: ""}
	_ = rawhttp.StatusError{Status: 0, Allow: []string(nil), Err: error(nil)}
	_ = rawhttp.Representation{MediaType: "", Body: io.Reader(nil), Size: int64(0), ModTime: time.Time{}, ETag: ""}
	_ = rawhttp.ConnInfo{
		ID: uint64(0), Request: uint64(0), LocalAddr: net.Addr(nil), RemoteAddr: net.Addr(nil),
		Client: netip.Addr{}, TLS: false, NetConn: net.Conn(nil),
	}
	_ = rawhttp.Stats{
		ConnsOpen: uint64(0), ConnsIdle: uint64(0), Conns: uint64(0), Requests: uint64(0),
		BytesRead: uint64(0), BytesWritten: uint64(0), Refused: uint64(0),
	}
	_ = rawhttp.Trace{
		ConnOpen:     func(conn uint64, c net.Conn) {},
		ConnState:    func(conn uint64, s rawhttp.ConnState) {},
		BytesRead:    func(conn, req uint64, b []byte) {},
		BytesWritten: func(conn, req uint64, b []byte) {},
		Exchange:     func(rawhttp.Exchange) {},
		ConnClose:    func(conn uint64, err error) {},
	}
	_ = rawhttp.Exchange{
		Conn: uint64(0), Num: uint64(0), Client: "", Request: (*rawhttp.Request)(nil), Status: 0,
		Bytes: int64(0), Start: time.Time{}, Duration: time.Duration(0), Err: error(nil),
	}
)
