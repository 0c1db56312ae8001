//go:build !android && (amd64 || arm64)

package conformance_test

import (
	"reflect"
	"runtime"
	"syscall"
	"testing"

	"example.com/rawhttp/internal/jail"
)

// beneathOf opens a folder with openat2, which this kernel or container may lack.
func beneathOf(t testing.TB, dir string) jail.Tree {
	t.Helper()
	j := jail.OpenBeneath(dir)
	if j == nil {
		t.Skip("no openat2 here")
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// jailRefuse has a system call answered with errno on the thread that calls.
func jailRefuse(call uintptr, errno syscall.Errno) error {
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
