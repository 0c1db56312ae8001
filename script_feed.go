package rawhttp

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"time"

	"example.com/rawhttp/internal/jail"
)

// A scriptInput is the content of a request as input of a script: read from the client as
// it arrives, or a file. Without content both fields are nil.
type scriptInput struct {
	from io.Reader // content to be copied to a pipe
	file *os.File  // content to be read by the script directly
}

func (in scriptInput) close() {
	if in.file != nil {
		in.file.Close()
	}
}

// spool returns the content of the request and its length, -1 if there is none. The length
// of chunked content is known only once all of it has been read: into memory or, if it is
// long, into an unnamed temporary file. A reader that has replaced the server's Body is
// read in the same way, since its length is unknown and reading it cannot be interrupted.
//
// "As transfer-codings are not supported on the request-body, the server MUST remove any such
// codings from the message-body, and recalculate the CONTENT_LENGTH." RFC 3875, section 4.2
func spool(req *Request) (in scriptInput, length int64, err error) {
	_, ours := req.Body.(*content)
	ours = ours && req.conn != nil // otherwise it reads from a reader of the program (see Request.Content)
	switch n := req.ContentLength(); {
	case n == 0 && req.Header().Get("Content-Length") == "":
		return in, -1, nil
	case n == 0: // the client sent Content-Length: 0, so CONTENT_LENGTH is set
		return in, 0, nil
	case n > 0 && ours: // the feeder passes it on as it arrives
		return scriptInput{from: req.Body}, n, nil
	}
	memory := make([]byte, scratchSize)
	n, err := io.ReadFull(req.Body, memory)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return scriptInput{from: bytes.NewReader(memory[:n])}, int64(n), nil
	}
	if err != nil {
		return in, 0, err
	}
	in.file, err = namelessFile()
	if err == nil {
		_, err = in.file.Write(memory)
	}
	if err == nil { // the struct hides File.ReadFrom, which would not use memory
		length, err = io.CopyBuffer(struct{ io.Writer }{in.file}, req.Body, memory)
	}
	if err == nil { // the script shares the file offset
		_, err = in.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		in.close()
	}
	return in, int64(n) + length, err
}

// namelessFile creates a temporary file that has no name, and so disappears when it is
// closed. With an error it may return a file, too, which the caller must close.
func namelessFile() (*os.File, error) {
	file, err := os.CreateTemp("", "rawhttp-")
	if err == nil {
		err = os.Remove(file.Name())
	}
	switch {
	case jail.IsShortage(err):
		err = &StatusError{Status: 503, Err: err}
	case err != nil: // must not match fs.ErrNotExist, which would mean that the resource does not exist
		err = &StatusError{Status: 500, Err: errors.New(err.Error())}
	}
	return file, err
}

// A feeder writes the content of a request to the standard input of a script, while another
// goroutine reads its output: a script may print before it has read everything, so that neither
// direction may wait for the other. A nil feeder has no content to write: ended, start and stop
// accept it.
//
// The content belongs to the request, which nothing may use between the end of Resolve and the
// writing of the response. So the goroutine runs only between start and stop, which the goroutine
// of the exchange calls in respond and again in stream. While it runs, the fields belong to it.
type feeder struct {
	run     *scriptRun
	from    io.Reader     // the content of the request
	failed  error         // set if a hook panicked while reading
	left    time.Duration // what remains of maxFirstByte, which counts down while the script is slow to read
	to      *os.File      // standard input of the script
	buf     []byte        // read from the client but not yet written
	scratch []byte        // memory for buf
	fed     chan struct{} // closed when all content is written or writing has failed
	stopped chan struct{} // closed when the goroutine has stopped, for now or for good
}

// ended returns a channel that is closed when nothing more will be written to the script.
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
	// The goroutine waits for the client or for the script, and which of them is unknown.
	f.run.req.interrupt()
	f.to.SetWriteDeadline(time.Unix(1, 0)) // in the past
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
			case n > 0: // neither a content nor a bytes.Reader returns an error with bytes
			case errors.Is(err, errInterrupted): // by stop; start continues here
				return
			case err != io.EOF: // a script must not take part of the content for all of it
				f.run.cancel(err)
				fallthrough
			default:
				f.finish()
				return
			}
		}
		n, err := f.write()
		f.buf = f.buf[n:] // after stop, what is left of it is written by the next start
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil: // the script no longer reads: "it is not obliged to read any of the data" (RFC 3875, section 4.2)
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

// finish ends feeding for good. The script sees the end of its standard input.
func (f *feeder) finish() {
	f.to.Close()
	close(f.fed)
	f.run.late.Reset(maxFirstByte) // the script no longer waits for content
}

// isClosed reports whether c, on which nothing is sent, is closed.
func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
