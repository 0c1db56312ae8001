package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/coding"
)

// serve serves the folder until it is stopped.
func serve(when stop, set settings, stdout, stderr io.Writer) error {
	files, err := rawhttp.Dir(set.root, set.files...)
	if err != nil {
		return rootError(set.root, err)
	}
	var busy progress
	srv, err := rawhttp.New(append(set.serverOptions(files, stderr), rawhttp.WithTrace(busy.trace()))...)
	if err != nil {
		files.Close()
		return err
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", set.addr)
	if err != nil {
		files.Close()
		return listenError(err, set.addr)
	}
	for _, w := range set.warnings {
		fmt.Fprintf(stderr, "rawhttp: warning: %s\n", w)
	}
	announce(stdout, set, ln.Addr()) // after Listen, since other programs wait for this line
	defer context.AfterFunc(when.graceful, func() { reportStopping(&busy, srv, stderr) })()
	served := make(chan error, 1)
	go func() {
		err := srv.Serve(when.graceful, ln)
		files.Close() // ends what scripts have left running
		served <- err
	}()
	select {
	case err := <-served:
		return err
	case <-when.atOnce.Done():
	}
	srv.Close()
	go files.Close() // also if Serve never returns
	select {
	case <-served: // its error does not matter, since it was asked to stop
	case <-time.After(maxStopTime):
	}
	return nil
}

// maxStopTime is how long a stop at once may take: longer than scripts need to end. Without it,
// Serve and files.Close would wait forever for a line of the log to be written if nobody reads the
// log.
var maxStopTime = 2 * time.Second

// serverOptions returns the options of the server. Of the resolvers that wrap one another, the
// last is the first to see a request: a host that is refused is not asked for a password, and the
// fields are added to all responses.
func (set *settings) serverOptions(files rawhttp.Resolver, stderr io.Writer) []rawhttp.Option {
	resolver := files
	if set.spa {
		resolver = singlePage("/index.html", resolver)
	}
	if set.users != nil {
		resolver = authenticated(set.users, resolver)
	}
	if isServed := set.servedHosts(); isServed != nil {
		resolver = onlyHosts(isServed, hostRefusals(stderr), resolver)
	}
	if len(set.fields) > 0 {
		resolver = withFields(set.fields, resolver)
	}
	opts := append(set.options, rawhttp.WithResolver(resolver), rawhttp.WithLogger(&logger{w: stderr}))
	if set.trace { // before the log, which would separate a line and its mark
		lines := 20
		if set.full {
			lines = -1
		}
		shown := []rawhttp.TranscriptOption{rawhttp.TranscriptContent(lines), rawhttp.TranscriptColor(set.color.on(stderr))}
		if set.decoded {
			shown = append(shown, rawhttp.TranscriptDecoder(coding.Decode))
		}
		opts = append(opts, rawhttp.WithTrace(rawhttp.Transcript(stderr, shown...)))
	}
	if set.log {
		opts = append(opts, rawhttp.WithTrace(rawhttp.AccessLog(stderr)), rawhttp.WithTrace(refusals(stderr)))
	} else {
		opts = append(opts, rawhttp.WithTrace(secureClients(stderr)))
	}
	return opts
}

// rootError returns the error of opening the folder, naming the folder once.
func rootError(root string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("folder %q: %w", root, pe.Err)
	}
	return err
}

// announce prints the addresses of the folder as links that can be opened.
func announce(stdout io.Writer, set settings, addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		fmt.Fprintf(stdout, "rawhttp: serving %s on http://%s/\n", set.root, addr)
		if ok && !tcp.IP.IsLoopback() {
			fmt.Fprintf(stdout, "rawhttp: %s\n", warning(set))
		}
		return
	}
	fmt.Fprintf(stdout, "rawhttp: serving %s on http://localhost:%d/\n", set.root, tcp.Port)
	for _, ip := range networkAddresses() {
		if tcp.IP.To4() != nil && ip.To4() == nil {
			continue // 0.0.0.0 accepts only IPv4
		}
		fmt.Fprintf(stdout, "rawhttp: and on http://%s/\n", net.JoinHostPort(ip.String(), fmt.Sprint(tcp.Port)))
	}
	fmt.Fprintf(stdout, "rawhttp: %s\n", warning(set))
}

// warning returns a sentence on who else can read the folder, for a server that other machines can reach.
func warning(set settings) string {
	if set.users != nil {
		return "everyone on the network who has a password can read it; passwords are sent unencrypted"
	}
	return "everyone on the network can read it; -auth asks for a password"
}

// A progress counts the requests in progress.
type progress struct {
	mu    sync.Mutex
	conns map[uint64]struct{} // the connections with a request in progress
}

// trace returns the Trace that keeps p up to date.
func (p *progress) trace() rawhttp.Trace {
	p.conns = make(map[uint64]struct{})
	return rawhttp.Trace{ConnState: func(conn uint64, s rawhttp.ConnState) {
		switch s {
		case rawhttp.StateResolve:
			p.mu.Lock()
			p.conns[conn] = struct{}{}
			p.mu.Unlock()
		case rawhttp.StateIdle, rawhttp.StateLinger, rawhttp.StateClosed:
			p.mu.Lock()
			delete(p.conns, conn)
			p.mu.Unlock()
		}
	}}
}

func (p *progress) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// reportStopping writes why a graceful shutdown takes more than a moment: it waits for requests
// in progress, or for clients that have not closed after their last response. Idle connections
// are closed within a second.
func reportStopping(busy *progress, srv *rawhttp.Server, stderr io.Writer) {
	time.Sleep(100 * time.Millisecond) // most requests are over by then
	if n := busy.requests(); n > 0 {
		fmt.Fprintf(stderr, "rawhttp: stopping: waiting up to 10 s for %s in progress; ^C again stops now\n", count(n, "request"))
		return
	}
	time.Sleep(1400 * time.Millisecond) // idle connections are closed by then
	if n := srv.Stats().ConnsOpen; n > 0 {
		fmt.Fprintf(stderr, "rawhttp: stopping: waiting up to 10 s for %s to close; ^C again stops now\n", count(int(n), "connection"))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
