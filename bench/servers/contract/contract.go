// Package contract has what the contenders in Go have in common: texts that they send, and
// their TLS.
package contract

import (
	"crypto/tls"
	"path/filepath"
	"strconv"
	"time"
)

// Event is what a stream of server-sent events sends at its beginning, and again each
// EventInterval.
const (
	Event         = "data: Hello, World!\n\n"
	EventInterval = 100 * time.Millisecond
)

// Received returns the response to an upload of n bytes.
func Received(n int64) string { return strconv.FormatInt(n, 10) + "\n" }

// A Sink discards what is written to it. Unlike io.Discard it has no ReadFrom method, so
// io.Copy uses as large a buffer as it does for a file.
type Sink struct{}

// Write implements io.Writer.
func (Sink) Write(b []byte) (int, error) { return len(b), nil }

// The names of the files with the certificate and its key.
const (
	CertFile = "cert.pem"
	KeyFile  = "key.pem"
)

// TLS returns the configuration for the certificate in a folder. No session is resumed, so
// that each connection has a full handshake.
func TLS(folder string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(folder, CertFile), filepath.Join(folder, KeyFile))
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{cert},
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}, nil
}
