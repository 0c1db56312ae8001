package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/transcript"
)

const spyUsage = `usage: rawhttp spy [flags] HOST:PORT

Relays each connection to the server HOST:PORT, byte for byte, and shows the
conversation: HTTP with its content shortened, and SMTP, POP3, IMAP and other
protocols of lines.

  -addr HOST:PORT  listen there (default 127.0.0.1:8081)
  -color WHEN      auto, always or never

  rawhttp spy localhost:8080       then open http://localhost:8081/

The exit status is 0 when it is stopped, 1 if it cannot listen, 2 for wrong
usage.
`

// spy is the command of that name.
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
		err = errors.New("want HOST:PORT of a server, as in localhost:8080")
	case err == nil && len(servers) > 1:
		err = fmt.Errorf("one server is relayed to, not %d", len(servers))
	}
	r := &relay{stderr: stderr}
	var addr string
	if err == nil {
		r.server, err = dialAddress(servers[0])
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
	fmt.Fprintf(stdout, "rawhttp spy: %s relays to %s\n", ln.Addr(), r.server)
	r.printer = transcript.New(transcript.Options{Lines: 20, Mail: true, Color: color.on(stdout)},
		func(line string) { io.WriteString(stdout, line) })
	defer context.AfterFunc(when.graceful, func() { ln.Close() })()
	r.acceptAll(when.graceful, ln)
	return 0
}

// A relay passes on what clients and the server say.
type relay struct {
	server  string
	printer *transcript.Printer
	stderr  io.Writer
	conns   sync.WaitGroup
}

// acceptAll relays connections until the listener is closed, and then closes them.
func (r *relay) acceptAll(ctx context.Context, ln net.Listener) {
	pause := 5 * time.Millisecond
	for id := uint64(1); ; {
		client, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			r.conns.Wait()
			return
		case err != nil: // as when there are no descriptors left: it passes
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		n := id
		id++
		r.conns.Go(func() { r.connection(ctx, n, client.(*net.TCPConn)) })
	}
}

// connection relays one connection.
func (r *relay) connection(ctx context.Context, id uint64, client *net.TCPConn) {
	defer client.Close()
	shown := r.printer.Open(id, client.RemoteAddr().String())
	defer shown.End()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", r.server)
	if err != nil {
		shown.Closes(transcript.Server, "is not reached: "+dialError(err).Error())
		client.SetLinger(0)
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

// pass passes on what from says until its end, which is passed on too: the end of what it
// says as such, and a reset as a reset. Bytes are shown before they are passed on, so that an
// answer is not shown before its question.
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

// cut resets both connections after an error, which is a reset by who unless nobody but this
// program has closed them.
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
