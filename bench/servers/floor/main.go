// Command floor is the floor in Go: one goroutine per connection that only finds the ends
// of requests and returns the same response to each, with the content of a file that it read
// once. With -release, a waiting connection holds no buffer. With -close, it closes each
// connection after a response.
//
//	floor [-release | -close] HOST:PORT FILE
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"syscall"
)

const (
	bufferSize = 4096
	atOnce     = 64 // most responses in one write
)

func main() {
	log.SetFlags(0)
	release := flag.Bool("release", false, "hold no buffer while waiting")
	closing := flag.Bool("close", false, "close each connection after a response")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: floor [-release | -close] HOST:PORT FILE")
	}
	content, err := os.ReadFile(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	persistence := ""
	if *closing {
		persistence = "Connection: close\r\n"
	}
	one := append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n", len(content), persistence), content...)
	a := answers{all: bytes.Repeat(one, atOnce), len: len(one)}
	ln, err := net.Listen("tcp", flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	serve := holding
	switch {
	case *release:
		serve = releasing
	case *closing:
		serve = closingAfter
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn.(*net.TCPConn), a)
	}
}

// answers holds the same response many times.
type answers struct {
	all []byte
	len int // length of one
}

// write writes a response for each request that ends in b, and returns the rest of b.
func (a answers) write(w io.Writer, b []byte) (rest []byte, err error) {
	headEnd := []byte("\r\n\r\n")
	for {
		n := 0
		for n < atOnce {
			i := bytes.Index(b, headEnd)
			if i < 0 {
				break
			}
			b = b[i+len(headEnd):]
			n++
		}
		if n == 0 {
			return b, nil
		}
		if _, err := w.Write(a.all[:n*a.len]); err != nil {
			return b, err
		}
	}
}

func holding(conn *net.TCPConn, a answers) {
	defer conn.Close()
	in := make([]byte, bufferSize)
	kept := 0
	for {
		n, err := conn.Read(in[kept:])
		if err != nil {
			return
		}
		rest, err := a.write(conn, in[:kept+n])
		if err != nil {
			return
		}
		kept = copy(in, rest)
	}
}

// closingAfter closes the connection after one response. It expects the request to arrive
// complete.
func closingAfter(conn *net.TCPConn, a answers) {
	defer conn.Close()
	in := make([]byte, bufferSize)
	n, err := conn.Read(in)
	if err != nil {
		return
	}
	a.write(conn, in[:n])
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// releasing takes a buffer only when there is data to read. It expects each request to
// arrive complete, as it does from a client on the same machine.
func releasing(conn *net.TCPConn, a answers) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	for {
		in, n, err := readWhenReady(raw)
		if err != nil {
			return
		}
		_, err = a.write(conn, in[:n])
		buffers.Put(in)
		if err != nil {
			return
		}
	}
}

func readWhenReady(raw syscall.RawConn) (in *[bufferSize]byte, n int, err error) {
	waitErr := raw.Read(func(fd uintptr) bool {
		in = buffers.Get().(*[bufferSize]byte)
		n, err = syscall.Read(int(fd), in[:])
		if err == syscall.EAGAIN {
			buffers.Put(in)
			return false
		}
		return true
	})
	if waitErr != nil {
		return nil, 0, waitErr
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	return in, n, err
}
