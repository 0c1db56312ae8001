package rawhttp

import (
	"errors"
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// addErrorFields adds the fields that go with the error, where the response does not
// have them.
func addErrorFields(r *Response, err error) *Response {
	add := func(name, value string) {
		if !r.has(name) {
			r = r.Clone().Set(name, value)
		}
	}
	if errorStatus(err) == 405 {
		add("Allow", strings.Join(allowOf(err), ", "))
	}
	var fe *fieldError
	if errors.As(err, &fe) {
		add(fe.name, fe.value)
	}
	return r
}

// errorResponse returns the plain text that answers an error, and no more
// than the status, or the rule that a head broke.
func errorResponse(err error) *Response {
	status := errorStatus(err)
	text := ascii.StatusText(status)
	var pe *ParseError
	if errors.As(err, &pe) && pe.Status == status {
		text += ": " + pe.Reason + " (" + pe.Section + ")"
	}
	return addErrorFields(noSniff(Text(status, text+"\n")), err)
}

// allowed makes the answer to OPTIONS (RFC 9110, section 9.3.7).
func allowed(methods string) *Response {
	return noSniff(Empty(204).Set("Allow", methods))
}
