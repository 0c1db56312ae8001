// Package wire parses heads of requests and responses, chunk lines and trailer sections (RFC 9112):
// bytes in, offsets and errors out. It does no I/O and knows nothing of connections.
package wire

import (
	"errors"
	"fmt"
)

// ErrIncomplete reports that the input is the beginning of a valid head or chunk line, as
// far as can be told.
var ErrIncomplete = errors.New("rawhttp: the message is incomplete: more bytes are needed")

// An Error reports input that cannot be accepted. Its Reason is fixed text that never
// repeats input.
type Error struct {
	Status  int    // status code of the response
	Offset  int    // number of bytes before the first one that violates the rule
	Reason  string // what is wrong, such as "field name is not a token"
	Section string // source of the rule, such as "RFC 9112, section 5.1"
}

// BadGateway is the Status of every Error about a response: a gateway that receives an invalid
// response answers its client with 502 (RFC 9110, section 15.6.3).
const BadGateway = 502

// Error returns the offset, the reason and the source of the rule.
func (e *Error) Error() string {
	message := "request"
	if e.Status == BadGateway {
		message = "response"
	}
	return fmt.Sprintf("rawhttp: malformed %s at byte %d: %s (%s)", message, e.Offset, e.Reason, e.Section)
}

// Malformed returns an Error with status 400, which nearly all rules use: for input "that does
// not match the HTTP-message grammar aside from the robustness exceptions listed above, the
// server SHOULD respond with a 400 (Bad Request) response and close the connection." RFC 9112,
// section 2.2.
func Malformed(off int, reason, section string) *Error {
	return &Error{Status: 400, Offset: off, Reason: reason, Section: section}
}
