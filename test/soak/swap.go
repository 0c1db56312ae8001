//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// secretByte never occurs in content that may be served. Everything outside the root
// consists of it, even file names.
const secretByte = 0x01

// swap replaces the files of the root while clients read them.
func swap(l *load) error {
	s, err := startServer(prepareSwap)
	defer s.stop(l)
	if err != nil {
		return err
	}
	end := make(chan struct{})
	var changes sync.WaitGroup
	for n, name := range swapped {
		changes.Go(func() {
			w := &swapper{load: l, random: l.random(-1 - n), root: s.root, path: filepath.Join(s.root, "files", name)}
			w.run(end)
		})
	}
	peak := s.watchMemory()
	l.each(l.duration, func(n int, again func() bool) { readSwapped(l, s.addr, l.random(n), again) })
	most := peak()
	close(end)
	changes.Wait()
	after, err := s.settle(l, isFault)
	if err != nil {
		return err
	}
	s.printFigures(s.start, after, most)
	l.wantCounts("answered 200", "answered 206", "answered 301", "answered 404")
	return nil
}

// isFault reports whether a logged error should not have happened. A file that becomes
// shorter while it is read is answered with 500, or if the head has been sent, the response
// is cut; both are logged.
func isFault(logged string) bool {
	return !strings.Contains(logged, "response cut") && !strings.Contains(logged, "unexpected EOF")
}

// swapped are the names below the root that are replaced, each by its own goroutine. "d" is
// sometimes a folder with the file x, which clients request as "d/x".
var swapped = []string{"a.txt", "b.bin", "c.html", "d"}

// asked are the paths that clients request.
var asked = []string{
	"/files/a.txt", "/files/b.bin", "/files/c.html", "/files/d", "/files/d/", "/files/d/x", "/files/d/x/y",
	"/files/a.txt/x", "/files/", "/files/?format=json", "/files/link", "/files/link/x",
}

// prepareSwap creates the files outside the root, and two links in it that lead to swapped
// names.
func prepareSwap(root string) error {
	secret := bytes.Repeat([]byte{secretByte}, 100000)
	outside := root + "/outside"
	return errors.Join(
		os.Mkdir(outside, 0o755),
		os.WriteFile(root+"/secret", secret, 0o644),
		os.WriteFile(outside+"/x", secret, 0o644),
		os.WriteFile(outside+"/index.html", secret, 0o644),
		os.WriteFile(outside+"/"+string([]byte{secretByte}), secret, 0o644),
		os.Symlink("d", root+"/files/link"),
	)
}

// A swapper replaces what is at one path.
type swapper struct {
	*load
	random     *rand.Rand
	root, path string
	n          int
}

func (w *swapper) run(end chan struct{}) {
	changes := []struct {
		name string
		do   func() error
	}{
		{"to file", w.toFile},
		{"to file", w.toFile},
		{"grow", w.grow},
		{"shrink", w.shrink},
		{"to link out", w.toLinkOut},
		{"to link inside", w.toLinkInside},
		{"to FIFO", func() error { return w.replace(func(tmp string) error { return syscall.Mkfifo(tmp, 0o666) }) }},
		{"to socket", func() error {
			return w.replace(func(tmp string) error { return syscall.Mknod(tmp, syscall.S_IFSOCK|0o666, 0) })
		}},
		{"to folder", w.toFolder},
		{"to nothing", func() error { return os.RemoveAll(w.path) }},
	}
	for {
		select {
		case <-end:
			return
		default:
		}
		change := changes[w.random.IntN(len(changes))]
		if err := change.do(); err != nil {
			w.fault("%s %s: %v", filepath.Base(w.path), change.name, err)
			return
		}
		w.count("swapped " + change.name)
		time.Sleep(time.Duration(w.random.IntN(500)) * time.Microsecond)
	}
}

// replace creates something new and puts it in place of the old, atomically if possible.
func (w *swapper) replace(make func(tmp string) error) error {
	w.n++
	tmp := fmt.Sprintf("%s/tmp-%s-%d", w.root, filepath.Base(w.path), w.n)
	if err := make(tmp); err != nil {
		return err
	}
	if os.Rename(tmp, w.path) == nil {
		return nil
	}
	old := tmp + "-old" // rename does not replace a folder by a file or the reverse
	if err := os.Rename(w.path, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, w.path); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// content returns content of letters only, of random length: of files that the server
// caches, and of files sent by sendfile.
func (w *swapper) content() []byte {
	letter := 'a' + byte(w.random.IntN(26))
	return bytes.Repeat([]byte{letter}, w.random.IntN(1<<w.random.IntN(22)))
}

// toFile creates a file, half of the time an old one, which the server caches.
func (w *swapper) toFile() error {
	return w.replace(func(tmp string) error {
		if err := os.WriteFile(tmp, w.content(), 0o644); err != nil || w.random.IntN(2) == 0 {
			return err
		}
		return os.Chtimes(tmp, time.Time{}, time.Now().Add(-time.Hour))
	})
}

// open opens the path if it is a regular file; otherwise f is nil.
func (w *swapper) open() (f *os.File, err error) {
	if info, err := os.Lstat(w.path); err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	return os.OpenFile(w.path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
}

func (w *swapper) grow() error {
	f, err := w.open()
	if f == nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	_, err = f.Write(w.content())
	return err
}

func (w *swapper) shrink() error {
	f, err := w.open()
	if f == nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate(w.random.Int64N(info.Size() + 1))
}

// toLinkOut creates a link that leads out of the root, in one of many ways.
func (w *swapper) toLinkOut() error {
	targets := []string{
		w.root + "/secret", "../secret", "../../" + filepath.Base(w.root) + "/secret", "link/../../secret",
		w.root + "/outside", "../outside", "../files/../outside", "/proc/self/root" + w.root + "/secret", "/proc/self/environ",
	}
	target := targets[w.random.IntN(len(targets))]
	return w.replace(func(tmp string) error { return os.Symlink(target, tmp) })
}

// toLinkInside creates a link to another of the names, possibly a loop.
func (w *swapper) toLinkInside() error {
	target := swapped[w.random.IntN(len(swapped))]
	return w.replace(func(tmp string) error { return os.Symlink(target, tmp) })
}

// toFolder creates a folder that contains a file and a link out of the root.
func (w *swapper) toFolder() error {
	return w.replace(func(tmp string) error {
		return errors.Join(
			os.Mkdir(tmp, 0o755),
			os.WriteFile(tmp+"/x", w.content(), 0o644),
			os.Symlink("../../outside/index.html", tmp+"/index.html"),
		)
	})
}

// readSwapped repeatedly requests the swapped paths.
func readSwapped(l *load, addr string, random *rand.Rand, again func() bool) {
	var c *conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for again() {
		if c == nil {
			var err error
			if c, err = dial(addr); err != nil {
				l.fault("%v", err)
				return
			}
		}
		target := asked[random.IntN(len(asked))]
		var fields []string
		switch random.IntN(6) {
		case 0:
			fields = []string{fmt.Sprintf("Range: bytes=%d-", random.IntN(1<<random.IntN(20)))}
		case 1:
			fields = []string{fmt.Sprintf("Range: bytes=0-0,%d-%d,-1", 100, 100+random.IntN(1000))}
		}
		if err := c.readOne(l, target, fields); err != nil {
			if err != errCut {
				l.fault("GET %s %q: %v", target, fields, err)
			}
			c.Close()
			c = nil
		}
	}
}

// errCut reports that the connection ended before the content. The client notices, so this
// is correct when a file has become shorter.
var errCut = errors.New("the response was cut")

// readOne sends a request and checks that the response contains nothing secret and has the
// length it declares.
func (c *conn) readOne(l *load, target string, fields []string) error {
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(head("GET", target, fields...)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		return err // also the error for content that is too long
	}
	content, err := io.ReadAll(resp.Body)
	if i := bytes.IndexByte(content, secretByte); i >= 0 {
		return fmt.Errorf("%s: byte %d of the content is secret", resp.Status, i)
	}
	if strings.HasPrefix(string(content), "HOME=") || bytes.Contains(content, []byte("PATH=")) {
		return fmt.Errorf("%s: the content is /proc/self/environ", resp.Status)
	}
	switch resp.StatusCode {
	case 200, 206, 301, 404, 416:
	case 500: // the file has become shorter: see isFault
	case 503: // folders were moved during every lookup
	default:
		return fmt.Errorf("%s: %q", resp.Status, content)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		l.count(fmt.Sprint("answered ", resp.StatusCode, ", cut"))
		return errCut
	case err != nil:
		return err
	}
	l.count(fmt.Sprint("answered ", resp.StatusCode))
	if resp.Close {
		return errCut
	}
	return nil
}
