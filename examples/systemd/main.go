//go:build unix

// Command systemd serves a folder on a socket that systemd opens and keeps open, so
// that new connections wait in its queue during a restart. Without systemd, the command
// itself opens a socket. The units are deploy/rawhttp.socket and
// deploy/rawhttp.service.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port` if systemd passes no socket")
	root := flag.String("root", ".", "serve this `folder`")
	proxy := flag.String("proxy", "127.0.0.1/32", "trust X-Forwarded-For from proxies in this `prefix`")
	flag.Parse()
	prefix, err := netip.ParsePrefix(*proxy)
	exitIf(err)
	ln, err := listen(*addr)
	exitIf(err)
	srv, err := rawhttp.New(rawhttp.WithRoot(*root), rawhttp.WithTrustedProxies(prefix), rawhttp.WithTrace(rawhttp.AccessLog(os.Stderr)))
	exitIf(err)

	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // a second signal ends the process
		notify("STOPPING=1")
		stop()
	}()
	notify("READY=1")
	exitIf(srv.Serve(ctx, ln))
}

func exitIf(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// listen returns the socket that systemd has passed to this process, as described in
// sd_listen_fds(3), or listens on addr if there is none. It unsets the variables
// that announce the socket, so that child processes do not look for it.
func listen(addr string) (net.Listener, error) {
	pid, n := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) || n == "" {
		return net.Listen("tcp", addr)
	}
	if n != "1" {
		return nil, fmt.Errorf("systemd has passed %s sockets, want 1", n)
	}
	syscall.CloseOnExec(3) // the first descriptor after standard error
	f := os.NewFile(3, "socket")
	defer f.Close() // FileListener duplicates the descriptor
	return net.FileListener(f)
}

// notify reports a state to systemd, as described in sd_notify(3), if NOTIFY_SOCKET names its socket.
func notify(state string) {
	if conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET")); err == nil {
		fmt.Fprint(conn, state)
		conn.Close()
	}
}
