package list

import (
	"strconv"
	"time"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// A JSON is the form of a single JSON object, whose member names are common among servers.
// In names, bytes that are not UTF-8 are replaced; href leads to the file regardless.
type JSON struct {
	n int // entries so far
}

func (*JSON) Begin(b []byte, p *Page) []byte {
	b = append(b, `{"path":`...)
	b = appendJSON(b, p.Path)
	return append(b, `,"entries":[`...)
}

func (j *JSON) Entry(b []byte, e *jail.Entry) []byte {
	if j.n++; j.n > 1 {
		b = append(b, ",\n"...)
	}
	b = append(b, `{"name":`...)
	b = appendJSON(b, e.Name)
	if e.IsFolder {
		b = append(b, `,"type":"directory"`...)
	} else {
		b = append(b, `,"type":"file","size":`...)
		b = strconv.AppendInt(b, e.Size, 10)
	}
	if e.IsLink {
		b = append(b, `,"link":true`...)
	}
	if e.Timed {
		b = append(b, `,"mtime":"`...)
		b = changed(e).AppendFormat(b, time.RFC3339)
		b = append(b, '"')
	}
	b = append(b, `,"href":`...)
	b = appendJSON(b, Href(e))
	return append(b, '}')
}

func (*JSON) End(b []byte, p *Page) []byte {
	b = append(b, `],"truncated":`...)
	b = strconv.AppendBool(b, p.Truncated)
	return append(b, "}\n"...)
}

// appendJSON appends s as a JSON string (RFC 8259, section 7). Bytes that are not UTF-8
// become U+FFFD. Characters that are markup in HTML are escaped, in case the JSON is
// embedded in a page, and so are those that change how a terminal or an editor shows a name.
func appendJSON(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029 || ascii.IsBidiControl(r):
			b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			b = utf8.AppendRune(b, r) // RuneError for invalid UTF-8
		}
		s = s[n:]
	}
	return append(b, '"')
}
