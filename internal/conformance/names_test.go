package conformance_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// These are the exported names with their types. If this file no longer compiles, a change breaks
// programs. TestNamesAreComplete fails if a name is missing here.
var (
	_ func([]byte) (*rawhttp.Request, []byte, error) = rawhttp.ParseRequest
	_ func([]byte) (*rawhttp.Request, []byte, error) = rawhttp.ParseRequestLenient
	_ func(*rawhttp.Request, []byte) ([]byte, error) = (*rawhttp.Request).Parse

	_ func([]byte, string) (resp *rawhttp.Response, rest []byte, err error) = rawhttp.ParseResponse

	_ func(*rawhttp.Request) string = (*rawhttp.Request).Method
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Target
	_ func(*rawhttp.Request) string = (*rawhttp.Request).Path
	_ func(*rawhttp.Request) string = (*rawhttp.Request).EscapedPath
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

	_ func(*rawhttp.Request, rawhttp.ConnInfo) *rawhttp.Request           = (*rawhttp.Request).WithConn
	_ func(*rawhttp.Request, []byte, io.Reader) io.Reader                 = (*rawhttp.Request).Content
	_ func(r *rawhttp.Request, status int, fields ...string) error        = (*rawhttp.Request).Inform
	_ func(*rawhttp.Request, func(int, ...string) error) *rawhttp.Request = (*rawhttp.Request).WithInform
	_ func(context.Context, <-chan struct{}) context.Context              = rawhttp.ContextWithStopping
	_ func(context.Context) <-chan struct{}                               = rawhttp.Stopping

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
	_ func(string, func(context.Context, net.Conn) error) *rawhttp.Response       = rawhttp.Upgrade
	_ func(error) *rawhttp.Response                                               = rawhttp.ErrorResponse
	_ func(*rawhttp.Request, ...string) string                                    = rawhttp.Accepts
	_ func(rawhttp.Representation, *rawhttp.Request) *rawhttp.Response            = rawhttp.Representation.Precondition

	_ func(r *rawhttp.Response, name, value string) *rawhttp.Response = (*rawhttp.Response).Set
	_ func(r *rawhttp.Response, name, value string) *rawhttp.Response = (*rawhttp.Response).Add

	_ func(*rawhttp.Response) *rawhttp.Response         = (*rawhttp.Response).Clone
	_ func(*rawhttp.Response) *rawhttp.Response         = (*rawhttp.Response).CloseAfter
	_ func(*rawhttp.Response) int                       = (*rawhttp.Response).Status
	_ func(*rawhttp.Response) iter.Seq2[string, string] = (*rawhttp.Response).Fields
	_ func(*rawhttp.Response) error                     = (*rawhttp.Response).Err
	_ func(*rawhttp.Response) error                     = (*rawhttp.Response).Close

	_ func(*rawhttp.Response, int64) *rawhttp.Response                                = (*rawhttp.Response).SetLength
	_ func(*rawhttp.Response, string, func() string) *rawhttp.Response                = (*rawhttp.Response).SetTrailer
	_ func(*rawhttp.Response, func()) *rawhttp.Response                               = (*rawhttp.Response).OnClose
	_ func(*rawhttp.Response, io.Writer) (int64, error)                               = (*rawhttp.Response).WriteTo
	_ func(*rawhttp.Response, context.Context, io.Writer) (int64, error)              = (*rawhttp.Response).WriteContent
	_ func(*rawhttp.Response, *rawhttp.Request, string, encodeFunc) *rawhttp.Response = (*rawhttp.Response).Encode

	_ func(context.Context, io.Writer, *rawhttp.Request, *rawhttp.Response) (persist bool, err error) = rawhttp.WriteResponse

	_ func(...rawhttp.Resolver) rawhttp.Resolver      = rawhttp.First
	_ func(string, rawhttp.Resolver) rawhttp.Resolver = rawhttp.Mount
	_ func(int64, rawhttp.Resolver) rawhttp.Resolver  = rawhttp.LimitBody
	_ func(r rawhttp.Resolver, request string) string = rawhttp.Answer

	_ func(map[string]rawhttp.Resolver) rawhttp.Resolver = rawhttp.Methods

	_ func(rawhttp.ResolverFunc, context.Context, *rawhttp.Request) (*rawhttp.Response, error) = rawhttp.ResolverFunc.Resolve

	_ func(string, ...rawhttp.FileOption) (*rawhttp.FileResolver, error) = rawhttp.Dir
	_ func(fs.FS, ...rawhttp.FileOption) (*rawhttp.FileResolver, error)  = rawhttp.FS

	_ func(*rawhttp.FileResolver) error = (*rawhttp.FileResolver).Close

	_ func(*rawhttp.FileResolver, context.Context, *rawhttp.Request) (*rawhttp.Response, error) = (*rawhttp.FileResolver).Resolve

	_ func(error) int = rawhttp.StatusOf

	_ func(*rawhttp.ParseError) string       = (*rawhttp.ParseError).Error
	_ func(*rawhttp.ParseError) int          = (*rawhttp.ParseError).StatusCode
	_ func(*rawhttp.StatusError) string      = (*rawhttp.StatusError).Error
	_ func(*rawhttp.StatusError) int         = (*rawhttp.StatusError).StatusCode
	_ func(*rawhttp.StatusError) error       = (*rawhttp.StatusError).Unwrap
	_ func(*rawhttp.StatusError, error) bool = (*rawhttp.StatusError).Is

	_ func(rawhttp.Listing) string      = rawhttp.Listing.String
	_ func(rawhttp.ScriptOutput) string = rawhttp.ScriptOutput.String
	_ func(rawhttp.ConnState) string    = rawhttp.ConnState.String
	_ func(rawhttp.EndReason) string    = rawhttp.EndReason.String

	_ func(...rawhttp.Option) (*rawhttp.Server, error) = rawhttp.New

	_ func(*rawhttp.Server, context.Context, net.Listener) error = (*rawhttp.Server).Serve
	_ func(*rawhttp.Server, context.Context, net.Conn) error     = (*rawhttp.Server).ServeConn
	_ func(*rawhttp.Server, context.Context, string) error       = (*rawhttp.Server).ListenAndServe
	_ func(*rawhttp.Server, context.Context) error               = (*rawhttp.Server).Shutdown
	_ func(*rawhttp.Server) error                                = (*rawhttp.Server).Close
	_ func(*rawhttp.Server) rawhttp.Stats                        = (*rawhttp.Server).Stats

	_ func(io.Writer, ...rawhttp.TranscriptOption) rawhttp.Trace = rawhttp.Transcript
	_ func(io.Writer) rawhttp.Trace                              = rawhttp.AccessLog

	_ func(int) rawhttp.TranscriptOption                         = rawhttp.TranscriptContent
	_ func(bool) rawhttp.TranscriptOption                        = rawhttp.TranscriptColor
	_ func(func(string, []byte) []byte) rawhttp.TranscriptOption = rawhttp.TranscriptDecoder

	_ func(string) rawhttp.Option           = rawhttp.WithRoot
	_ func(fs.FS) rawhttp.Option            = rawhttp.WithFS
	_ func(rawhttp.Resolver) rawhttp.Option = rawhttp.WithResolver

	_ func(bool) rawhttp.Option   = rawhttp.WithDate
	_ func(bool) rawhttp.Option   = rawhttp.WithContentLength
	_ func(bool) rawhttp.Option   = rawhttp.WithHalfClose
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

	_ func(ext string, interpreter ...string) rawhttp.FileOption = rawhttp.WithScript
	_ func(rawhttp.ScriptOutput) rawhttp.FileOption              = rawhttp.WithScriptOutput
	_ func(bool) rawhttp.FileOption                              = rawhttp.WithScriptPathInfo
	_ func(...string) rawhttp.FileOption                         = rawhttp.WithScriptMethods
	_ func(time.Duration) rawhttp.FileOption                     = rawhttp.WithScriptTimeout
	_ func(int) rawhttp.FileOption                               = rawhttp.WithMaxScripts
	_ func(...string) rawhttp.FileOption                         = rawhttp.WithScriptEnv
)

// An encodeFunc is the type of the last argument of Encode.
type encodeFunc = func(io.Writer) io.WriteCloser

// The interfaces that exported types implement, and the exported variables, constants and fields.
var (
	_ rawhttp.Resolver = rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, nil })
	_ rawhttp.Resolver = (*rawhttp.FileResolver)(nil)
	_ rawhttp.Option   = rawhttp.FileOption(nil)
	_ rawhttp.Logger   = (*slog.Logger)(nil)
	_ io.WriterTo      = (*rawhttp.Response)(nil)
	_ io.Closer        = (*rawhttp.Response)(nil)
	_ io.Reader        = (&rawhttp.Request{}).Body

	_ error = (*rawhttp.ParseError)(nil)
	_ error = (*rawhttp.StatusError)(nil)

	_ = []error{rawhttp.ErrIncomplete, rawhttp.ErrServerClosed, rawhttp.ErrAbort}
	_ = []rawhttp.Listing{rawhttp.ListNone, rawhttp.ListText, rawhttp.ListHTML}
	_ = []rawhttp.ScriptOutput{rawhttp.ScriptAuto, rawhttp.ScriptCGI, rawhttp.ScriptPlain}
	_ = []rawhttp.EndReason{
		rawhttp.EndByClient, rawhttp.EndIdle, rawhttp.EndAnswered, rawhttp.EndEvicted, rawhttp.EndStopped, rawhttp.EndFailed,
	}
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
		ConnEnd:      func(conn uint64, why rawhttp.EndReason, err error) {},
		Refused:      func(rawhttp.Refusal) {},
	}
	_ = rawhttp.Exchange{
		Conn: uint64(0), Num: uint64(0), Client: "", Request: (*rawhttp.Request)(nil), RequestLine: "", Status: 0,
		Bytes: int64(0), Start: time.Time{}, Duration: time.Duration(0), Err: error(nil),
	}
	_ = rawhttp.Refusal{Conn: uint64(0), Num: uint64(0), Head: []byte(nil), Status: 0, Err: error(nil)}
)

// Every exported name of the package is in this file: functions, methods, types, variables,
// constants, and the fields of structs.
func TestNamesAreComplete(t *testing.T) {
	t.Parallel()
	here, err := os.ReadFile("internal/conformance/names_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	check := func(pattern string) {
		checked++
		if !regexp.MustCompile(pattern).Match(here) {
			t.Errorf("nothing in this file matches %s", pattern)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			for _, pattern := range exportedPatterns(decl) {
				check(pattern)
			}
		}
	}
	if checked < 200 {
		t.Errorf("the package has only %d exported names, want more", checked)
	}
}

// exportedPatterns returns a pattern for each exported name of a declaration.
func exportedPatterns(decl ast.Decl) (patterns []string) {
	add := func(format string, name *ast.Ident) {
		if name.IsExported() {
			patterns = append(patterns, fmt.Sprintf(format, name.Name))
		}
	}
	if f, ok := decl.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			add(`\brawhttp\.%s\b`, f.Name)
			return patterns
		}
		receiver := f.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		if of := receiver.(*ast.Ident); of.IsExported() {
			add(`\brawhttp\.`+of.Name+`\)?\.%s\b`, f.Name)
		}
		return patterns
	}
	for _, spec := range decl.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				add(`\brawhttp\.%s\b`, name)
			}
		case *ast.TypeSpec:
			add(`\brawhttp\.%s\b`, spec.Name)
			if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						add(`\b%s:`, name)
					}
				}
			}
		}
	}
	return patterns
}
