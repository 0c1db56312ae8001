package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Opcodes (RFC 6455, section 5.2).
const (
	continuation = 0x0
	text         = 0x1
	binaryFrame  = 0x2
	closing      = 0x8
	ping         = 0x9
	pong         = 0xa
)

const fin = 0x80

// A frame is the first byte of a WebSocket frame and its payload.
type frame struct {
	First   byte // FIN, RSV1 to RSV3, opcode
	Payload string
}

// bytes returns the bytes of the frame; those of a client are masked.
func (f frame) bytes(masked bool) []byte {
	b := []byte{f.First}
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(f.Payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !masked {
		return append(b, f.Payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i := range len(f.Payload) {
		b = append(b, f.Payload[i]^key[i%4])
	}
	return b
}

// closeFrame returns a frame that closes with a code and a reason.
func closeFrame(code uint16, reason string) frame {
	return frame{fin | closing, string(binary.BigEndian.AppendUint16(nil, code)) + reason}
}

// A rawClient is a WebSocket client that sends any bytes.
type rawClient struct {
	net.Conn
	in *bufio.Reader
}

// handshake is the request of RFC 6455, section 1.3.
const handshake = "GET /echo HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// dialRaw connects, and sends the handshake, followed by the bytes early.
func dialRaw(t *testing.T, addr string, early []byte) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) // limits a hang
	go conn.Write(append([]byte(handshake), early...))
	c := &rawClient{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Sec-WebSocket-Accept"); resp.StatusCode != 101 || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("the handshake is answered with %s and Sec-WebSocket-Accept %q", resp.Status, got)
	}
	return c
}

// readFrame reads a frame of the server. It must be in the shortest form, and not masked.
func (c *rawClient) readFrame() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return frame{}, err
	}
	n := uint64(head[1])
	var extended []byte
	switch n {
	case 126:
		extended = make([]byte, 2)
	case 127:
		extended = make([]byte, 8)
	}
	if _, err := io.ReadFull(c.in, extended); err != nil {
		return frame{}, err
	}
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(extended))
	case 127:
		n = binary.BigEndian.Uint64(extended)
	}
	if n > maxMessage {
		return frame{}, fmt.Errorf("a frame of %d bytes", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return frame{}, err
	}
	f := frame{head[0], string(payload)}
	if want := f.bytes(false); want[1] != head[1] {
		return f, fmt.Errorf("length byte %#x, want %#x", head[1], want[1])
	}
	return f, nil
}

// readFrames reads the frames of the server until it closes the connection, which it must do
// without a reset. It may answer a close frame.
func (c *rawClient) readFrames(t *testing.T, answers bool) (frames []frame) {
	t.Helper()
	for {
		f, err := c.readFrame()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			t.Errorf("read a frame: %v", err)
			return frames
		}
		frames = append(frames, f)
		if answers && f.First == fin|closing {
			c.Write(f.bytes(true))
		}
	}
}
