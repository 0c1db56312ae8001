//go:build !android && (amd64 || arm64)

package jail_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// OpenJail uses openat2 if the system has it.
func TestOpenJailUsesOpenat2(t *testing.T) {
	testkit.Openat2Tree(t, ".")
	j, err := jail.OpenJail(".")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, ok := j.(*jail.Openat2Tree); !ok {
		t.Errorf("OpenJail returns a %T, want a *Openat2Tree", j)
	}
}

// withoutOpenat2 calls f on a thread on which openat2 fails with errno.
func withoutOpenat2(t *testing.T, errno syscall.Errno, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends, with its filter
		err := testkit.RefuseCall(jail.SysOpenat2, errno)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skip("cannot install a seccomp filter:", err)
	}
}

// If a filter of the container refuses openat2, os.Root is used.
func TestOpenJailWithoutOpenat2(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM, syscall.EACCES} {
		var j jail.LinkReader
		var err error
		withoutOpenat2(t, errno, func() { j, err = jail.OpenJail(".") })
		if _, ok := j.(*jail.OSRootTree); !ok {
			t.Fatalf("if openat2 fails with %v, OpenJail returns a %T, %v, want an *OSRootTree", errno, j, err)
		}
		defer j.Close()
		if _, err := j.Stat("tree.go"); err != nil {
			t.Error(err)
		}
	}
}

// A lack of descriptors or memory does not mean that openat2 is unavailable: os.Root would be used
// for as long as the root stays, and nothing would be cached.
func TestOpenJailDuringShortage(t *testing.T) {
	testkit.Openat2Tree(t, ".")
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENOMEM} {
		var j jail.LinkReader
		var err error
		withoutOpenat2(t, errno, func() { j, err = jail.OpenJail(".") })
		if j != nil || !errors.Is(err, errno) {
			t.Errorf("if openat2 fails with %v, OpenJail returns a %T, %v, want that error", errno, j, err)
		}
	}
}

// A root that is replaced during a lack of descriptors is opened by a later request, with openat2.
func TestRootReplacedDuringShortage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	for _, path := range []string{dir, dir + ".new"} {
		testkit.WriteFile(t, filepath.Join(path, "f"), filepath.Base(path), 0o644)
	}
	testkit.Openat2Tree(t, dir)
	r, err := jail.OpenRoot(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := errors.Join(os.Rename(dir, dir+".old"), os.Rename(dir+".new", dir)); err != nil {
		t.Fatal(err)
	}
	withoutOpenat2(t, syscall.EMFILE, func() {
		if _, _, err := r.Open("f"); rawhttp.StatusOf(err) != 503 {
			t.Errorf("without descriptors Open returns %v, want 503", err)
		}
	})
	if got := describeName(t, r, "f"); got != "root.new" || !r.Identifies() {
		t.Errorf("afterwards f is %q, identified: %v, want root.new, true", got, r.Identifies())
	}
}

// Files in a folder that may be searched but not read can be opened, as by any
// program; os.Root cannot.
func TestFolderWithoutReadPermission(t *testing.T) {
	root := testkit.LinkedFolder(t)
	for _, name := range []string{"d", "d/e", ""} {
		path := filepath.Join(root, name)
		if err := os.Chmod(path, 0o311); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o755) })
	}
	j := testkit.Openat2Tree(t, root)
	testkit.WithoutCapabilities(t, func() {
		if _, _, err := j.Open("d/e"); rawhttp.StatusOf(err) != 403 {
			t.Errorf("Open of the folder: %v, want 403", err)
		}
		if got := describeName(t, j, "d/e/f/g"); got != "deep" {
			t.Errorf("the file is %q, want its content", got)
		}
	})
}

// A ".." is looked up again if folders are moved during the lookup.
func TestDotDotWhileFoldersMove(t *testing.T) {
	root := testkit.LinkedFolder(t)
	j := testkit.Openat2Tree(t, root)
	up := strings.Repeat("d/../", 30) + "d/up" // so long that folders often move during a lookup
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		defer func() { stopped <- err }()
		from, to := filepath.Join(root, "d/e/f"), filepath.Join(root, "d/e/f2")
		for {
			select {
			case <-stop:
				return
			default:
				if err = os.Rename(from, to); err != nil {
					return
				}
				from, to = to, from
			}
		}
	}()
	for range 2000 {
		if got := describeName(t, j, up); got != "content" {
			t.Errorf("d/up is %q, want the content of the file a", got)
			break
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// If folders move, the kernel returns EAGAIN. The call is repeated a limited number of times;
// then the client is asked to try again.
func TestOpenBusy(t *testing.T) {
	j := testkit.Openat2Tree(t, ".")
	var err error
	withoutOpenat2(t, syscall.EAGAIN, func() { _, _, err = j.Open("tree.go") })
	if !errors.Is(err, jail.ErrBusy) || rawhttp.StatusOf(err) != 503 {
		t.Errorf("Open returns %v, want ErrBusy with status 503", err)
	}
}

// A terminal in the tree does not become the controlling terminal of a server without one, such as
// one that setsid has started.
func TestNoControllingTerminal(t *testing.T) {
	if os.Getenv("TEST_IN_SESSION") == "" {
		test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		test.Env = append(os.Environ(), "TEST_IN_SESSION=new")
		test.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := test.CombinedOutput()
		if bytes.Contains(out, []byte("--- SKIP")) {
			t.Skipf("%s", out)
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
			t.Errorf("in a new session: %v\n%s", err, out)
		}
		return
	}
	name := terminal(t)
	for how, j := range testkit.Trees(t, "/dev/pts") {
		if _, _, err := j.Open(name); rawhttp.StatusOf(err) != 404 {
			t.Errorf("%s: Open(%q): %v, want 404", how, name, err)
		}
		if tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("%s: the session has a controlling terminal: open /dev/tty: %v, want ENXIO", how, err)
			tty.Close()
		}
	}
}

// terminal returns the name of a new terminal in /dev/pts.
func terminal(t *testing.T) string {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	var lock, n int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &lock, syscall.TIOCGPTN: &n} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, reflect.ValueOf(arg).Pointer()); errno != 0 {
			t.Skip(errno)
		}
	}
	return strconv.Itoa(int(n))
}

// Links in /proc lead out without naming a path, even those that look relative.
func TestNoMagicLinks(t *testing.T) {
	j := testkit.Openat2Tree(t, "/proc/self")
	for _, name := range []string{"root", "cwd", "exe", "fd/0", "root/etc/passwd", "cwd/tree.go"} {
		if _, _, err := j.Open(name); rawhttp.StatusOf(err) != 404 {
			t.Errorf("Open(%q): %v, want 404", name, err)
		}
		if _, err := j.Stat(name); rawhttp.StatusOf(err) != 404 {
			t.Errorf("Stat(%q): %v, want 404", name, err)
		}
	}
}

// os.SameFile accepts the FileInfo of a file that openat2 has opened.
func TestSameFile(t *testing.T) {
	root := testkit.LinkedFolder(t)
	j := testkit.Openat2Tree(t, root)
	file, info, err := j.Open("to-a")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, want := range map[string]bool{"a": true, "d/e/f/g": false} {
		other, err := os.Stat(filepath.Join(root, name))
		if err != nil || os.SameFile(info, other) != want {
			t.Errorf("os.SameFile with %q = %v, want %v (%v)", name, !want, want, err)
		}
	}
}

// An open file of openat2 blocks, since the poller would register a nonblocking one.
func TestOpenedFilesBlock(t *testing.T) {
	file, _, err := testkit.Openat2Tree(t, testkit.LinkedFolder(t)).Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, file.(*os.File).Fd(), syscall.F_GETFL, 0)
	if flags&syscall.O_NONBLOCK != 0 || errno != 0 {
		t.Errorf("the flags of the file are %#x, %v, want no O_NONBLOCK", flags, errno)
	}
}

// A started process does not inherit open files.
func TestOpenedFilesAreClosedOnExec(t *testing.T) {
	for how, j := range testkit.Trees(t, testkit.LinkedFolder(t)) {
		file, _, err := j.Open("a")
		if err != nil {
			t.Fatal(err)
		}
		if flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, file.(*os.File).Fd(), syscall.F_GETFD, 0); flags&syscall.FD_CLOEXEC == 0 {
			t.Errorf("%s: an open file is not marked close-on-exec", how)
		}
		file.Close()
	}
}
