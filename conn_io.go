package rawhttp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"
)

// minContentRate is the least that a client must send on average while its content
// is waited for, in bytes per second.
const minContentRate = 240

// An instant is a moment on the monotonic clock, in nanoseconds: less to ask for, to
// keep and to compare than a time.Time. None is below 1.
type instant int64

const never instant = 1<<63 - 1

// clockStart is where instants are counted from: so long ago that they are positive
// where testing/synctest says that it is the year 2000, too.
var clockStart = time.Now().Add(-50 * 365 * 24 * time.Hour)

func clock() instant { return instant(time.Since(clockStart)) }

// add returns the instant d later, never if there is none.
func (t instant) add(d time.Duration) instant {
	if later := t + instant(d); later > t || d <= 0 {
		return later
	}
	return never
}

// limit returns the instant d later; 0 is no limit.
func (t instant) limit(d time.Duration) instant {
	if d == 0 {
		return never
	}
	return t.add(d)
}

// deadline returns the instant as a net.Conn takes it.
func (t instant) deadline() time.Time {
	if t == never {
		return time.Time{}
	}
	return clockStart.Add(time.Duration(t))
}

// contentWait is how long a client has been waited for, for content of one
// request. Time that a resolver takes is not the client's.
type contentWait struct {
	waited   time.Duration
	received int64
}

// allowed returns how long the client may be waited for from now on.
func (w *contentWait) allowed(stall time.Duration) time.Duration {
	const enough = 1 << 33 // bytes: of more the seconds would not fit
	return max(stall, time.Duration(min(w.received, enough))*time.Second/minContentRate) - w.waited
}

// errEvicted is what a read of a lingering connection gets that was evicted.
var errEvicted = errors.New("rawhttp: the connection was evicted")

// errInterrupted is what a read of content gets that another goroutine ends. The
// content can be read on.
var errInterrupted = errors.New("rawhttp: the read was interrupted")

// interrupt ends the read of content that waits, and later ones until resume.
// Others call it.
func (c *conn) interrupt() {
	c.read.interrupted.Store(true)
	c.wakeReader()
}

// resume is called when no content is being read.
func (c *conn) resume() {
	c.read.interrupted.Store(false)
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.setReadDeadline(never)
}

// wakeReader ends the read that waits, if there is one.
func (c *conn) wakeReader() { c.nc.SetReadDeadline(time.Unix(1, 0)) }

func isTimeout(err error) bool {
	if err == nil {
		return false
	}
	if ne, ok := err.(net.Error); ok { // nearly always; errors.As takes memory
		return ne.Timeout()
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Read reads once from the client, for the connection itself, after all responses that are
// whole were written: what a client does not have yet it cannot go on from.
func (c *conn) Read(p []byte) (n int, err error) {
	if n = c.watch.takeAhead(p); n > 0 {
		c.took(p[:n])
		return n, nil
	}
	if err := c.flushFirst(); err != nil {
		return 0, err
	}
	switch c.state {
	case StateIdle:
		n, err = c.readIdle(c.read.limit, p)
	case StateDrain:
		n, err = c.readPaced(maxDrainSilence, p)
	default:
		n, err = c.readBefore(c.read.limit, p)
	}
	c.took(p[:n])
	return n, err
}

// A contentConn is a connection that content is read from, while the program may read it
// on whatever goroutine.
type contentConn conn

func (r *contentConn) Read(p []byte) (n int, err error) {
	c := (*conn)(r)
	c.beginRead()
	defer c.endRead()
	if n = c.watch.takeAhead(p); n == 0 {
		n, err = c.readContent(p)
	}
	c.took(p[:n])
	return n, err
}

// took takes note of what came from the client.
func (c *conn) took(p []byte) {
	if len(p) > 0 {
		c.srv.stats.bytesRead.Add(uint64(len(p)))
		c.srv.trace.bytesRead(c.id, c.num, p)
	}
}

// flushFirst writes what the client may be waiting for itself. The time that it
// takes to accept that is not counted against it.
func (c *conn) flushFirst() error {
	if c.work.out.done > 0 {
		start := clock()
		c.work.out.flushDone()
		c.read.limit = c.read.limit.add(time.Duration(clock() - start))
	}
	return c.write.broken
}

// readContent reads content for the program. Its errors are the client's.
func (c *conn) readContent(p []byte) (n int, err error) {
	n, err = c.readPaced(c.srv.config.stallTimeout, p)
	switch {
	case isTimeout(err):
		err = &StatusError{Status: 408, Err: err}
	case err != nil && err != io.EOF && err != errInterrupted:
		err = &StatusError{Status: 400, Err: err}
	}
	return n, err
}

// readPaced reads content, for which the client has a limit of silence, 0 for none, and
// one of slowness.
func (c *conn) readPaced(silence time.Duration, p []byte) (n int, err error) {
	w := &c.read.content
	start, limit := clock(), never
	if silence > 0 {
		limit = start.add(min(silence, w.allowed(silence)))
	}
	n, err = c.readBefore(limit, p)
	w.waited += time.Duration(clock() - start)
	w.received += int64(n)
	return n, err
}

// readBefore reads until the limit.
func (c *conn) readBefore(limit instant, p []byte) (int, error) {
	if c.read.deadline > limit {
		c.setReadDeadline(limit)
	}
	for {
		if c.life.Load() == lifeOver {
			return 0, errEvicted
		}
		if c.read.interrupted.Load() {
			return 0, errInterrupted
		}
		n, err := c.nc.Read(p)
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		if clock() >= limit {
			return 0, err
		}
		c.setReadDeadline(limit)
	}
}

func (c *conn) setReadDeadline(limit instant) {
	c.read.deadline = limit
	c.nc.SetReadDeadline(limit.deadline())
}

// evict ends the connection if its life is still as given; others call it. It reports
// whether it did. The read that waits then is woken, and the connection's goroutine
// closes.
func (c *conn) evict(life int64) bool {
	if !c.life.CompareAndSwap(life, lifeOver) {
		return false
	}
	c.wakeReader()
	return true
}

// Write writes all of p. The limit is on the time in which the client takes
// nothing at all.
func (c *conn) Write(p []byte) (written int, err error) {
	c.expectLargeWrite(len(p))
	for written < len(p) && err == nil {
		piece := p[written:]
		if !c.resumes {
			piece = piece[:min(len(piece), maxPiece)]
		}
		err = c.keepWriting(func() (int, error) {
			n, err := c.nc.Write(piece)
			written, piece = written+n, piece[n:]
			return n, err
		})
	}
	c.srv.stats.bytesWritten.Add(uint64(written))
	c.srv.trace.bytesWritten(c.id, c.num, p[:written])
	return written, err
}

// ReadFrom writes all of r, a file by the system's shortest way.
func (c *conn) ReadFrom(r io.Reader) (written int64, err error) {
	to, file := c.fastWay(r)
	if file == nil {
		scratch := scratchPool.Get().(*[scratchSize]byte)
		defer scratchPool.Put(scratch)
		return io.CopyBuffer(struct{ io.Writer }{c}, steadyReader{r}, scratch[:])
	}
	c.expectLargeWrite(maxJoined)
	c.write.deadline = 0 // where it has passed, the file is copied by way of a buffer
	err = c.keepWriting(func() (int, error) {
		before := file.N
		n, err := to.ReadFrom(file)
		written += n
		if lost := before - file.N - n; lost > 0 {
			err = takeBack(file, lost, err)
		}
		return int(min(n, 1<<30)), err
	})
	c.srv.stats.bytesWritten.Add(uint64(written))
	return written, err
}

// takeBack has the last bytes of a file read again. Where the system refuses sendfile they
// go by way of a buffer, so that some have been read and not written when err, a deadline,
// ends the write.
func takeBack(file *io.LimitedReader, lost int64, err error) error {
	if _, seekErr := file.R.(*os.File).Seek(-lost, io.SeekCurrent); seekErr != nil {
		return errors.Join(errLostBytes, seekErr, err)
	}
	file.N += lost
	return err
}

// errLostBytes says that bytes were read from a file and not written, so that
// writing cannot go on after them.
var errLostBytes = errors.New("rawhttp: write stopped short of what was read")

// fastWay reports whether r can go from a file to the connection without being
// looked at.
func (c *conn) fastWay(r io.Reader) (io.ReaderFrom, *io.LimitedReader) {
	limited, ok := r.(*io.LimitedReader)
	if !ok || !c.resumes || c.srv.trace.bytes {
		return nil, nil
	}
	if _, ok := limited.R.(*os.File); !ok {
		return nil, nil
	}
	to, ok := c.nc.(*net.TCPConn)
	if !ok {
		return nil, nil
	}
	return to, limited
}

// resumes reports whether a Write to nc that has met its deadline says how much it wrote
// and can be followed by another, as io.Writer and net.Conn have it. Windows does not say
// so, and TLS fails for good, also where a wrapper hides it.
func resumes(nc net.Conn) bool {
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("%T", nc) == "*net.pipe"
	}
	_, ok := nc.(syscall.Conn)
	return ok || !holdsTLS(reflect.ValueOf(nc), 4)
}

var (
	connType       = reflect.TypeFor[net.Conn]()
	handshakerType = reflect.TypeFor[handshaker]()
)

// holdsTLS reports whether nc is a TLS connection or a wrapper that keeps one in a field,
// or one that keeps such a wrapper, down to depth.
func holdsTLS(nc reflect.Value, depth int) bool {
	for nc.Kind() == reflect.Pointer || nc.Kind() == reflect.Interface {
		if nc.Type().Implements(handshakerType) {
			return true
		}
		nc = nc.Elem()
	}
	if nc.Kind() != reflect.Struct || depth == 0 {
		return false
	}
	for i := range nc.NumField() { // Fields would add 4 KB to every program
		if field := nc.Field(i); field.Type().Implements(connType) && holdsTLS(field, depth-1) {
			return true
		}
	}
	return false
}

// maxPiece is how much is written at once to a connection that cannot go on after a write
// that has met its deadline: a TLS record. The client has the whole limit to take it.
const maxPiece = 16 << 10

// keepWriting writes until it is done or the client has taken nothing for the
// stall timeout.
//
// The system does not say when it took the last bytes of a write that then blocks. So a
// write that can be resumed is interrupted now and then, and if it has moved any bytes
// the limit begins again: a client is cut a twentieth late at most, and never early. After such
// bytes the next look comes soon, since the system often takes some more. Deadlines are left
// where they are while they serve: one that is too early ends a write that can be resumed.
// Of a write that cannot, nobody can tell when its last bytes were taken, and its end is
// the connection's.
func (c *conn) keepWriting(write func() (int, error)) error {
	if c.write.broken != nil {
		return c.write.broken
	}
	stall := c.srv.config.stallTimeout
	now, pause := clock(), stall/40
	limit := now.limit(stall)
	for first := true; ; first = false {
		until, early := min(limit, now.limit(pause)), instant(1)
		if !c.resumes {
			until, early = limit.add(stall/20), limit
		}
		set := !first || c.write.deadline < early || c.write.deadline > until
		if set { // else it is left where it is
			c.setWriteDeadline(until)
		}
		n, err := write()
		if err == nil {
			return nil
		}
		now = clock()
		switch {
		case isTimeout(err) && n > 0 && c.resumes && !errors.Is(err, errLostBytes):
			limit, pause = now.limit(stall), stall/1000
		case !isTimeout(err), now >= limit, set && now < until: // or it fails for good, as TLS does after a deadline
			c.write.broken = err
			return err
		default:
			pause = min(2*pause, stall/40)
		}
	}
}

func (c *conn) setWriteDeadline(limit instant) {
	c.write.deadline = limit
	c.nc.SetWriteDeadline(limit.deadline())
}

// expectLargeWrite is called before n bytes are written. Before much is, it keeps the
// system from taking megabytes at once.
func (c *conn) expectLargeWrite(n int) {
	if c.write.lowat {
		return
	}
	if c.write.taken += n; c.write.taken >= maxJoined {
		c.write.lowat = true
		setNotSentLowat(c.nc)
	}
}
