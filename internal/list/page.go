// Package list formats the entries of a folder as text, HTML or JSON.
package list

import (
	"strings"
	"time"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// A Page is the content of a listing. Its owner sets the fields, and may change Entries and
// Dropped while the listing is written.
type Page struct {
	Path      string        // as the client sees it, with a final slash
	Depth     int           // number of parent folders to link
	Root      string        // name of the topmost of them
	Sort      Key           // the key that Order sorts by
	Desc      bool          // in descending order
	Entries   []*jail.Entry // pointers, so that sorting swaps words with code that is linked anyway
	Truncated bool          // there are more entries, which are not listed
	Dropped   int           // entries that no longer existed when they were written
}

// A Form appends a listing to b: Begin, then each Entry, then End. It may have state, so a value
// serves for one listing.
type Form interface {
	Begin(b []byte, p *Page) []byte
	Entry(b []byte, e *jail.Entry) []byte // for all forms but Text, e has its size and time
	End(b []byte, p *Page) []byte
}

// Text is the form with one name per line, folders with a final slash.
type Text struct{}

func (Text) Begin(b []byte, p *Page) []byte { return b }

func (Text) Entry(b []byte, e *jail.Entry) []byte { return append(append(b, shown(e)...), '\n') }

func (Text) End(b []byte, p *Page) []byte {
	if p.Truncated {
		b = append(b, "/... and more\n"...) // cannot be a name, which has no slash at its beginning
	}
	return b
}

// shown returns the name of an entry as listings show it.
func shown(e *jail.Entry) string {
	if e.IsFolder {
		return DisplayName(e.Name) + "/"
	}
	return DisplayName(e.Name)
}

// DisplayName returns a file name that is safe to display. Bytes that are not UTF-8, and
// characters that move the cursor, start a new line or change the direction of text, become
// U+FFFD.
func DisplayName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || ascii.IsBidiControl(r) || r == 0x2028 || r == 0x2029 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(name, string(utf8.RuneError)))
}

// Href returns a reference to the entry, relative to its folder. It begins with "./", so
// that a colon in the name cannot be taken for the end of a scheme.
func Href(e *jail.Entry) string {
	if e.IsFolder {
		return "./" + ascii.EscapeSegment(e.Name) + "/"
	}
	return "./" + ascii.EscapeSegment(e.Name)
}

// changed returns the modification time of an entry, in UTC.
func changed(e *jail.Entry) time.Time { return time.Unix(e.Sec, int64(e.Nsec)).UTC() }
