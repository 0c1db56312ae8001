// Package list turns the entries of a folder into a listing: text, a page, or JSON.
package list

import (
	"strings"
	"time"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// A Page is a folder as it is to be listed. Its owner fills it in and may change Entries
// and Dropped while the listing is written.
type Page struct {
	Path      string        // as the client knows it, with a slash at its end
	Depth     int           // how many folders above it have a link
	Root      string        // name of the topmost of them
	Sort      Key           // what Order sorts by
	Desc      bool          // in descending order
	Entries   []*jail.Entry // pointers, so that sorting swaps words by code that is linked anyway
	Truncated bool          // there are more entries, which are not listed
	Dropped   int           // entries that were gone when they were to be written
}

// A Form appends a listing to b. One value serves for one listing.
type Form interface {
	Begin(b []byte, p *Page) []byte
	Entry(b []byte, e *jail.Entry) []byte // of forms but Text: e has its size and time
	End(b []byte, p *Page) []byte
}

// Text is the form of a name a line, folders with a slash at the end.
type Text struct{}

func (Text) Begin(b []byte, p *Page) []byte { return b }

func (Text) Entry(b []byte, e *jail.Entry) []byte { return append(append(b, shown(e)...), '\n') }

func (Text) End(b []byte, p *Page) []byte {
	if p.Truncated {
		b = append(b, "/... and more\n"...) // no name begins with a slash
	}
	return b
}

// shown returns the name of an entry as a listing shows it.
func shown(e *jail.Entry) string {
	if e.IsFolder {
		return DisplayName(e.Name) + "/"
	}
	return DisplayName(e.Name)
}

// DisplayName returns a file name as it can be shown: what is not UTF-8, moves the
// cursor, forges a line or changes the direction of the text becomes U+FFFD.
func DisplayName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || ascii.IsBidiControl(r) || r == 0x2028 || r == 0x2029 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(name, string(utf8.RuneError)))
}

// Href returns a reference to the entry, relative to its folder. It begins with "./", so
// that a colon in the name does not make a scheme of it.
func Href(e *jail.Entry) string {
	if e.IsFolder {
		return "./" + ascii.EscapeSegment(e.Name) + "/"
	}
	return "./" + ascii.EscapeSegment(e.Name)
}

// changed returns when an entry was last changed, in UTC.
func changed(e *jail.Entry) time.Time { return time.Unix(e.Sec, int64(e.Nsec)).UTC() }
