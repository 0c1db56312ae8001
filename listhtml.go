package rawhttp

import (
	"strconv"
	"strings"
	"time"
)

// listStyle is the style of every listing; listPolicy allows it and nothing else.
const listStyle = `
:root { color-scheme: light dark; --fg: #1b1f24; --dim: #57606a; --bg: #fff; --line: #d8dee4; --row: #f6f8fa; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e6edf3; --dim: #9aa4ae; --bg: #0d1117; --line: #30363d; --row: #161b22; --link: #79b8ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; }
nav ol { display: flex; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; }
nav li + li::before { content: "/"; padding: 0 .4rem; color: var(--dim); }
nav a[aria-current] { color: var(--fg); font-weight: 600; }
h1 { margin: .75rem 0; font-size: 1.35rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding: 0 0 .5rem; text-align: left; color: var(--dim); }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; font-weight: 400; vertical-align: baseline; }
thead th { font-weight: 600; white-space: nowrap; }
th:first-child { width: 100%; overflow-wrap: anywhere; min-width: 10rem; }
th:nth-child(2), td:nth-child(2) { text-align: right; white-space: nowrap; }
td:nth-child(3) { white-space: nowrap; color: var(--dim); }
tbody tr:hover { background: var(--row); }
footer { margin-top: 1rem; color: var(--dim); font-size: .9rem; }
@media print { .skip, footer { display: none; } body { max-width: none; } }
`

// listPolicy is the Content-Security-Policy of a listing. The hash is that of
// listStyle, which a test compares.
const listPolicy = "default-src 'none'; style-src 'sha256-jzI/zOTe6U73Wv0IxBjEfRK9HFpn55G1dUJPhPrngPE='; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// htmlEscaper makes a name good for text and for attributes in double quotes.
var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// listHTML is a listing as a page for people: real links, in the order in which they
// are read, and no script.
type listHTML struct{}

func (listHTML) begin(b []byte, l *listing) []byte {
	title := htmlEscaper.Replace(displayName(l.path))
	b = append(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Index of `...)
	b = append(b, title...)
	b = append(b, "</title>\n<style>"...)
	b = append(b, listStyle...)
	b = append(b, `</style>
</head>
<body>
<a class="skip" href="#files">Skip to files</a>
<header><nav aria-label="Breadcrumb"><ol>
`...)
	b = l.appendCrumbs(b)
	b = append(b, `</ol></nav></header>
<main id="files">
<h1>Index of <bdi>`...)
	b = append(b, title...)
	b = append(b, "</bdi></h1>\n<div class=\"scroll\" role=\"region\" aria-label=\"Files\" tabindex=\"0\">\n<table>\n<caption>"...)
	b = l.appendCaption(b)
	b = append(b, "</caption>\n<thead><tr>\n"...)
	b = l.appendColumn(b, byName, "Name")
	b = l.appendColumn(b, bySize, "Size")
	b = l.appendColumn(b, byTime, "Modified (UTC)")
	b = append(b, "</tr></thead>\n<tbody>\n"...)
	if l.depth > 0 {
		b = append(b, "<tr><th scope=\"row\"><a href=\"../\">Parent folder</a></th><td></td><td></td></tr>\n"...)
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
		b = append(b, `<li><a href="`+href+`"`+current+"><bdi>"...)
		b = append(b, htmlEscaper.Replace(displayName(name))...)
		b = append(b, "</bdi></a></li>\n"...)
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
	if len(l.entries) == 0 {
		return append(b, "This folder is empty."...)
	}
	b = appendCount(b, folders, "folder")
	b = append(b, ", "...)
	b = appendCount(b, len(l.entries)-folders, "file")
	b = append(b, ", sorted by "+sortNames[l.sort]...)
	if l.desc {
		b = append(b, ", descending"...)
	} else {
		b = append(b, ", ascending"...)
	}
	if l.truncated {
		b = append(b, "; there are more, which are not listed"...)
	}
	return b
}

func appendCount(b []byte, n int, noun string) []byte {
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, " "+noun...)
	if n != 1 {
		b = append(b, 's')
	}
	return b
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
	b = append(b, `<th scope="col"`+sorted+`><a rel="nofollow" href="?sort=`+sortNames[key]+`&amp;order=`+order+`">`...)
	return append(b, name+arrow+"</a></th>\n"...)
}

func (listHTML) entry(b []byte, e *entry) []byte {
	b = append(b, `<tr><th scope="row"><a href="`...)
	b = append(b, e.href()...)
	b = append(b, `"><bdi>`...)
	b = append(b, htmlEscaper.Replace(e.shown())...)
	b = append(b, `</bdi></a></th><td>`...)
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
	if e.mod != 0 {
		t := e.listTime()
		b = append(b, `<time datetime="`...)
		b = t.AppendFormat(b, time.RFC3339)
		b = append(b, `">`...)
		b = t.AppendFormat(b, "2006-01-02 15:04")
		b = append(b, `</time>`...)
	}
	return append(b, "</td></tr>\n"...)
}

func (listHTML) end(b []byte, l *listing) []byte {
	b = append(b, "</tbody>\n</table>\n</div>\n</main>\n<footer>"...)
	if l.dropped > 0 {
		b = appendCount(b, l.dropped, "name")
		b = append(b, " disappeared while this was written. "...)
	}
	return append(b, `Also as <a rel="nofollow" href="?format=text">text</a> and <a rel="nofollow" href="?format=json">JSON</a>.</footer>
</body>
</html>
`...)
}

// appendSize appends a size in bytes with three significant digits in IEC units.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), " B"...)
	}
	size, unit := float64(n)/1024, 0
	for size >= 999.5 && unit < len("KMGTPE")-1 {
		size /= 1024
		unit++
	}
	digits := 2 // behind the point
	switch {
	case size >= 99.95:
		digits = 0
	case size >= 9.995:
		digits = 1
	}
	b = strconv.AppendFloat(b, size, 'f', digits, 64)
	return append(b, ' ', "KMGTPE"[unit], 'i', 'B')
}
