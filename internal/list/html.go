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

// html is a page for people: real links, in the order in which they are read, and no
// script. The text of a link is its decoded href: media players recognize entries by that.
type html struct {
	mediaType func(name string) string
	order     string // query of a link to a folder
	later     bool   // the sum of the sizes is not known before the end
	sum       int64  // bytes of the files so far
	sec       int64  // the last time that was written
	time      string // as it was
}

// HTML returns the form of a page for people. mediaType returns the media type of a file
// by its name, which decides the mark before the name.
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

// appendEmpty appends the page from the heading on if there is nothing to list.
func (p *Page) appendEmpty(b []byte) []byte {
	b = append(b, "</header>\n<main id=\"files\">\n<p>This folder is empty.</p>\n"...)
	if p.Depth > 0 {
		b = fmt.Appendf(b, "<p><a href=\"../%s\">Parent folder</a></p>\n", orderQuery(p.Sort, p.Desc))
	}
	return b
}

// appendCrumbs appends the path: a link to each folder above, down from the topmost,
// and the name of this one.
func (p *Page) appendCrumbs(b []byte) []byte {
	names := []string{p.Root}
	below := strings.Split(strings.Trim(p.Path, "/"), "/")
	names = append(names, below[len(below)-p.Depth:]...)
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

// appendCounts appends how much there is. The sum of the sizes is part of it if they
// are known, as in a listing in memory; of a long one the footer has it.
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

// addSizes adds sizes of files, of which sparse ones can be larger than any disk.
func addSizes(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + max(0, b)
}

// appendCaption appends what the table shows, for those who cannot see it.
func (p *Page) appendCaption(b []byte) []byte {
	order := "ascending"
	if p.Desc {
		order = "descending"
	}
	return p.appendMore(fmt.Appendf(b, "Sorted by %s, %s", KeyNames[p.Sort], order))
}

// appendMore appends that the listing is cut, if it is.
func (p *Page) appendMore(b []byte) []byte {
	if p.Truncated {
		b = append(b, "; there are more, which are not listed"...)
	}
	return b
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// appendColumn appends the head of a column: a link that sorts by it, and reverses the
// order if it is sorted by it already.
func (p *Page) appendColumn(b []byte, key Key, name string) []byte {
	desc, sorted := key != ByName, "" // the largest and newest are looked for
	if key == p.Sort {
		desc, sorted = !p.Desc, ` aria-sort="ascending"`
		if p.Desc {
			sorted = ` aria-sort="descending"`
		}
	}
	return fmt.Appendf(b, "<th scope=\"col\"%s><a rel=\"nofollow\" href=\"%s\">%s</a></th>\n", sorted, cmp.Or(orderQuery(key, desc), "./"), name)
}

// Entry appends a row. Its attributes are without quotes where HTML needs none: there
// are many rows.
func (h *html) Entry(b []byte, e *jail.Entry) []byte {
	kind := "folder"
	if !e.IsFolder {
		kind = kindOf(h.mediaType(e.Name))
		h.sum = addSizes(h.sum, e.Size)
	}
	b = append(append(b, "<tr class="...), kind...)
	b = append(b, `><td><bdi dir=ltr><a href="`...)
	if !e.IsFolder && len(e.Name) <= maxUnbroken && ascii.IsUnreserved(e.Name) { // as most are
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

// appendLink appends a link's href and its text. A dot stands in front where a colon
// could be taken for the end of a scheme. What media players look for keeps its text
// whole: they compare it with the href.
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

// appendTime appends a time, which is often that of the entry before.
func (h *html) appendTime(b []byte, e *jail.Entry) []byte {
	if h.time == "" || h.sec != e.Sec {
		h.sec, h.time = e.Sec, changed(e).Format(`<time datetime=2006-01-02T15:04:05Z>2006-01-02 15:04</time>`)
	}
	return append(b, h.time...)
}

// maxUnbroken is how long a name is written without a place where its line may break,
// in bytes: terminals make a table as wide as the longest.
const maxUnbroken = 40

// appendName appends a name, with breaks if it may have them. A name that nobody could
// see or hear is said to be one.
func appendName(b []byte, name string, breaks bool) []byte {
	run := 0 // bytes since the last place to break
	for i := range len(name) {
		c := name[i]
		if breaks && run >= maxUnbroken && c < utf8.RuneSelf { // others could be joined with what is before
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

// appendHTML appends what means s in HTML, in an attribute too.
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

// isInvisible reports whether r is white space or has no width.
func isInvisible(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x200b && r <= 0x200f || r >= 0x2060 && r <= 0x206f || r == 0xfeff
}

func (h *html) End(b []byte, p *Page) []byte {
	if len(p.Entries) > 0 {
		b = append(b, "</tbody>\n</table>\n"...)
	}
	b = append(b, "</main>\n<footer>"...)
	if h.later {
		b = append(appendSize(b, h.sum), " in all. "...)
	}
	if p.Dropped > 0 {
		b = append(b, counted(p.Dropped, "name")+" disappeared while this was written. "...)
	}
	return append(b, `Also as <a rel="nofollow" href="?format=text">text</a> and <a rel="nofollow" href="?format=json">JSON</a>.</footer>
</body>
</html>
`...)
}

// orderQuery returns the query, in HTML, that asks for an order, "" for the default:
// there is one for each, so that a recursive downloader fetches a folder few times.
func orderQuery(key Key, desc bool) string {
	switch {
	case desc:
		return "?sort=" + KeyNames[key] + "&amp;order=desc"
	case key != ByName:
		return "?sort=" + KeyNames[key]
	}
	return ""
}

// appendSize appends a size in bytes with three significant digits in IEC units.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), " B"...)
	}
	size, shift, unit := uint64(n), 10, 0
	for ; scaled(size, 1, shift) >= 1000; shift += 10 {
		unit++
	}
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
	return append(b, ' ', "KMGTPE"[unit], 'i', 'B')
}

// scaled returns n·scale / 2^shift, rounded; shift is from 1 to 63.
func scaled(n, scale uint64, shift int) uint64 {
	hi, lo := bits.Mul64(n, scale)
	lo, carry := bits.Add64(lo, 1<<(shift-1), 0)
	return (hi+carry)<<(64-shift) | lo>>shift
}
