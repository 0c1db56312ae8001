package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/transcript"
)

const spyUsage = `usage: rawhttp spy [flags] HOST:PORT

Relays each connection to the server HOST:PORT, byte for byte, and shows the
conversation: HTTP with its content shortened, and SMTP, POP3, IMAP and other
line-based protocols.

  -addr HOST:PORT  listen on this address (default 127.0.0.1:8081)
  -color WHEN      use colors: auto, always or never

  rawhttp spy localhost:8080       then open http://localhost:8081/

The exit status is 0 after a signal stops it, 1 if it cannot listen, 2 for
wrong usage.
`

// maxRelayed is the most connections relayed at once; others wait to be accepted. There is no limit
// on the time that a connection may be idle: it would end conversations that the two sides intend to
// continue. If one side has lost its network, TCP keep-alive ends the connection.
const maxRelayed = 1000

// maxDialTime is how long to wait for a connection to the server.
const maxDialTime = 10 * time.Second

// spy is the command spy.
func spy(when stop, args []string, stdout, stderr io.Writer) int {
	flags := newFlags("spy")
	listenAt := flags.String("addr", "127.0.0.1:8081", "")
	color := colorFlag(flags)
	servers, err := parseAnywhere(flags, args, false)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, spyUsage)
		return 0
	case err == nil && len(servers) == 0:
		err = errors.New("want the server as HOST:PORT, as in localhost:8080")
	}
	r := &relay{slots: make(chan struct{}, maxRelayed), warnings: stderr}
	var addr string
	if err == nil {
		r.server, err = dialAddress(servers)
	}
	if err == nil && len(servers) > 1 {
		err = fmt.Errorf("want one server, not %d", len(servers))
	}
	if err == nil {
		addr, err = listenAddress(*listenAt)
	}
	if err != nil {
		return misused(stderr, "spy", err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintf(stderr, "rawhttp spy: %v\n", listenError(err, addr))
		return 1
	}
	if isSame(r.server, ln.Addr().(*net.TCPAddr)) {
		ln.Close()
		return misused(stderr, "spy", fmt.Errorf("%s is where spy itself listens; choose another address with -addr", r.server))
	}
	fmt.Fprintf(stdout, "rawhttp spy: %s relays to %s\n", ln.Addr(), r.server)
	r.printer = transcript.New(transcript.Options{Lines: 20, Mail: true, Color: color.on(stdout)},
		func(line string) { io.WriteString(stdout, line) })
	done := make(chan struct{})
	go func() {
		r.acceptAll(when.graceful, ln)
		close(done)
	}()
	select {
	case <-done:
	case <-when.atOnce.Done(): // acceptAll also waits for lines to be written, which nobody may read
	}
	return 0
}

// isSame reports whether a connection to the server reaches the one that listens at the address.
func isSame(server string, at *net.TCPAddr) bool {
	if !strings.HasSuffix(server, ":"+strconv.Itoa(at.Port)) {
		return false // without looking up a name
	}
	to, err := net.ResolveTCPAddr("tcp", server)
	return err == nil && (to.IP.Equal(at.IP) || to.IP.IsLoopback() && at.IP.IsUnspecified() || to.IP.IsUnspecified() && at.IP.IsLoopback())
}

// A relay passes on the bytes of clients and the server.
type relay struct {
	server   string
	printer  *transcript.Printer
	warnings io.Writer
	slots    chan struct{} // holds one value for each connection
	conns    sync.WaitGroup
}

// acceptAll relays connections until ctx ends, and then closes them.
func (r *relay) acceptAll(ctx context.Context, ln net.Listener) {
	defer r.conns.Wait()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	pause := 5 * time.Millisecond
	warnOnce := sync.OnceFunc(func() {
		fmt.Fprintf(r.warnings, "rawhttp spy: %d connections are open; new ones wait until one of them closes\n", cap(r.slots))
	})
	for id := uint64(1); ; {
		if len(r.slots) == cap(r.slots) {
			warnOnce()
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		client, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // temporary, such as a lack of descriptors; the pause lets some be closed
			<-r.slots
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		n := id
		id++
		r.conns.Go(func() {
			defer func() { <-r.slots }()
			r.connection(ctx, n, client.(*net.TCPConn))
		})
	}
}

// connection relays one connection.
func (r *relay) connection(ctx context.Context, id uint64, client *net.TCPConn) {
	defer client.Close()
	shown := r.printer.Open(id, client.RemoteAddr().String())
	defer shown.End()
	dialer := net.Dialer{Timeout: maxDialTime}
	nc, err := dialer.DialContext(ctx, "tcp", r.server)
	if err != nil {
		if ctx.Err() == nil {
			shown.Closes(transcript.Server, "cannot be reached: "+dialError(err).Error())
		}
		client.SetLinger(0) // a reset, as the client would see without the relay
		return
	}
	server := nc.(*net.TCPConn)
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	l := &link{shown: shown}
	var both sync.WaitGroup
	both.Go(func() { l.pass(transcript.Client, client, server) })
	both.Go(func() { l.pass(transcript.Server, server, client) })
	both.Wait()
}

// A link is a connection that is relayed.
type link struct {
	shown *transcript.Conversation
	reset atomic.Bool // one side was reset, and so is the other
}

// pass passes on what from sends, and then its end: a half-close as a half-close, a reset as a
// reset. Bytes are shown before they are passed on, so that no response is shown before its
// request.
func (l *link) pass(who transcript.Side, from, to *net.TCPConn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			l.shown.Bytes(who, b[:n])
			if _, err := to.Write(b[:n]); err != nil {
				l.cut(who.Other(), err, from, to)
				return
			}
		}
		switch {
		case err == io.EOF:
			l.shown.Closes(who, "closes")
			to.CloseWrite()
			return
		case err != nil:
			l.cut(who, err, from, to)
			return
		}
	}
}

// cut resets both connections after an error. It shows a reset by who, unless this program
// itself has closed them.
func (l *link) cut(who transcript.Side, err error, conns ...*net.TCPConn) {
	if l.reset.Swap(true) {
		return
	}
	if !errors.Is(err, net.ErrClosed) {
		l.shown.Closes(who, "resets the connection")
	}
	for _, nc := range conns {
		nc.SetLinger(0)
		nc.Close()
	}
}
