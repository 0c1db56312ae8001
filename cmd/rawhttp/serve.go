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
	defer files.Close()
	var busy progress
	srv, err := rawhttp.New(append(set.serverOptions(files, stderr), rawhttp.WithTrace(busy.trace()))...)
	if err != nil {
		return err
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", set.addr)
	if err != nil {
		return listenError(err, set.addr)
	}
	if set.warning != "" {
		fmt.Fprintf(stderr, "rawhttp: warning: %s\n", set.warning)
	}
	announce(stdout, set, ln.Addr())
	defer context.AfterFunc(when.inOrder, func() { sayStopping(&busy, stderr) })()
	defer context.AfterFunc(when.atOnce, func() { srv.Close() })()
	err = srv.Serve(when.inOrder, ln)
	if when.atOnce.Err() != nil {
		return nil // it was asked to
	}
	return err
}

// serverOptions returns the options of the server.
func (set *settings) serverOptions(files rawhttp.Resolver, stderr io.Writer) []rawhttp.Option {
	resolver := files
	if set.spa {
		resolver = singlePage("/index.html", resolver)
	}
	if set.users != nil {
		resolver = authenticated(set.users, resolver)
	}
	if len(set.fields) > 0 {
		resolver = withFields(set.fields, resolver)
	}
	opts := append(set.options, rawhttp.WithResolver(resolver), rawhttp.WithLogger(logger{stderr}))
	if names := set.servedHosts(); names != nil {
		opts = append(opts, rawhttp.WithHosts(names...), rawhttp.WithTrace(hostRefusals(stderr)))
	}
	if set.log {
		opts = append(opts, rawhttp.WithTrace(rawhttp.AccessLog(stderr)), rawhttp.WithTrace(refusals(stderr)))
	}
	if set.trace {
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
	return opts
}

// rootError says what is wrong with the folder, once.
func rootError(root string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("folder %q: %w", root, pe.Err)
	}
	return err
}

// announce prints where the folder is, as links that can be opened.
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
			continue // 0.0.0.0 is IPv4 alone
		}
		fmt.Fprintf(stdout, "rawhttp: and on http://%s/\n", net.JoinHostPort(ip.String(), fmt.Sprint(tcp.Port)))
	}
	fmt.Fprintf(stdout, "rawhttp: %s\n", warning(set))
}

// warning is what one should know who listens beyond this machine.
func warning(set settings) string {
	if set.users != nil {
		return "others on the network who know a password can read it; it is sent unencrypted"
	}
	return "everyone on the network can read it; -auth asks for a password"
}

// progress counts the requests in progress.
type progress struct {
	mu    sync.Mutex
	conns map[uint64]struct{} // that have one
}

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

// sayStopping says what is waited for, if anything is after a moment.
func sayStopping(busy *progress, stderr io.Writer) {
	time.Sleep(100 * time.Millisecond)
	switch n := busy.requests(); n {
	case 0:
	case 1:
		fmt.Fprintln(stderr, "rawhttp: stopping: 1 request in progress, up to 10 s; ^C again stops now")
	default:
		fmt.Fprintf(stderr, "rawhttp: stopping: %d requests in progress, up to 10 s; ^C again stops now\n", n)
	}
}
