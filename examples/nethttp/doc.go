// Package nethttp is a bridge between rawhttp and net/http, for programs that move from one to
// the other, or use handlers, routers and middleware of both. You may import or copy it.
//
//	srv, err := rawhttp.New(rawhttp.WithResolver(nethttp.Resolver(mux)))  // an http.Handler behind rawhttp
//	http.Handle("/files/", nethttp.Handler(files))                        // a rawhttp.Resolver behind net/http
//
// Both directions stream the content of requests and responses, and keep lengths, trailer
// fields, cookies, conditions, ranges, statuses, contexts, flushes, 1xx responses, upgrades such
// as WebSocket, and aborted responses.
//
// # What a handler loses behind rawhttp
//
//   - late trailer: a trailer field that is set after the head, with http.TrailerPrefix, is not
//     sent, since the head of rawhttp names the fields that follow (RFC 9110, section 6.6.2).
//     Announce it with the field Trailer.
//   - deadlines: setting a deadline with http.ResponseController returns
//     http.ErrNotSupported, unless it is the zero time. The limits of the rawhttp.Server apply.
//   - hijack: works only for requests that ask for another protocol, and only after a 101.
//   - sendfile: a file is copied through memory.
//   - server's fields: Date, Content-Length of a 304 and options of Connection other than close
//     are those of rawhttp.
//   - statuses: 600 to 999 are answered with 500; a 205 has no content.
//   - invalid fields: a field whose name or value is not valid is answered with 500. net/http
//     leaves it out, or sends it.
//   - http.Server: the value of http.ServerContextKey is an empty Server.
//   - clean path: URL.Path has no dot segments and no empty segments, so that ServeMux does not
//     redirect; RequestURI is as received.
//   - HEAD: when a handler flushes the response to HEAD, its context ends.
//   - panic: it is answered with 500 if the response has not begun.
//   - own methods: rawhttp itself answers CONNECT, TRACE and OPTIONS *, and answers OPTIONS
//     with 204 if the handler answers it with 405.
//
// # What a resolver loses behind net/http
//
//   - bytes of the head: Request.Head is made from the fields. They are in the order of
//     their names, which have the case of net/http.
//   - connection: ConnInfo has no numbers and no NetConn, and Client is the address of the
//     peer, since options of rawhttp.New, such as WithTrustedProxies, WithErrorPage and
//     WithTrace, do not apply.
//   - Stopping: only Shutdown of the http.Server closes the channel. Close does not, nor does
//     a Shutdown that began before the first request of that server to the Handler.
//   - HTTP/2: a request over HTTP/2 looks like HTTP/1.1, and Upgrade does not work.
//   - target: if a handler in front has changed the path or the query, Request.Target is made
//     from both. A prefix that http.StripPrefix has removed becomes Request.Prefix instead.
//   - limits: only http.MaxBytesHandler limits the content. The head has the default limits of
//     rawhttp.ParseRequest, and is parsed as strictly.
//   - panic: it closes the connection, as it does in net/http.
//   - abort: rawhttp.ErrAbort closes the connection without a reset.
//   - own methods: an http.Server answers OPTIONS * itself.
package nethttp
