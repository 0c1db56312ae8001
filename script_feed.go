package rawhttp

import (
	"cmp"
	"errors"
	"io"
	"os"
	"time"
)

// A feeder writes the content of a request to the standard input of a script, while another
// goroutine reads its output. Its methods accept a nil feeder, which has no content.
type feeder struct {
	run     *scriptRun
	from    io.Reader
	failed  error         // set if a hook panicked while reading
	left    time.Duration // what remains of maxFirstByte, which counts down while the script is slow to read
	to      *os.File
	buf     []byte        // read from the client but not yet written
	scratch []byte        // memory for buf
	fed     chan struct{} // closed when all content is written or writing has failed
	stopped chan struct{} // closed when the goroutine has stopped, for now or for good
}

// ended returns a channel that is closed when nothing more will be written.
func (f *feeder) ended() chan struct{} {
	if f == nil {
		return closedChan
	}
	return f.fed
}

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// start starts or continues feeding.
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

// catch recovers a panic of a hook, called for the bytes read. Nothing else recovers it on
// this goroutine, and it must end the connection, not the program.
func (f *feeder) catch() {
	if v := recover(); v != nil {
		f.failed = f.run.req.conn.panicked("trace", v)
		f.run.cancel(f.failed)
		f.finish()
	}
}

// stop stops feeding, so that the request is no longer in use. It returns err, unless a
// hook has panicked: then it returns that error, since it is unknown where the content
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

// copy feeds until nothing is left, or until it is stopped.
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
		case err != nil: // the script no longer reads
			f.finish()
		}
	}
}

// write writes buf. During a write the script is slow, not the client, so the write counts
// against the time to the first byte.
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
	f.run.late.Reset(maxFirstByte) // the script no longer waits for content
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
