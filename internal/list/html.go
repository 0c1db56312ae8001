package list

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// An html is an HTML page with real links in reading order, and no script. The text of a
// link is its decoded href, which media players rely on to recognize entries.
type html struct {
	mediaType func(name string) string
	order     string // query of links to folders
	later     bool   // the total size is only known at the end
	sum       int64  // total size of the files so far, in bytes
	sec       int64  // the last time written
	time      string // the text written for sec
}

// HTML returns the form of an HTML page. mediaType returns the media type of a file by its
// name; it determines the icon.
func HTML(mediaType func(name string) string) Form { return &html{mediaType: mediaType} }

func (h *html) Begin(b []byte, p *Page) []byte {
	h.order = orderQuery(p.Sort, p.Desc)
	b = append(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Index of `...)
	b = appendHTML(b, DisplayName(p.Path))
	b = append(b, "</title>\n<style>"+style+`</style>
</head>
<body>
<a class="skip" href="#files">Skip to files</a>
<header><nav aria-label="Breadcrumb"><h1>
`...)
	b = p.appendCrumbs(b)
	b = append(b, "</h1></nav>\n"...)
	if len(p.Entries) == 0 {
		return p.appendEmpty(b)
	}
	b = append(b, "<p>"...)
	b = h.appendCounts(b, p)
	b = append(b, "</p></header>\n<main id=\"files\">\n<table>\n<caption>"...)
	b = p.appendCaption(b)
	b = append(b, "</caption>\n<thead><tr>\n"...)
	b = p.appendColumn(b, ByName, "Name")
	b = p.appendColumn(b, BySize, "Size")
	b = p.appendColumn(b, ByTime, "Modified (UTC)")
	b = append(b, "</tr></thead>\n<tbody>\n"...)
	if p.Depth > 0 {
		b = fmt.Appendf(b, "<tr class=up><td><a href=\"../%s\">Parent folder</a></td><td></td><td></td></tr>\n", h.order)
	}
	return b
}

// appendEmpty appends the page after the heading if there are no entries.
func (p *Page) appendEmpty(b []byte) []byte {
	b = append(b, "</header>\n<main id=\"files\">\n<p>This folder is empty.</p>\n"...)
	if p.Depth > 0 {
		b = fmt.Appendf(b, "<p><a href=\"../%s\">Parent folder</a></p>\n", orderQuery(p.Sort, p.Desc))
	}
	return b
}

// appendCrumbs appends the path: a link to each parent folder, from the topmost down, and
// the name of this folder.
func (p *Page) appendCrumbs(b []byte) []byte {
	names := []string{p.Root}
	below := strings.Split(strings.Trim(p.Path, "/"), "/")
	names = append(names, below[len(below)-p.Depth:]...) // without the prefix of a Mount, above which nothing is linked
	for i, name := range names {
		up := p.Depth - i
		if up == 0 {
			b = append(b, `<b aria-current="page"><bdi dir=ltr>`...)
			b = appendName(b, DisplayName(name), true)
			return append(b, "</bdi></b>\n"...)
		}
		b = fmt.Appendf(b, `<bdi dir=ltr><a href="%s%s">`, strings.Repeat("../", up), orderQuery(p.Sort, p.Desc))
		b = appendName(b, DisplayName(name), true)
		b = append(b, "</a></bdi> /\n"...)
	}
	return b
}

// appendCounts appends the number of entries, and their total size if all sizes are known. In a
// long listing they are not known yet, and the footer has the total.
func (h *html) appendCounts(b []byte, p *Page) []byte {
	folders, sum := 0, int64(0)
	for _, e := range p.Entries {
		if e.IsFolder {
			folders++
			continue
		}
		h.later = h.later || !e.Stated
		sum = addSizes(sum, e.Size)
	}
	if folders > 0 {
		b = append(b, counted(folders, "folder")...)
	}
	if files := len(p.Entries) - folders; files > 0 {
		if folders > 0 {
			b = append(b, ", "...)
		}
		b = append(b, counted(files, "file")...)
		if !h.later {
			b = append(b, ", "...)
			b = appendSize(b, sum)
		}
	}
	return p.appendMore(b)
}

// addSizes adds sizes of files. It saturates, since sparse files can be larger than any
// disk, and ignores negative sizes, which an fs.FS may report.
func addSizes(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + max(0, b)
}

// appendCaption appends the caption of the table, for screen readers.
func (p *Page) appendCaption(b []byte) []byte {
	order := "ascending"
	if p.Desc {
		order = "descending"
	}
	return p.appendMore(fmt.Appendf(b, "Sorted by %s, %s", KeyNames[p.Sort], order))
}

// appendMore appends a note if the listing is truncated.
func (p *Page) appendMore(b []byte) []byte {
	if p.Truncated {
		b = append(b, "; there are more, which are not listed"...)
	}
	return b
}

// counted returns "1 file", "2 files" and so on.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// appendColumn appends the header of a column: a link that sorts by the column, or reverses
// the order if it is the sort key already.
func (p *Page) appendColumn(b []byte, key Key, name string) []byte {
	desc, sorted := key != ByName, "" // the first click shows the largest and newest first
	if key == p.Sort {
		desc, sorted = !p.Desc, ` aria-sort="ascending"`
		if p.Desc {
			sorted = ` aria-sort="descending"`
		}
	}
	return fmt.Appendf(b, "<th scope=\"col\"%s><a rel=\"nofollow\" href=\"%s\">%s</a></th>\n", sorted, cmp.Or(orderQuery(key, desc), "./"), name)
}

// Entry appends a row. Since there may be many rows, it omits quotes where HTML permits. Names
// are <td> and not <th>, which w3m centers.
func (h *html) Entry(b []byte, e *jail.Entry) []byte {
	kind := "folder"
	if !e.IsFolder {
		kind = kindOf(h.mediaType(e.Name))
		h.sum = addSizes(h.sum, e.Size)
	}
	b = append(append(b, "<tr class="...), kind...)
	b = append(b, `><td><bdi dir=ltr><a href="`...)
	if !e.IsFolder && len(e.Name) <= maxUnbroken && ascii.IsUnreserved(e.Name) { // as most names are: nothing to escape or break
		b = append(append(b, e.Name...), `">`...)
		b = append(b, e.Name...)
	} else {
		b = h.appendLink(b, e, kind)
	}
	b = append(b, `</a></bdi></td><td>`...)
	if e.IsFolder {
		b = append(b, "folder"...)
	} else {
		b = append(b, `<data value=`...)
		b = strconv.AppendInt(b, e.Size, 10)
		b = append(b, '>')
		b = appendSize(b, e.Size)
		b = append(b, `</data>`...)
	}
	if e.IsLink {
		b = append(b, ", link"...)
	}
	b = append(b, `</td><td>`...)
	if e.Timed {
		b = h.appendTime(b, e)
	}
	return append(b, "</td></tr>\n"...)
}

// appendLink appends the href of a link and its text. The href begins with "./" if a colon
// could make its beginning look like a scheme. Links for media players have no breaks in
// the text, which players compare with the href.
func (h *html) appendLink(b []byte, e *jail.Entry, kind string) []byte {
	href := Href(e)
	if !strings.Contains(e.Name, ":") {
		href = href[len("./"):]
	}
	b = append(b, href...)
	breaks := true
	switch kind {
	case "folder":
		b = append(b, h.order...)
		breaks = false
	case "image", "video", "audio":
		breaks = false
	}
	return appendName(append(b, `">`...), shown(e), breaks)
}

// appendTime appends the time of an entry. It often equals the time of the previous entry.
func (h *html) appendTime(b []byte, e *jail.Entry) []byte {
	if h.time == "" || h.sec != e.Sec {
		h.sec, h.time = e.Sec, changed(e).Format(`<time datetime=2006-01-02T15:04:05Z>2006-01-02`+nbsp+`15:04</time>`)
	}
	return append(b, h.time...)
}

// maxUnbroken is the longest stretch of a name, in bytes, without a line break opportunity.
// Text browsers make a table as wide as its longest word.
const maxUnbroken = 40

// appendName appends a name, with line break opportunities if breaks is set. It marks a
// name that is blank or invisible.
func appendName(b []byte, name string, breaks bool) []byte {
	run := 0 // bytes since the last break opportunity
	for i := range len(name) {
		c := name[i]
		if breaks && run >= maxUnbroken && c < utf8.RuneSelf { // other characters may combine with the one before
			b = append(b, "<wbr>"...)
			run = 0
		}
		if run++; c == ' ' {
			run = 0
		}
		b = appendHTMLByte(b, c)
	}
	if strings.TrimFunc(name, isInvisible) == "" {
		b = append(b, " (blank name)"...)
	}
	return b
}

// appendHTML appends s escaped for HTML, including attribute values.
func appendHTML(b []byte, s string) []byte {
	for i := range len(s) {
		b = appendHTMLByte(b, s[i])
	}
	return b
}

func appendHTMLByte(b []byte, c byte) []byte {
	switch c {
	case '&':
		return append(b, "&amp;"...)
	case '<':
		return append(b, "&lt;"...)
	case '>':
		return append(b, "&gt;"...)
	case '"':
		return append(b, "&#34;"...)
	case '\'':
		return append(b, "&#39;"...)
	}
	return append(b, c)
}

// isInvisible reports whether r is shown as a blank or as nothing. Unicode counts the braille
// pattern without dots as a symbol, so it has a case of its own.
func isInvisible(r rune) bool {
	const blankPattern = 0x2800
	return unicode.IsSpace(r) || ascii.IsIgnorable(r) || r == blankPattern
}

func (h *html) End(b []byte, p *Page) []byte {
	if len(p.Entries) > 0 {
		b = append(b, "</tbody>\n</table>\n"...)
	}
	b = append(b, "</main>\n<footer>"...)
	if h.later {
		of := " in all. "
		if p.Truncated {
			of = " listed. "
		}
		b = append(appendSize(b, h.sum), of...)
	}
	if p.Dropped > 0 {
		b = append(b, counted(p.Dropped, "name")+" disappeared while this was written. "...)
	}
	return append(b, `Also as <a rel="nofollow" href="?format=text">text</a> and <a rel="nofollow" href="?format=json">JSON</a>.</footer>
</body>
</html>
`...)
}

// orderQuery returns the query for an order, escaped for HTML, or "" for the default. Each
// order has only one query, so that recursive downloaders fetch a folder few times.
func orderQuery(key Key, desc bool) string {
	switch {
	case desc:
		return "?sort=" + KeyNames[key] + "&amp;order=desc"
	case key != ByName:
		return "?sort=" + KeyNames[key]
	}
	return ""
}

// nbsp is a space without a line break opportunity. It keeps sizes and times on one line in
// text browsers, which ignore the style sheet and make room for long names.
const nbsp = "\u00a0"

// appendSize appends a size in bytes in IEC units, with three significant digits. It calculates
// with integers: a float64 has too few bits for sizes of 1 PiB and more.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), nbsp+"B"...)
	}
	// The unit is the first in which the rounded size has less than four digits, so 1000 KiB
	// are 0.977 MiB.
	size, shift, unit := uint64(n), 10, 0
	for ; scaled(size, 1, shift) >= 1000; shift += 10 {
		unit++
	}
	// The scale is the power of ten by which the size has three digits before the point.
	scale := uint64(1000)
	for scaled(size, scale, shift) >= 1000 {
		scale /= 10
	}
	digits := scaled(size, scale, shift)
	b = strconv.AppendUint(b, digits/scale, 10)
	if scale > 1 {
		b = append(b, '.')
	}
	for scale /= 10; scale > 0; scale /= 10 {
		b = append(b, byte('0'+digits/scale%10))
	}
	return append(append(b, nbsp...), "KMGTPE"[unit], 'i', 'B')
}

// scaled returns n·scale / 2^shift, rounded; shift is from 1 to 63. The product may have more
// than 64 bits; the result must not.
func scaled(n, scale uint64, shift int) uint64 {
	hi, lo := bits.Mul64(n, scale)
	lo, carry := bits.Add64(lo, 1<<(shift-1), 0) // half of the divisor, to round
	return (hi+carry)<<(64-shift) | lo>>shift
}
