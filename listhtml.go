package rawhttp

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unicode"

	"example.com/rawhttp/internal/ascii"
)

// listStyle is the style of every listing; listPolicy allows it and nothing else.
const listStyle = `
:root { color-scheme: light dark; --fg: #1b1f24; --dim: #57606a; --bg: #fff; --line: #d8dee4; --row: #f3f6f9; --link: #0550ae; --seen: #6639ba; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e6edf3; --dim: #9aa4ae; --bg: #0d1117; --line: #30363d; --row: #161b22; --link: #79b8ff; --seen: #d2a8ff; }
}
* { box-sizing: border-box; }
html { scroll-padding: 4rem 0 2rem; }
body { margin: 0 auto; max-width: 58rem; padding: 1rem 1.25rem 2rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); }
a { color: var(--link); text-decoration: none; }
tbody a:visited { color: var(--seen); }
a:hover, footer a { text-decoration: underline; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; padding: .25rem .5rem; background: var(--bg); }
.skip:focus { left: 1rem; top: 1rem; z-index: 2; }
nav ol { display: flex; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; }
nav li { overflow-wrap: anywhere; }
nav li + li::before { content: "/"; padding: 0 .4rem; color: var(--dim); }
nav a[aria-current] { color: var(--fg); font-weight: 600; }
h1 { margin: .75rem 0; font-size: 1.35rem; line-height: 1.3; overflow-wrap: anywhere; }
.scroll { margin: 0 -.5rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding: 0 .5rem .5rem; text-align: left; color: var(--dim); }
th, td { padding: .2rem .5rem; text-align: left; font-weight: 400; vertical-align: baseline; }
thead th { position: sticky; top: 0; z-index: 1; font-weight: 600; white-space: nowrap; background: var(--bg); box-shadow: inset 0 -2px var(--line); }
thead span, thead a:not(:has(span))::after { content: ""; display: inline-block; width: 1rem; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody tr:hover { background: var(--row); }
tbody th { width: 100%; min-width: 8rem; padding: 0; }
tbody th a { display: block; padding: .2rem .5rem; overflow-wrap: anywhere; white-space: pre-wrap; }
tbody th a:focus-visible { outline-offset: -2px; }
tbody th a[href$="/"], tbody th a[href*="/?"] { font-weight: 600; }
th:nth-child(2), td:nth-child(2) { text-align: right; }
td { color: var(--dim); white-space: nowrap; }
data { color: var(--fg); }
footer { margin-top: 1rem; color: var(--dim); font-size: .9rem; }
@media (max-width: 40rem) {
  thead th, tbody th a { padding-top: .35rem; padding-bottom: .35rem; }
  .scroll { overflow-x: auto; }
  table, caption, thead, tbody { display: block; }
  tr { display: flex; flex-wrap: wrap; justify-content: space-between; }
  thead tr { box-shadow: inset 0 -2px var(--line); }
  thead th { position: static; box-shadow: none; background: none; }
  tbody th { flex: 1 0 100%; }
  tbody th a { padding-bottom: 0; }
  tbody tr:has(td:empty) a { padding-bottom: .35rem; }
  td { padding-top: 0; font-size: .9rem; }
  td:empty { display: none; }
}
@media print { .skip, footer { display: none; } body { max-width: none; } thead th { position: static; } }
`

// listPolicy is the Content-Security-Policy of a listing. The hash is that of
// listStyle, which a test compares.
const listPolicy = "default-src 'none'; style-src 'sha256-KAzX+XRAX8wjEYmngDlkM8HNAEog0NNVLqR76f93CGg='; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// listHTML is a listing as a page for people: real links, in the order in which they
// are read, and no script.
type listHTML struct {
	order string // query of a link to a folder
	sec   int64  // the last time that was written
	time  string // as it was
}

func (p *listHTML) begin(b []byte, l *listing) []byte {
	p.order = l.orderQuery()
	title := string(appendHTML(nil, displayName(l.path)))
	b = append(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Index of `...)
	b = append(b, title...)
	b = append(b, "</title>\n<style>"+listStyle+`</style>
</head>
<body>
<a class="skip" href="#files">Skip to files</a>
<header><nav aria-label="Breadcrumb"><ol>
`...)
	b = l.appendCrumbs(b)
	b = fmt.Appendf(b, `</ol></nav></header>
<main id="files">
<h1>Index of <bdi>%s</bdi></h1>
`, title)
	if len(l.entries) == 0 {
		return l.appendEmpty(b)
	}
	b = append(b, "<div class=\"scroll\">\n<table>\n<caption>"...)
	b = l.appendCaption(b)
	b = append(b, "</caption>\n<thead><tr>\n"...)
	b = l.appendColumn(b, byName, "Name")
	b = l.appendColumn(b, bySize, "Size")
	b = l.appendColumn(b, byTime, "Modified (UTC)")
	b = append(b, "</tr></thead>\n<tbody>\n"...)
	if l.depth > 0 {
		b = fmt.Appendf(b, "<tr><th scope=\"row\"><a href=\"../%s\">Parent folder</a></th><td></td><td></td></tr>\n", l.orderQuery())
	}
	return b
}

// appendEmpty appends what stands in the place of the table if there is nothing to
// put into it.
func (l *listing) appendEmpty(b []byte) []byte {
	b = append(b, "<p>This folder is empty.</p>\n"...)
	if l.depth > 0 {
		b = fmt.Appendf(b, "<p><a href=\"../%s\">Parent folder</a></p>\n", l.orderQuery())
	}
	return b
}

// appendCrumbs appends a link to each folder above, down from the topmost.
func (l *listing) appendCrumbs(b []byte) []byte {
	root := l.root
	if root == "" {
		root = "root"
	}
	names := []string{root}
	below := strings.Split(strings.Trim(l.path, "/"), "/")
	names = append(names, below[len(below)-l.depth:]...)
	for i, name := range names {
		href, current := "./", ` aria-current="page"`
		if up := l.depth - i; up > 0 {
			href, current = strings.Repeat("../", up), ""
		}
		b = fmt.Appendf(b, `<li><a href="%s%s"%s>`, href, l.orderQuery(), current)
		b = appendName(b, displayName(name))
		b = append(b, "</a></li>\n"...)
	}
	return b
}

// appendCaption appends what the table shows, as a person would say it.
func (l *listing) appendCaption(b []byte) []byte {
	folders := 0
	for i := range l.entries {
		if l.entries[i].isFolder {
			folders++
		}
	}
	order, more := "ascending", ""
	if l.desc {
		order = "descending"
	}
	if l.truncated {
		more = "; there are more, which are not listed"
	}
	return fmt.Appendf(b, "%s, %s, sorted by %s, %s%s", counted(folders, "folder"), counted(len(l.entries)-folders, "file"), sortNames[l.sort], order, more)
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// appendColumn appends the head of a column: a link that sorts by it, and turns the
// order round if it sorts by it already.
func (l *listing) appendColumn(b []byte, key sortKey, name string) []byte {
	order, sorted, arrow := "asc", "", ""
	if key != byName {
		order = "desc" // the largest and newest are looked for
	}
	if key == l.sort {
		order, sorted, arrow = "desc", ` aria-sort="ascending"`, ` <span aria-hidden="true">↑</span>`
		if l.desc {
			order, sorted, arrow = "asc", ` aria-sort="descending"`, ` <span aria-hidden="true">↓</span>`
		}
	}
	return fmt.Appendf(b, "<th scope=\"col\"%s><a rel=\"nofollow\" href=\"?sort=%s&amp;order=%s\">%s%s</a></th>\n", sorted, sortNames[key], order, name, arrow)
}

func (p *listHTML) entry(b []byte, e *entry) []byte {
	b = append(b, `<tr><th scope="row"><a href="./`...)
	if !e.isFolder && ascii.IsUnreserved(e.name) { // as most are
		b = append(append(b, e.name...), `"><bdi>`...)
		b = append(append(b, e.name...), `</bdi>`...)
	} else {
		b = p.appendLink(b, e)
	}
	b = append(b, `</a></th><td>`...)
	if e.isFolder {
		b = append(b, "folder"...)
	} else {
		b = append(b, `<data value="`...)
		b = strconv.AppendInt(b, e.size, 10)
		b = append(b, `">`...)
		b = appendSize(b, e.size)
		b = append(b, `</data>`...)
	}
	if e.isLink {
		b = append(b, ", link"...)
	}
	b = append(b, `</td><td>`...)
	if e.timed {
		b = p.appendTime(b, e)
	}
	return append(b, "</td></tr>\n"...)
}

func (p *listHTML) appendLink(b []byte, e *entry) []byte {
	b = append(b, e.href()[len("./"):]...)
	if e.isFolder {
		b = append(b, p.order...)
	}
	return appendName(append(b, `">`...), e.shown())
}

// appendTime appends a time, which is often that of the entry before.
func (p *listHTML) appendTime(b []byte, e *entry) []byte {
	if p.time == "" || p.sec != e.sec {
		p.sec, p.time = e.sec, e.listTime().Format(`<time datetime="2006-01-02T15:04:05Z">2006-01-02 15:04</time>`)
	}
	return append(b, p.time...)
}

// appendName appends the text of a link. A name that nobody could see or hear is said
// to be one.
func appendName(b []byte, shown string) []byte {
	b = append(b, "<bdi>"...)
	b = appendHTML(b, shown)
	b = append(b, "</bdi>"...)
	if strings.TrimFunc(shown, isInvisible) == "" {
		b = append(b, " (blank name)"...)
	}
	return b
}

// appendHTML appends what means s in HTML, in an attribute too.
func appendHTML(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&#34;"...)
		case '\'':
			b = append(b, "&#39;"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// isInvisible reports whether r is white space or has no width.
func isInvisible(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x200b && r <= 0x200f || r >= 0x2060 && r <= 0x206f || r == 0xfeff
}

func (p *listHTML) end(b []byte, l *listing) []byte {
	if len(l.entries) > 0 {
		b = append(b, "</tbody>\n</table>\n</div>\n"...)
	}
	b = append(b, "</main>\n<footer>"...)
	if l.dropped > 0 {
		b = append(b, counted(l.dropped, "name")+" disappeared while this was written. "...)
	}
	b = append(b, "Also as "...)
	b = l.appendForm(b, "text", "text")
	b = append(b, " and "...)
	b = l.appendForm(b, "json", "JSON")
	return append(b, ".</footer>\n</body>\n</html>\n"...)
}

// appendForm appends a link to the same listing, in the same order, in another form.
func (l *listing) appendForm(b []byte, form, name string) []byte {
	query := "?format=" + form
	if order := l.orderQuery(); order != "" {
		query += "&amp;" + order[1:]
	}
	return fmt.Appendf(b, `<a rel="nofollow" href="%s">%s</a>`, query, name)
}

// orderQuery gives the query, in HTML, that asks for the same order elsewhere, "" for
// the default.
func (l *listing) orderQuery() string {
	switch {
	case l.desc:
		return "?sort=" + sortNames[l.sort] + "&amp;order=desc"
	case l.sort != byName:
		return "?sort=" + sortNames[l.sort]
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

// scaled gives n·scale / 2^shift, rounded; shift is from 1 to 63.
func scaled(n, scale uint64, shift int) uint64 {
	hi, lo := bits.Mul64(n, scale)
	lo, carry := bits.Add64(lo, 1<<(shift-1), 0)
	return (hi+carry)<<(64-shift) | lo>>shift
}
