package rawhttp

import (
	"errors"
	"fmt"
)

// errIncomplete says that what there is may be the beginning of a head, or of a chunk line.
var errIncomplete = errors.New("rawhttp: the request head is not complete")

// A headError reports input that cannot be accepted. Its Reason is fixed text, and never
// repeats input.
type headError struct {
	Status  int // status code to answer with
	Offset  int // how many bytes come before the first one that breaks the rule
	Reason  string
	Section string // where the rule is, as in "RFC 9112, section 5.1"
}

// Error names the place, what is wrong there, and the rule.
func (e *headError) Error() string {
	return fmt.Sprintf("rawhttp: malformed request at byte %d: %s (%s)", e.Offset, e.Reason, e.Section)
}

// malformedHead makes the error of nearly every rule: 400 (RFC 9112, section 3: "A recipient
// that receives an invalid request-line SHOULD respond with either a 400 (Bad Request)
// error or a 301").
func malformedHead(off int, reason, section string) *headError {
	return &headError{Status: 400, Offset: off, Reason: reason, Section: section}
}
