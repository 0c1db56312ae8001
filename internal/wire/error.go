// Package wire takes request heads, chunk lines and trailer sections apart (RFC 9112): bytes
// in, offsets and errors out. It does no I/O and knows no connection.
package wire

import (
	"errors"
	"fmt"
)

// ErrIncomplete says that what there is may be the beginning of a head, or of a chunk line.
var ErrIncomplete = errors.New("rawhttp: the request head is not complete")

// A Error reports input that cannot be accepted. Its Reason is fixed text, and never
// repeats input.
type Error struct {
	Status  int // status code to answer with
	Offset  int // how many bytes come before the first one that breaks the rule
	Reason  string
	Section string // where the rule is, as in "RFC 9112, section 5.1"
}

// Error names the place, what is wrong there, and the rule.
func (e *Error) Error() string {
	return fmt.Sprintf("rawhttp: malformed request at byte %d: %s (%s)", e.Offset, e.Reason, e.Section)
}

// Malformed makes the error of nearly every rule: 400 (RFC 9112, section 3: "A recipient
// that receives an invalid request-line SHOULD respond with either a 400 (Bad Request)
// error or a 301").
func Malformed(off int, reason, section string) *Error {
	return &Error{Status: 400, Offset: off, Reason: reason, Section: section}
}
