package lesson

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A turn is what one side sends before the other responds.
type turn struct {
	client bool
	bytes  string
}

var spoken = regexp.MustCompile(`^#[\d.]+ (C -->|S <--) (.*)$`)

// replay replays a conversation that a spy printed on another machine: a client and a server
// send the same bytes, with a spy between them. It returns what the spy prints.
func replay(t *testing.T, bin, recorded string) string {
	t.Helper()
	var turns []turn
	for line := range strings.Lines(recorded) {
		m := spoken.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue // a line about the connection, or an empty one
		}
		client := m[1] == "C -->"
		if len(turns) == 0 || turns[len(turns)-1].client != client {
			turns = append(turns, turn{client: client})
		}
		turns[len(turns)-1].bytes += onTheWire(t, m[2])
	}
	clientCloses := strings.Index(recorded, "C ==> closes")
	serverCloses := strings.Index(recorded, "S <== closes")
	clientFirst := clientCloses >= 0 && (serverCloses < 0 || clientCloses < serverCloses)

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	spy := start(t, filepath.Join(bin, "rawhttp"), []string{"spy", "-addr", "127.0.0.1:0", ln.Addr().String()})
	served := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			err = say(conn, turns, false, !clientFirst)
		}
		served <- err
	}()
	conn, err := net.Dial("tcp", "127.0.0.1"+spy.port)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(say(conn, turns, true, clientFirst), <-served); err != nil {
		t.Errorf("replay %.60q: %v", recorded, err)
	}
	return mask(spy.printed(t, allClosed))
}

// say sends the turns of one side, reads those of the other, and closes the connection
// at the end, before the other side if first is set.
func say(conn net.Conn, turns []turn, client, first bool) error {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(hang))
	for _, turn := range turns {
		if turn.client == client {
			if _, err := io.WriteString(conn, turn.bytes); err != nil {
				return err
			}
			continue
		}
		heard := make([]byte, len(turn.bytes))
		if _, err := io.ReadFull(conn, heard); err != nil {
			return err
		}
		if string(heard) != turn.bytes {
			return fmt.Errorf("received %q, want %q", heard, turn.bytes)
		}
	}
	if first {
		return nil
	}
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%d bytes more, %v", n, err)
	}
	return nil
}

var escape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// onTheWire returns the bytes that a line of a transcript represents.
func onTheWire(t *testing.T, shown string) string {
	if text, ok := strings.CutSuffix(shown, "<CRLF>"); ok {
		shown = text + "\r\n"
	} else if text, ok := strings.CutSuffix(shown, "<LF>"); ok {
		shown = text + "\n"
	}
	return escape.ReplaceAllStringFunc(shown, func(s string) string {
		n, err := strconv.ParseUint(s[2:], 16, 8)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		return string([]byte{byte(n)})
	})
}
