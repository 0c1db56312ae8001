package rawhttp

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

// listHTML is a listing as a page for people: real links, in the order in which they
// are read, and no script. The text of a link is its decoded href, by which media
// players know that it is an entry.
type listHTML struct {
	config *fileConfig
	order  string // query of a link to a folder
	later  bool   // the sum of the sizes is not known before the end
	sum    int64  // bytes of the files so far
	sec    int64  // the last time that was written
	time   string // as it was
}

func (p *listHTML) begin(b []byte, l *listing) []byte {
	p.config, p.order = &l.files.config, orderQuery(l.sort, l.desc)
	b = append(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Index of `...)
	b = appendHTML(b, displayName(l.path))
	b = append(b, "</title>\n<style>"+listStyle+`</style>
</head>
<body>
<a class="skip" href="#files">Skip to files</a>
<header><nav aria-label="Breadcrumb"><h1>
`...)
	b = l.appendCrumbs(b)
	b = append(b, "</h1></nav>\n"...)
	if len(l.entries) == 0 {
		return l.appendEmpty(b)
	}
	b = append(b, "<p>"...)
	b = p.appendCounts(b, l)
	b = append(b, "</p></header>\n<main id=\"files\">\n<table>\n<caption>"...)
	b = l.appendCaption(b)
	b = append(b, "</caption>\n<thead><tr>\n"...)
	b = l.appendColumn(b, byName, "Name")
	b = l.appendColumn(b, bySize, "Size")
	b = l.appendColumn(b, byTime, "Modified (UTC)")
	b = append(b, "</tr></thead>\n<tbody>\n"...)
	if l.depth > 0 {
		b = fmt.Appendf(b, "<tr class=up><td><a href=\"../%s\">Parent folder</a></td><td></td><td></td></tr>\n", p.order)
	}
	return b
}

// appendEmpty appends the page from the heading on if there is nothing to list.
func (l *listing) appendEmpty(b []byte) []byte {
	b = append(b, "</header>\n<main id=\"files\">\n<p>This folder is empty.</p>\n"...)
	if l.depth > 0 {
		b = fmt.Appendf(b, "<p><a href=\"../%s\">Parent folder</a></p>\n", orderQuery(l.sort, l.desc))
	}
	return b
}

// appendCrumbs appends the path: a link to each folder above, down from the topmost,
// and the name of this one.
func (l *listing) appendCrumbs(b []byte) []byte {
	names := []string{l.root}
	below := strings.Split(strings.Trim(l.path, "/"), "/")
	names = append(names, below[len(below)-l.depth:]...)
	for i, name := range names {
		up := l.depth - i
		if up == 0 {
			b = append(b, `<b aria-current="page"><bdi dir=ltr>`...)
			b = appendName(b, displayName(name), true)
			return append(b, "</bdi></b>\n"...)
		}
		b = fmt.Appendf(b, `<bdi dir=ltr><a href="%s%s">`, strings.Repeat("../", up), orderQuery(l.sort, l.desc))
		b = appendName(b, displayName(name), true)
		b = append(b, "</a></bdi> /\n"...)
	}
	return b
}

// appendCounts appends how much there is. The sum of the sizes is part of it if they
// are known, as in a listing in memory; of a long one the footer has it.
func (p *listHTML) appendCounts(b []byte, l *listing) []byte {
	folders, sum := 0, int64(0)
	for _, e := range l.entries {
		if e.IsFolder {
			folders++
			continue
		}
		p.later = p.later || !e.Stated
		sum = addSizes(sum, e.Size)
	}
	if folders > 0 {
		b = append(b, counted(folders, "folder")...)
	}
	if files := len(l.entries) - folders; files > 0 {
		if folders > 0 {
			b = append(b, ", "...)
		}
		b = append(b, counted(files, "file")...)
		if !p.later {
			b = append(b, ", "...)
			b = appendSize(b, sum)
		}
	}
	return l.appendMore(b)
}

// addSizes adds sizes of files, of which sparse ones can be larger than any disk.
func addSizes(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + max(0, b)
}

// appendCaption appends what the table shows, for those who cannot see it.
func (l *listing) appendCaption(b []byte) []byte {
	order := "ascending"
	if l.desc {
		order = "descending"
	}
	return l.appendMore(fmt.Appendf(b, "Sorted by %s, %s", sortNames[l.sort], order))
}

// appendMore appends that the listing is cut, if it is.
func (l *listing) appendMore(b []byte) []byte {
	if l.truncated {
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
func (l *listing) appendColumn(b []byte, key sortKey, name string) []byte {
	desc, sorted := key != byName, "" // the largest and newest are looked for
	if key == l.sort {
		desc, sorted = !l.desc, ` aria-sort="ascending"`
		if l.desc {
			sorted = ` aria-sort="descending"`
		}
	}
	return fmt.Appendf(b, "<th scope=\"col\"%s><a rel=\"nofollow\" href=\"%s\">%s</a></th>\n", sorted, cmp.Or(orderQuery(key, desc), "./"), name)
}

// entry appends a row. Its attributes are without quotes where HTML needs none: there
// are many rows.
func (p *listHTML) entry(b []byte, e *jail.Entry) []byte {
	kind := "folder"
	if !e.IsFolder {
		kind = kindOf(p.config.mediaType(e.Name))
		p.sum = addSizes(p.sum, e.Size)
	}
	b = append(append(b, "<tr class="...), kind...)
	b = append(b, `><td><bdi dir=ltr><a href="`...)
	if !e.IsFolder && len(e.Name) <= maxUnbroken && ascii.IsUnreserved(e.Name) { // as most are
		b = append(append(b, e.Name...), `">`...)
		b = append(b, e.Name...)
	} else {
		b = p.appendLink(b, e, kind)
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
		b = p.appendTime(b, e)
	}
	return append(b, "</td></tr>\n"...)
}

// appendLink appends a link's href and its text. A dot stands in front where a colon
// could be taken for the end of a scheme. What media players look for keeps its text
// whole: they compare it with the href.
func (p *listHTML) appendLink(b []byte, e *jail.Entry, kind string) []byte {
	href := hrefOf(e)
	if !strings.Contains(e.Name, ":") {
		href = href[len("./"):]
	}
	b = append(b, href...)
	breaks := true
	switch kind {
	case "folder":
		b = append(b, p.order...)
		breaks = false
	case "image", "video", "audio":
		breaks = false
	}
	return appendName(append(b, `">`...), shownName(e), breaks)
}

// appendTime appends a time, which is often that of the entry before.
func (p *listHTML) appendTime(b []byte, e *jail.Entry) []byte {
	if p.time == "" || p.sec != e.Sec {
		p.sec, p.time = e.Sec, timeOf(e).Format(`<time datetime=2006-01-02T15:04:05Z>2006-01-02 15:04</time>`)
	}
	return append(b, p.time...)
}

// maxUnbroken is how long a name is written without a place where its line may break,
// in bytes: terminals make a table as wide as the longest.
const maxUnbroken = 40

// appendName appends a name, with breaks if it may have them. A name that nobody could
// see or hear is said to be one.
func appendName(b []byte, shown string, breaks bool) []byte {
	run := 0 // bytes since the last place to break
	for i := range len(shown) {
		c := shown[i]
		if breaks && run >= maxUnbroken && c < utf8.RuneSelf { // others could be joined with what is before
			b = append(b, "<wbr>"...)
			run = 0
		}
		if run++; c == ' ' {
			run = 0
		}
		b = appendHTMLByte(b, c)
	}
	if strings.TrimFunc(shown, isInvisible) == "" {
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

func (p *listHTML) end(b []byte, l *listing) []byte {
	if len(l.entries) > 0 {
		b = append(b, "</tbody>\n</table>\n"...)
	}
	b = append(b, "</main>\n<footer>"...)
	if p.later {
		b = append(appendSize(b, p.sum), " in all. "...)
	}
	if l.dropped > 0 {
		b = append(b, counted(l.dropped, "name")+" disappeared while this was written. "...)
	}
	return append(b, `Also as <a rel="nofollow" href="?format=text">text</a> and <a rel="nofollow" href="?format=json">JSON</a>.</footer>
</body>
</html>
`...)
}

// orderQuery returns the query, in HTML, that asks for an order, "" for the default:
// there is one for each, so that a recursive downloader fetches a folder few times.
func orderQuery(key sortKey, desc bool) string {
	switch {
	case desc:
		return "?sort=" + sortNames[key] + "&amp;order=desc"
	case key != byName:
		return "?sort=" + sortNames[key]
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
