package rawhttp

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// requestVariables are the variables that describe a request to a script (RFC 3875,
// section 4.1), other than those that begin with HTTP_. WithScriptEnv accepts none of them, not
// even one that is never set, since scripts trust that only the server sets them.
var requestVariables = []string{
	"GATEWAY_INTERFACE", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "SERVER_NAME", "SERVER_PORT",
	"REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SCRIPT_NAME", "SCRIPT_FILENAME",
	"PATH_INFO", "PATH_TRANSLATED", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_USER",
	"AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS",
}

// isRequestVariable reports whether only the server may set the variable.
func isRequestVariable(name string) bool {
	return strings.HasPrefix(name, "HTTP_") || slices.Contains(requestVariables, name)
}

// A scriptCall is what a script is passed in addition to the request itself.
type scriptCall struct {
	name          string // decoded path of the script, for SCRIPT_NAME
	file          string // path of the script in the system
	pathInfo      string
	contentLength int64 // bytes; -1 if there is no content
	software      string
}

// appendVariables appends the variables that describe the request.
//
// Two variables are left out deliberately. PATH_TRANSLATED, which RFC 3875, section 4.1.6, says
// SHOULD be set with PATH_INFO, would name a file that has not passed the rules for names.
// AUTH_TYPE (section 4.1.1) is the scheme of the resolver that has called WithUser, which is
// not known here.
func (s *scriptCall) appendVariables(env []string, req *Request) []string {
	info := req.Conn()
	// The port is always that "on which this request is received from the client" (RFC 3875,
	// section 4.1.15), not the one in Host.
	host, port := info.local()
	if name := wire.HostWithoutPort(req.Host()); name != "" {
		host = name
	}
	client := info.client()
	for _, v := range [...][2]string{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"SERVER_PROTOCOL", req.Version()},
		{"SERVER_SOFTWARE", s.software},
		{"SERVER_NAME", host},
		{"SERVER_PORT", port},
		{"REQUEST_METHOD", req.Method()},
		{"REQUEST_URI", req.Target()},
		{"QUERY_STRING", req.RawQuery()}, // "MUST be defined as an empty string" if there is no query: RFC 3875, section 4.1.7
		{"SCRIPT_NAME", s.name},
		{"SCRIPT_FILENAME", s.file},
		{"REMOTE_ADDR", client},
		{"REMOTE_HOST", client}, // the address, since the name is unknown: RFC 3875, section 4.1.9
	} {
		env = append(env, v[0]+"="+v[1])
	}
	if s.pathInfo != "" {
		env = append(env, "PATH_INFO="+s.pathInfo)
	}
	if s.contentLength >= 0 {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(s.contentLength, 10))
	}
	for value := range req.Header().Values("Content-Type") { // set if the field is present, even if it is empty: section 4.1.3
		env = append(env, "CONTENT_TYPE="+value)
		break
	}
	if req.user != "" {
		env = append(env, "REMOTE_USER="+req.user)
	}
	if info.TLS { // "a meta-variable with the name of the scheme": RFC 3875, section 4.1.18; "on" is what Apache sends
		env = append(env, "HTTPS=on")
	}
	return appendFieldVariables(env, req)
}

// appendFieldVariables appends one variable for each field name. "If multiple header fields with
// the same field-name are received then the server MUST rewrite them as a single value having
// the same semantics." RFC 3875, section 4.1.18
func appendFieldVariables(env []string, req *Request) []string {
	h := req.Header()
	for i := range h.Len() {
		name := h.name(i)
		if !isFieldForScripts(name) || firstLine(h, name) < i {
			continue
		}
		separator := ", " // RFC 9110, section 5.3
		if ascii.EqualFold(name, "Cookie") {
			separator = "; " // as between the cookies of one line: RFC 6265, section 4.2.1
		}
		values := slices.Collect(h.Values(name))
		if ascii.EqualFold(name, "Host") {
			values = []string{req.Host()} // the host of the target takes precedence (RFC 9112, section 3.2.2)
		}
		env = append(env, variableName(name)+"="+strings.Join(values, separator))
	}
	return env
}

// firstLine returns the index of the first field line with the name, which must exist.
func firstLine(h Header, name string) (i int) {
	for !ascii.EqualFold(h.name(i), name) {
		i++
	}
	return i
}

// variableName returns the variable for a field: "The HTTP header field name is converted to
// upper case, has all occurrences of "-" replaced with "_" and has "HTTP_" prepended to give the
// meta-variable name." RFC 3875, section 4.1.18
func variableName(fieldName string) string {
	name := []byte("HTTP_" + fieldName)
	for i, c := range name {
		switch {
		case c == '-':
			name[i] = '_'
		case 'a' <= c && c <= 'z':
			name[i] = c - 'a' + 'A'
		}
	}
	return string(name)
}

// isFieldForScripts reports whether scripts receive the field. Proxy would become
// HTTP_PROXY, from which many programs take their proxy. The server "SHOULD remove any header
// fields carrying authentication information, such as 'Authorization'; or that are available to
// the script in other variables", and "MAY remove header fields that relate solely to
// client-side communication issues, such as 'Connection'." RFC 3875, section 4.1.18
func isFieldForScripts(name string) bool {
	// Names with an underscore are skipped, since A_B and A-B would become the same variable.
	// The other characters of a token have no place in the names that shells accept.
	for i := range len(name) {
		if c := name[i]; !ascii.IsAlpha(c) && !ascii.IsDigit(c) && c != '-' {
			return false
		}
	}
	return !ascii.IsAnyOf(name, "Proxy", "Authorization", "Proxy-Authorization", "Connection", "Transfer-Encoding",
		"Content-Length", "Content-Type")
}

// maxScriptFields is the most bytes of fields at the beginning of the output: as many as a
// request may have by default.
const maxScriptFields = 32 << 10

// A scriptHead is the part of a response that the output of a script determines before
// the content.
type scriptHead struct {
	status    int     // 0 before take has seen a Status
	mediaType string  // "" before take has seen a Content-Type, and if there is none
	fields    []field // other fields, in the order in which they were printed
	redirects bool    // there is a Location field
	length    int64   // Content-Length, or -1 if there is none
	size      int     // bytes of output before the content
}

// A scriptFault describes invalid output of a script. It is answered with 502.
type scriptFault string

func (f scriptFault) Error() string   { return "rawhttp: output of a script: " + string(f) }
func (f scriptFault) StatusCode() int { return 502 }

// parseScriptOutput parses the output of a script so far; whole reports whether the output has
// ended. It returns [ErrIncomplete] if it needs more output to decide.
//
// Output that does not address the server in any field is plain: "At least one CGI field MUST
// be supplied" (RFC 3875, section 6.3), but the simplest scripts just print a page.
func parseScriptOutput(out []byte, whole bool, mode ScriptOutput) (scriptHead, error) {
	plain := scriptHead{status: 200, mediaType: textHTML, length: -1}
	if mode == ScriptPlain {
		return plain, nil
	}
	size, isCGI, err := findFields(out)
	switch {
	case err == ErrIncomplete && !whole:
		return plain, err
	case err == nil && (isCGI || mode == ScriptCGI):
		return parseScriptFields(out[:size])
	case mode == ScriptCGI, isCGI && err == errFieldsTooLong:
		return plain, scriptFault("it does not begin with fields and an empty line within 32 KiB")
	}
	return plain, nil
}

const (
	errNoFields      = scriptFault("a line is not a field line")
	errFieldsTooLong = scriptFault("the fields are longer than 32 KiB")
)

// findFields finds the block of field lines at the beginning of out. It returns the
// size of the block, including the empty line after it, and reports whether it contains
// a field by which a script addresses the server: Content-Type, Location or Status.
func findFields(out []byte) (size int, isCGI bool, err error) {
	for size < maxScriptFields {
		n := bytes.IndexByte(out[size:min(len(out), maxScriptFields)], '\n')
		switch {
		case n < 0 && len(out) < maxScriptFields:
			return 0, isCGI, ErrIncomplete
		case n < 0:
			return 0, isCGI, errFieldsTooLong
		}
		// "The newline (NL) sequence is LF; servers should also accept CR LF as a newline."
		// RFC 3875, section 7.2
		line := strings.TrimSuffix(string(out[size:size+n]), "\r")
		name, _, isField := strings.Cut(line, ":")
		switch {
		case line == "" && size > 0:
			return size + n + 1, isCGI, nil
		case !isField:
			return 0, isCGI, errNoFields
		}
		// Blanks around the name are a fault, but it is clear what was meant: the response is
		// then 502, instead of a page that shows the fields.
		isCGI = isCGI || ascii.IsAnyOf(ascii.TrimBlanks(name), "Content-Type", "Location", "Status")
		size += n + 1
	}
	return 0, isCGI, errFieldsTooLong
}

// parseScriptFields parses a block of field lines.
func parseScriptFields(block []byte) (scriptHead, error) {
	h := scriptHead{length: -1, size: len(block)}
	for line := range strings.SplitSeq(string(block), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = ascii.TrimBlanks(value)
		// "CGI/1.1 does not support continuation lines. Whitespace is permitted between the ":"
		// and the field-value (but not between the field-name and the ":")". RFC 3875,
		// section 6.3
		if !ascii.IsToken(name) || !ascii.IsFieldValue(value) {
			return h, scriptFault("field line " + strconv.Quote(line) + " is malformed")
		}
		if !h.record(name, value) {
			return h, scriptFault("field line " + strconv.Quote(line) + " has an invalid value or is repeated")
		}
	}
	if h.status == 0 {
		h.status = 200 // RFC 3875, section 6.2.1
		if h.redirects {
			h.status = 302 // RFC 3875, section 6.2.3
		}
	}
	return h, nil
}

// record records one field. It reports whether the value is valid and not a repetition: "each CGI
// field MUST NOT appear more than once in the response." RFC 3875, section 6.3
func (h *scriptHead) record(name, value string) bool {
	switch {
	case ascii.EqualFold(name, "Status"):
		again := h.status != 0
		h.status = parseScriptStatus(value)
		return !again && h.status != 0
	case ascii.EqualFold(name, "Content-Type"):
		again := h.mediaType != ""
		h.mediaType = value
		return !again && value != ""
	case ascii.EqualFold(name, "Content-Length"):
		n, err := strconv.ParseUint(value, 10, 62)
		again := h.length >= 0
		h.length = int64(n)
		return !again && err == nil
	case ascii.EqualFold(name, "Location"):
		// A path goes to the client as well. RFC 3875, section 6.2.2, would have the server
		// answer with that resource, under a URL from which its relative links may not work.
		if h.redirects || value == "" || !ascii.IsVisible(value) {
			return false
		}
		h.redirects = true
	case ascii.IsAnyOf(name, "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Date"):
		// "The script MUST NOT return any header fields that relate to client-side
		// communication issues and could affect the server's ability to send the response to
		// the client." RFC 3875, section 6.3.4. Date is the server's, too.
		return true
	}
	h.fields = append(h.fields, field{name, value})
	return true
}

// parseScriptStatus parses a Status value such as "404 Not Found", and ignores the
// phrase, as clients do. It returns 0 if the value is not a final status: 1xx responses have
// no content, and a script prints only one response.
func parseScriptStatus(value string) int {
	code, _, _ := strings.Cut(value, " ")
	status, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || status < 200 || status > 599 {
		return 0
	}
	return status
}

// local returns the host and port that the client connected to. Without an address the port
// is the default of the scheme.
func (i *ConnInfo) local() (host, port string) {
	port = "80"
	if i.TLS {
		port = "443"
	}
	if i.LocalAddr == nil {
		return "localhost", port
	}
	addr := i.LocalAddr.String() // the address of a Unix socket is a path, without a port
	if host = wire.HostWithoutPort(addr); len(host) < len(addr) {
		port = addr[len(host)+1:]
	}
	return host, port
}

// client returns the address of the client as text, for scripts.
func (i *ConnInfo) client() string {
	switch {
	case i.Client.IsValid():
		return i.Client.String()
	case i.RemoteAddr != nil:
		return i.RemoteAddr.String()
	}
	return "unknown"
}
