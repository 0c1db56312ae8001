package rawhttp

import (
	"cmp"
	"errors"
	"io"
	"os"
	"time"
)

// A feeder gives a script its content, while its output is read.
type feeder struct {
	run     *scriptRun
	from    io.Reader
	failed  error         // a hook has panicked while it read
	left    time.Duration // of the time to the first byte, for which the script is waited for
	to      *os.File
	buf     []byte        // read and not written yet
	scratch []byte        // that buf is in
	fed     chan struct{} // closed when there is no more to feed
	stopped chan struct{} // closed when it has stopped, for now or for good
}

// ended returns what is closed when there is no more to feed.
func (f *feeder) ended() chan struct{} {
	if f == nil {
		return closedChan
	}
	return f.fed
}

// closedChan is closed.
var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// start starts to feed, or goes on. A nil feeder has nothing to feed.
func (f *feeder) start() {
	if f == nil {
		return
	}
	if f.scratch == nil {
		f.scratch = make([]byte, scratchSize)
	}
	f.stopped = make(chan struct{})
	go func() {
		defer close(f.stopped)
		defer f.catch()
		f.copy()
	}()
}

// catch catches the panic of a hook, which is called with what is read: nobody else
// does on this goroutine, and it must end the connection, not the program.
func (f *feeder) catch() {
	if v := recover(); v != nil {
		f.failed = f.run.req.on.panicked("trace", v)
		f.run.cancel(f.failed)
		f.finish()
	}
}

// stop stops to feed, so that nothing of the request is in use. It returns err, or what
// matters more: that a hook has panicked, after which nobody knows where the content
// ends.
func (f *feeder) stop(err error) error {
	if f == nil {
		return err
	}
	f.run.req.interrupt()
	f.to.SetWriteDeadline(time.Unix(1, 0))
	<-f.stopped
	f.to.SetWriteDeadline(time.Time{})
	f.run.req.resume()
	return cmp.Or(f.failed, err)
}

// copy feeds until there is no more, or until it is stopped.
func (f *feeder) copy() {
	for !isClosed(f.fed) {
		if len(f.buf) == 0 {
			n, err := steadyReader{f.from}.Read(f.scratch)
			f.buf = f.scratch[:n]
			switch {
			case n > 0:
			case errors.Is(err, errInterrupted):
				return
			case err != io.EOF:
				f.run.cancel(err)
				fallthrough
			default:
				f.finish()
				return
			}
		}
		n, err := f.write()
		f.buf = f.buf[n:]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil: // it reads no more
			f.finish()
		}
	}
}

// write writes what was read. Meanwhile it is the script that is waited for, not the
// client.
func (f *feeder) write() (n int, err error) {
	begun := time.Now()
	f.run.late.Reset(f.left)
	n, err = f.to.Write(f.buf)
	f.run.late.Stop()
	f.left = max(f.left-time.Since(begun), 0)
	return n, err
}

func (f *feeder) finish() {
	f.to.Close()
	close(f.fed)
	f.run.late.Reset(maxFirstByte) // now it has what it may have waited for
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
