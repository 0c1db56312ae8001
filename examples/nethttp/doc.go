// Package nethttp is a bridge between rawhttp and net/http, for programs that move from one to
// the other, or use handlers, routers and middleware of both. It may be copied.
//
//	srv, err := rawhttp.New(rawhttp.WithResolver(nethttp.Resolver(mux)))  // an http.Handler behind rawhttp
//	http.Handle("/files/", nethttp.Handler(files))                        // a rawhttp.Resolver behind net/http
//
// Both directions stream the content of requests and responses, and keep lengths, trailer
// fields, cookies, conditions, ranges, statuses, contexts, flushes, 100 (Continue), upgrades
// such as WebSocket, and aborted responses.
//
// # What a handler loses behind rawhttp
//
//   - late trailer: a trailer field whose name is first known after the head, by
//     http.TrailerPrefix, is not sent. Announce it with the field Trailer.
//   - deadlines: the deadlines of http.ResponseController are http.ErrNotSupported, other than
//     the zero time. The limits of the rawhttp.Server apply.
//   - hijack: only for requests that ask for another protocol, and only after a 101.
//   - sendfile: a file is copied through memory.
//   - server's fields: Date, Content-Length of a 304 and options of Connection other than close
//     are those of rawhttp.
//   - statuses: 600 to 999 are answered with 500; a 205 has no content.
//   - invalid fields: a field whose name or value is not valid is answered with 500. net/http
//     leaves it out, or sends it.
//   - http.Server: the one in http.ServerContextKey is empty.
//   - clean path: URL.Path has no dot segments and no empty segments, so that ServeMux does not
//     redirect; RequestURI is as received.
//   - HEAD: when a handler flushes the response to HEAD, its context ends.
//   - panic: it is answered with 500 if the response has not begun.
//   - own methods: rawhttp answers CONNECT, TRACE and OPTIONS *, and answers OPTIONS with 204
//     if the handler answers it with 405.
//
// # What a resolver loses behind net/http
//
//   - bytes of the head: Request.Head is made from the fields. They are in the order of
//     their names, which have the case of net/http.
//   - connection: ConnInfo has no numbers and no NetConn, and Client is the peer, as options of
//     rawhttp.New, such as WithTrustedProxies, WithErrorPage and WithTrace, do not apply.
//   - Stopping: the channel is nil.
//   - Inform: nothing is sent, and the error wraps errors.ErrUnsupported.
//   - HTTP/2: it looks like HTTP/1.1. It has no Upgrade.
//   - target: if a handler in front has changed the path or the query, Request.Target is made
//     from both, but for a prefix that http.StripPrefix has removed; that becomes Request.Prefix.
//   - limits: those of the content are up to http.MaxBytesHandler. Those of the head are the
//     defaults of rawhttp.ParseRequest, and so is its strictness.
//   - panic: it closes the connection, as it does in net/http.
//   - abort: rawhttp.ErrAbort closes the connection without a reset.
//   - own methods: an http.Server answers OPTIONS * itself.
package nethttp
