package testkit

import (
	"os"
	"reflect"
	"runtime"
	"syscall"
	"testing"
)

// WithoutCapabilities calls f on a thread without capabilities, so that permissions apply to f
// even if user 0 runs the test.
func WithoutCapabilities(t testing.TB, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
		err := dropCapabilities()
		defer func() { done <- err }() // also if f ends the goroutine
		if err == nil {
			f()
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// dropCapabilities removes all effective capabilities of the calling thread.
func dropCapabilities() error {
	header := &struct{ version, thread uint32 }{0x20080522, 0} // _LINUX_CAPABILITY_VERSION_3
	sets := new([2]struct{ effective, permitted, inheritable uint32 })
	for _, call := range []uintptr{syscall.SYS_CAPGET, syscall.SYS_CAPSET} {
		sets[0].effective, sets[1].effective = 0, 0
		_, _, errno := syscall.Syscall(call, reflect.ValueOf(header).Pointer(), reflect.ValueOf(sets).Pointer(), 0)
		if errno != 0 {
			return os.NewSyscallError("capget, capset", errno)
		}
		runtime.KeepAlive(header)
		runtime.KeepAlive(sets)
	}
	return nil
}
