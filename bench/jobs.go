package main

// A kind determines how contenders are set up for a job, and how the response is
// checked. The programs in the folder servers have a case for each kind that they can do.
type kind string

const (
	hello       kind = "hello"       // fourteen bytes, without a file system
	connect     kind = "connect"     // the same, on a connection that then closes
	small       kind = "small"       // a file that other servers cache
	large       kind = "large"       // a file that is sent with sendfile
	part        kind = "part"        // a range of a file
	unchanged   kind = "unchanged"   // a file that the client has: 304 (Not Modified)
	sidecar     kind = "sidecar"     // a file that also exists compressed
	listing     kind = "listing"     // a folder, as HTML
	listingJSON kind = "listingJSON" // a folder, as JSON
	script      kind = "script"      // a CGI script
	scriptLast  kind = "scriptLast"  // a CGI script that is tried last, after a page of the program
	upload      kind = "upload"      // content of the request, which is read and counted
	proxy       kind = "proxy"       // a file of another server
	events      kind = "events"      // server-sent events, without end
	idle        kind = "idle"        // idle connections
	programs    kind = "programs"
)

// A job is a task in which contenders are compared.
type job struct {
	name      string
	title     string
	kind      kind
	path      string // path of the request, and of the file below the site
	fields    string // further field lines of the request
	status    int    // of the response; 0 means 200
	conns     int
	depth     int    // requests sent at once on a connection
	differ    bool   // requests sent at once have different queries, so that no head equals the previous one
	tls       bool   // over TLS; no session is resumed
	reconnect bool   // each request has a connection of its own
	size      int    // size of the file, or of the content of the request, in bytes
	chunked   bool   // the content of the request is chunked
	entries   int    // names in the folder, or next to the file
	own       bool   // use this program's client: a response takes too long for wrk
	times     int    // factor for the length of rounds; 0 means 1
	origin    string // address of the server behind a proxy; known once it runs
}

const greeting = "Hello, World!\n"

var allJobs = []job{
	{name: "hello", title: "Hello: 14 bytes, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 1, size: len(greeting)},
	{name: "hello-1", title: "Hello: 14 bytes, 1 connection", kind: hello, path: "/hello.txt", conns: 1, depth: 1, size: len(greeting)},
	{name: "hello-10k", title: "Hello: 14 bytes, 10,000 connections", kind: hello, path: "/hello.txt", conns: 10_000, depth: 1, size: len(greeting), times: 5},
	{name: "pipelined", title: "Hello, 16 requests at once, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 16, size: len(greeting)},
	{name: "pipelined-differ", title: "Hello, 16 different requests at once, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 16, differ: true, size: len(greeting)},
	{name: "connect", title: "Hello, a connection for each request, 64 at a time", kind: connect, path: "/hello.txt", conns: 64, depth: 1, reconnect: true, size: len(greeting)},
	{name: "file-96", title: "File of 96 bytes, 64 connections", kind: small, path: "/96.txt", conns: 64, depth: 1, size: 96},
	{name: "file-10k", title: "File of 10 KiB, 64 connections", kind: small, path: "/10k.txt", conns: 64, depth: 1, size: 10 << 10},
	{name: "file-deep", title: "File of 96 bytes four folders deep, 64 connections", kind: small, path: "/one/two/three/four/96.txt", conns: 64, depth: 1, size: 96},
	{name: "file-many", title: "File of 14 bytes among 100,000, 64 connections", kind: small, path: "/100000/" + entry(50_000), conns: 64, depth: 1, size: len(greeting), entries: 100_000},
	{name: "file-304", title: "File that has not changed (304), 64 connections", kind: unchanged, path: "/10k.txt", fields: ifModifiedSince, status: 304, conns: 64, depth: 1, size: 10 << 10},
	{name: "file-gzip", title: "File of 20 KiB with a .gz sidecar, 64 connections", kind: sidecar, path: "/digits.txt", fields: "Accept-Encoding: gzip\r\n", conns: 64, depth: 1, size: 20 << 10},
	{name: "file-range", title: "Range of 1 KiB in a file of 1 MB, 64 connections", kind: part, path: "/1m.bin", fields: rangeField, status: 206, conns: 64, depth: 1, size: 1e6},
	{name: "file-1m", title: "File of 1 MB, 64 connections", kind: large, path: "/1m.bin", conns: 64, depth: 1, size: 1e6},
	{name: "file-100m", title: "File of 100 MB, 4 connections", kind: large, path: "/100m.bin", conns: 4, depth: 1, size: 100e6, own: true},
	{name: "tls-hello", title: "TLS: hello, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 1, tls: true, size: len(greeting)},
	{name: "tls-connect", title: "TLS: hello, a connection with a full handshake for each request, 64 at a time", kind: connect, path: "/hello.txt", conns: 64, depth: 1, tls: true, reconnect: true, size: len(greeting)},
	{name: "tls-file-10k", title: "TLS: file of 10 KiB, 64 connections", kind: small, path: "/10k.txt", conns: 64, depth: 1, tls: true, size: 10 << 10},
	{name: "tls-file-1m", title: "TLS: file of 1 MB, 64 connections", kind: large, path: "/1m.bin", conns: 64, depth: 1, tls: true, size: 1e6},
	{name: "upload", title: "Upload of 1 MB, 16 connections", kind: upload, path: "/upload", conns: 16, depth: 1, size: 1e6},
	{name: "upload-chunked", title: "Upload of 1 MB in chunks of 32 KiB, 16 connections", kind: upload, path: "/upload", conns: 16, depth: 1, size: 1e6, chunked: true},
	{name: "listing-1k", title: "Listing of 1,000 files, 8 connections", kind: listing, path: "/1000/", conns: 8, depth: 1, entries: 1000},
	{name: "listing-json", title: "Listing of 1,000 files as JSON, 8 connections", kind: listingJSON, path: "/1000/", fields: "Accept: application/json\r\n", conns: 8, depth: 1, entries: 1000},
	{name: "listing-100k", title: "Listing of 100,000 files, 1 connection", kind: listing, path: "/100000/", conns: 1, depth: 1, entries: 100_000, own: true},
	{name: "script", title: "Script: a C program, 8 connections", kind: script, path: "/script.cgi", conns: 8, depth: 1, size: len(greeting)},
	{name: "script-last", title: "Script that is tried after a page of the program, 8 connections", kind: scriptLast, path: "/script.cgi", conns: 8, depth: 1, size: len(greeting)},
	{name: "proxy", title: "Reverse proxy: file of 10 KiB, 64 connections", kind: proxy, path: "/10k.txt", conns: 64, depth: 1, size: 10 << 10},
	{name: "events", title: "Server-sent events: 300 connections, 10 events per second on each", kind: events, path: "/events", conns: 300, depth: 1, own: true, times: 3},
	{name: "idle", title: "Idle connections", kind: idle, path: "/hello.txt", conns: 10_000, depth: 1, size: len(greeting)},
	{name: "programs", title: "Programs that serve a folder", kind: programs},
}
