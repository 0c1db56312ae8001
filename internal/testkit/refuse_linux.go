//go:build !android && (amd64 || arm64)

package testkit

import (
	"io"
	"net"
	"reflect"
	"runtime"
	"syscall"
	"testing"
)

// RefuseCall makes a system call fail with errno on the calling thread, until the thread ends.
func RefuseCall(call uintptr, errno syscall.Errno) error {
	const (
		load, jumpEqual, give      = 0x20, 0x15, 0x06 // linux/bpf_common.h
		allow, refuse              = 0x7fff0000, 0x00050000
		setNoNewPrivs, setFilter   = 38, 22 // prctl(2)
		modeFilter                 = 2
		offsetOfNumber, next, skip = 0, 0, 1
	)
	type instruction struct {
		code     uint16
		yes, no  uint8
		constant uint32
	}
	program := []instruction{
		{load, 0, 0, offsetOfNumber},
		{jumpEqual, next, skip, uint32(call)},
		{give, 0, 0, refuse | uint32(errno)},
		{give, 0, 0, allow},
	}
	filter := &struct {
		n       uint16
		program *instruction
	}{uint16(len(program)), &program[0]}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	_, _, refused := syscall.Syscall(syscall.SYS_PRCTL, setFilter, modeFilter, reflect.ValueOf(filter).Pointer())
	runtime.KeepAlive(filter)
	if refused != 0 {
		return refused
	}
	return nil
}

// AnswerWithoutCall serves one connection on a thread on which a system call fails, and
// returns what read returns for the client.
func AnswerWithoutCall(t testing.TB, serve func(net.Conn), call uintptr, errno syscall.Errno, request string, read func(io.Reader) ([]byte, error)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends, with its filter
		if err := RefuseCall(call, errno); err != nil {
			nc.Close()
			done <- err
			return
		}
		serve(nc)
		done <- nil
	}()
	io.WriteString(c, request)
	c.(*net.TCPConn).CloseWrite()
	b, _ := read(c)
	if err := <-done; err != nil {
		t.Skip("cannot install a seccomp filter:", err)
	}
	return string(b)
}
