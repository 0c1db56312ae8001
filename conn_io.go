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

// minContentRate is the least average rate, in bytes per second, at which a client must
// send content while the server waits for it. It is the rate of a modem of 2400 bit/s: no honest
// client is slower, and one that sends a byte now and then does not hold a connection for long.
const minContentRate = 240

// An instant is a time on the monotonic clock, in nanoseconds since clockStart. It is
// cheaper to read, store and compare than a time.Time. It is at least 1.
type instant int64

// never is later than any instant: there is no limit.
const never instant = 1<<63 - 1

// clockStart is the origin of instants. It lies 50 years back, so that instants are
// positive even in testing/synctest, where the clock starts in the year 2000.
var clockStart = time.Now().Add(-50 * 365 * 24 * time.Hour)

// clock returns the current instant. time.Since reads the monotonic clock alone, so a change of
// the system's time moves no limit.
func clock() instant { return instant(time.Since(clockStart)) }

// add returns the instant d later, or never on overflow.
func (t instant) add(d time.Duration) instant {
	if later := t + instant(d); later > t || d <= 0 {
		return later
	}
	return never // a program may set a limit of centuries, and never itself has no later
}

// limit returns the instant d later, or never if d is 0.
func (t instant) limit(d time.Duration) instant {
	if d == 0 {
		return never
	}
	return t.add(d)
}

// deadline converts t for a net.Conn.
func (t instant) deadline() time.Time {
	if t == never {
		return time.Time{}
	}
	return clockStart.Add(time.Duration(t))
}

// maxLate is how late a timer or deadline may be noticed. If it is noticed later, the system has
// not run the process for a while, and what arrived meanwhile has not been looked at: neither the
// queue of a listener nor the buffer of a connection can be taken for empty.
const maxLate = 2 * time.Millisecond

// After a deadline was noticed late, a read looks at the connection once more. The look returns at
// once if there is anything to read; otherwise it waits for lookTime, in case the machine is busy.
// If the look itself is noticed late, another follows, up to maxLooks.
//
// Three loops do so, each with a reason of its own to look or to give up. readIdle also looks at a
// connection that is to leave, though nothing was late, since its deadline was in the past.
// readBefore counts the looks of several reads; otherwise a client that sends a byte within each
// would never be late.
// keepWriting tries the write only once more: it either moves bytes or does not.
const (
	lookTime = 20 * time.Millisecond
	maxLooks = 10
)

// A contentWait records how long the server has waited for the content of one request. Time
// that the resolver takes does not count.
type contentWait struct {
	waited   time.Duration // in reads, in total
	received int64         // bytes of content and its framing
}

// allowed returns how much longer to wait for the client: what it has sent so far justifies
// a wait at minContentRate, and stall is granted to every client.
func (w *contentWait) allowed(stall time.Duration) time.Duration {
	const enough = 1 << 33 // more bytes than this would overflow a Duration
	return max(stall, time.Duration(min(w.received, enough))*time.Second/minContentRate) - w.waited
}

// errEvicted ends the read of an evicted connection that was lingering.
var errEvicted = errors.New("rawhttp: the connection was evicted")

// interrupt ends the current read of content, and later ones until resume is called. Any
// goroutine may call it.
func (c *conn) interrupt() {
	c.read.interrupted.Store(true)
	c.wakeReader()
}

// resume undoes interrupt. It must not be called during a read of content.
func (c *conn) resume() {
	c.read.interrupted.Store(false)
	c.watch.mu.Lock() // endRead may have started the watch, which sets deadlines too
	defer c.watch.mu.Unlock()
	c.setReadDeadline(never) // the deadline that interrupt set is not in c.read.deadline
}

// wakeReader ends the current read, if any, by a deadline in the past.
func (c *conn) wakeReader() { c.nc.SetReadDeadline(time.Unix(1, 0)) }

// isTimeout reports whether err means that a deadline of the net.Conn, or of a wrapper, has been
// exceeded.
func isTimeout(err error) bool {
	if err == nil || err == io.EOF { // nearly always, and errors.As would allocate
		return false
	}
	// Most errors need no errors.As, which would grow the small stack of a parked connection
	// whenever its early deadline fires.
	if ne, ok := err.(net.Error); ok {
		return ne.Timeout()
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Read reads once, for the connection itself. First it writes the complete responses: a
// client may not send more before it has received them.
func (c *conn) Read(p []byte) (n int, err error) {
	if n = c.watch.takeAhead(p); n > 0 { // it arrived before anything that the kernel holds
		c.countRead(p[:n])
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
	default: // a head, or lingering
		n, err = c.readBefore(c.read.limit, p)
	}
	c.countRead(p[:n])
	return n, err
}

// A contentConn is a conn as a source of content. Unlike conn.Read, its Read may run on any
// goroutine of the program, so it must not write responses: beginContent has written them.
type contentConn conn

// Read reads content. The caller holds the mutex of the content, so it owns the read side.
func (r *contentConn) Read(p []byte) (n int, err error) {
	c := (*conn)(r)
	c.watch.beginRead() // the watch must not read meanwhile
	defer c.watch.endRead()
	if n = c.watch.takeAhead(p); n == 0 {
		n, err = c.readContent(p)
	}
	c.countRead(p[:n])
	return n, err
}

// countRead counts and traces bytes read from the client.
func (c *conn) countRead(p []byte) {
	if len(p) > 0 {
		c.srv.stats.bytesRead.Add(uint64(len(p)))
		c.srv.trace.bytesRead(c.id, c.num, p)
	}
}

// flushFirst writes the complete responses, which the client may be waiting for. The time
// this takes is added to the read limit: a client that reads slowly has not been slow to send.
func (c *conn) flushFirst() error {
	if c.work.out.done > 0 {
		start := clock()
		c.work.out.flushDone()
		c.read.limit = c.read.limit.add(time.Duration(clock() - start))
	}
	return c.write.broken
}

// readContent reads content for the program. Other than io.EOF and errInterrupted, it
// returns errors that blame the client.
func (c *conn) readContent(p []byte) (n int, err error) {
	n, err = c.readPaced(c.srv.config.stallTimeout, p)
	switch {
	case isTimeout(err):
		err = &StatusError{Status: 408, Err: err}
	case err != nil && err != io.EOF && err != errInterrupted: // a reset, for example
		err = &StatusError{Status: 400, Err: err}
	}
	return n, err
}

// readPaced reads content. It limits both the time without a byte (silence) and the average
// rate (minContentRate). If silence is 0, it limits neither.
func (c *conn) readPaced(silence time.Duration, p []byte) (n int, err error) {
	w := &c.read.content
	start, limit := clock(), never
	if silence > 0 {
		limit = start.add(min(silence, w.allowed(silence)))
	}
	if start < limit {
		c.read.looks = 0
	}
	n, err = c.readBefore(limit, p)
	w.waited += time.Duration(clock() - start)
	w.received += int64(n)
	return n, err
}

// readBefore reads once, waiting no longer than limit. If the limit is noticed late, bytes may
// have arrived while the system did not run the process, so it looks for them again. c.read.looks
// counts the looks since there was time left: a limit that is over holds for later reads, too,
// even if the client sends a byte within each look.
func (c *conn) readBefore(limit instant, p []byte) (int, error) {
	if c.read.deadline > limit { // an earlier one stays; see readSide
		c.setReadDeadline(limit)
	}
	for {
		// Look after setting the deadline: whoever evicts or interrupts stores first, and sets a
		// deadline then. So either the read sees what was stored, or its deadline is in the past.
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
		switch now := clock(); {
		case now < limit: // the deadline was an earlier one
		case c.read.looks == maxLooks, now <= limit.add(maxLate):
			return 0, err
		default:
			c.read.looks++
			limit = now.add(lookTime)
		}
		c.setReadDeadline(limit)
	}
}

// setReadDeadline sets the deadline of the net.Conn, and remembers it. Only the owner of the
// read side may call it.
func (c *conn) setReadDeadline(limit instant) {
	c.read.deadline = limit
	c.nc.SetReadDeadline(limit.deadline())
}

// evict ends the connection if its life still equals the argument, and reports whether it
// did. It wakes a waiting read; the connection's own goroutine then closes. Any goroutine
// may call it. The comparison keeps a connection on which a request has begun meanwhile.
func (c *conn) evict(life int64) bool {
	if !c.life.CompareAndSwap(life, lifeOver) {
		return false
	}
	c.wakeReader()
	return true
}

// Write writes all of p. It fails if the client accepts no byte for the stall timeout.
func (c *conn) Write(p []byte) (written int, err error) {
	c.expectLargeWrite(len(p))
	for written < len(p) && err == nil {
		piece := p[written:]
		if !c.resumesWrites {
			piece = piece[:min(len(piece), maxPiece)]
		}
		err = c.keepWriting(func() (int, error) {
			n, err := c.nc.Write(piece)
			written, piece = written+n, piece[n:] // so that another call continues
			return n, err
		})
	}
	c.srv.stats.bytesWritten.Add(uint64(written)) // also after an error: they are on the wire
	c.srv.trace.bytesWritten(c.id, c.num, p[:written])
	return written, err
}

// ReadFrom writes all of r, with sendfile if r is a file and the system can.
func (c *conn) ReadFrom(r io.Reader) (written int64, err error) {
	to, file := c.fileToSend(r)
	if file == nil {
		scratch := scratchPool.Get().(*[scratchSize]byte)
		defer scratchPool.Put(scratch)
		// io.CopyBuffer would call the ReadFrom of c, so it gets a Writer without one.
		return io.CopyBuffer(struct{ io.Writer }{c}, steadyReader{r}, scratch[:])
	}
	c.expectLargeWrite(maxJoined)
	c.write.deadline = 0 // with a deadline in the past, the file would be copied through a buffer
	err = c.keepWriting(func() (int, error) {
		before := file.N
		n, err := to.ReadFrom(file)
		written += n
		if lost := before - file.N - n; lost > 0 {
			err = rewind(file, lost, err)
		}
		return int(min(n, 1<<30)), err // only whether it is 0 matters; an int may have 32 bits
	})
	c.srv.stats.bytesWritten.Add(uint64(written))
	return written, err
}

// rewind seeks a file back by lost bytes, to be read again. Where the system refuses
// sendfile, the net package copies through a buffer, so bytes may have been read but not
// written when err, a timeout, ended the write.
func rewind(file *io.LimitedReader, lost int64, err error) error {
	if _, seekErr := file.R.(*os.File).Seek(-lost, io.SeekCurrent); seekErr != nil {
		return errors.Join(errLostBytes, seekErr, err)
	}
	file.N += lost
	return err
}

// errLostBytes reports that bytes were read from a file but not written, so that writing
// cannot continue after them.
var errLostBytes = errors.New("rawhttp: write stopped short of what was read")

// fileToSend returns the operands of sendfile if r is a file and nothing needs to see its
// bytes; otherwise both results are nil.
func (c *conn) fileToSend(r io.Reader) (io.ReaderFrom, *io.LimitedReader) {
	limited, ok := r.(*io.LimitedReader)
	if !ok || !c.resumesWrites || c.srv.trace.bytes { // hooks for bytes could not see them
		return nil, nil
	}
	if _, ok := limited.R.(*os.File); !ok {
		return nil, nil
	}
	// innermost(c.nc) would not do: a wrapper may change the bytes, as TLS does.
	to, ok := c.nc.(*net.TCPConn)
	if !ok {
		return nil, nil
	}
	return to, limited
}

// resumesWrites reports whether a Write to nc that times out returns how much it wrote and can be
// followed by another, as io.Writer and net.Conn document. On Windows the count is missing,
// and TLS fails for good, even inside a wrapper.
func resumesWrites(nc net.Conn) bool {
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("%T", nc) == "*net.pipe"
	}
	_, ok := nc.(syscall.Conn) // a socket itself
	return ok || !holdsTLS(reflect.ValueOf(nc), 4)
}

var (
	connType       = reflect.TypeFor[net.Conn]()
	handshakerType = reflect.TypeFor[handshaker]()
)

// holdsTLS reports whether nc is a TLS connection, or a wrapper that holds one in a field,
// nested up to depth levels.
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

// maxPiece is the size of one write to a connection that cannot continue after a timeout:
// one TLS record. The stall timeout applies to each piece.
const maxPiece = 16 << 10

// keepWriting calls write until it is done, or until the client has accepted nothing for
// the stall timeout.
//
// The system does not report when it accepted the last bytes of a write that then blocks.
// So if c.resumesWrites, the write is interrupted now and then, and the limit starts again
// whenever bytes have moved: a client is cut off at most a twentieth late, and never early.
// After bytes have moved, the next check comes soon, since the system often accepts some
// more. A deadline already set stays if it serves; one that is too early merely interrupts
// the write. If the limit is noticed late, the client may have accepted bytes while the system
// did not run the process, so the write is tried once more. A write that cannot be resumed is
// not interrupted, and its timeout ends the connection.
func (c *conn) keepWriting(write func() (int, error)) error {
	if c.write.broken != nil { // the client would misread bytes that follow a gap
		return c.write.broken
	}
	stall := c.srv.config.stallTimeout
	now, pause := clock(), stall/40 // how late a cut may be, with room for the write itself
	limit, late := now.limit(stall), false
	for first := true; ; first = false {
		until, early := min(limit, now.limit(pause)), instant(1)
		// A deadline up to a twentieth late serves, so that many writes share one.
		if !c.resumesWrites {
			until, early = limit.add(stall/20), limit
		}
		set := !first || c.write.deadline < early || c.write.deadline > until
		if set { // otherwise the old deadline serves
			c.setWriteDeadline(until)
		}
		n, err := write()
		if err == nil {
			return nil
		}
		now = clock()
		switch {
		case isTimeout(err) && n > 0 && c.resumesWrites && !errors.Is(err, errLostBytes):
			limit, pause, late = now.limit(stall), stall/1000, false
		case isTimeout(err) && c.resumesWrites && now > limit.add(maxLate) && !late:
			limit, late = now.add(stall/40), true
		case !isTimeout(err), now >= limit, set && now < until:
			// If a write fails before the deadline that was set for it, every later one will, as
			// in TLS after a timeout.
			c.write.broken = err
			return err
		default:
			pause = min(2*pause, stall/40)
		}
	}
}

// setWriteDeadline is like setReadDeadline, for the owner of the write side.
func (c *conn) setWriteDeadline(limit instant) {
	c.write.deadline = limit
	c.nc.SetWriteDeadline(limit.deadline())
}

// expectLargeWrite is called before n bytes are written. Once the total reaches maxJoined,
// it limits how many bytes the kernel buffers.
func (c *conn) expectLargeWrite(n int) {
	if c.write.lowat {
		return
	}
	if c.write.taken += n; c.write.taken >= maxJoined {
		c.write.lowat = true
		setNotSentLowat(c.nc)
	}
}
