package conformance_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A listingPage is the content of an HTML listing, with character references decoded and without
// markup.
type listingPage struct {
	Title   string
	Crumbs  []listingLink // the heading
	Counts  string
	Caption string
	Columns []listingColumn
	Parent  string // reference to the parent folder, "" if there is none
	Rows    []listingRow
	Footer  string
	Forms   []listingLink
}

type listingLink struct {
	Text, Href string
	Current    bool
}

type listingColumn struct{ Text, Href, Sort string }

type listingRow struct{ Kind, Name, Href, Size, Bytes, Time, Shown string }

// listingReadPage parses a page. A line that differs from the expected markup fails the test.
func listingReadPage(t testing.TB, content string) (p listingPage) {
	t.Helper()
	if !utf8.ValidString(content) || !strings.HasSuffix(content, "\n") {
		t.Errorf("content is not UTF-8 that ends in LF: %q", content)
	}
	before, rest, _ := strings.Cut(content, "\n<style>")
	_, after, _ := strings.Cut(rest, "</style>\n")
	lines := strings.Split(before+"\n"+after, "\n")
	may := func(line *regexp.Regexp) []string {
		m := line.FindStringSubmatch(lines[0])
		if m != nil {
			lines = lines[1:]
			for i, s := range m {
				m[i] = html.UnescapeString(strings.ReplaceAll(s, "<wbr>", ""))
			}
		}
		return m
	}
	must := func(line *regexp.Regexp) []string {
		t.Helper()
		m := may(line)
		if m == nil {
			t.Fatalf("line %q does not match %v in %q", lines[0], line, content)
		}
		return m
	}
	checkBlank := func(name, note string) {
		t.Helper()
		if blank := note != ""; blank != listingBlank(name) {
			t.Errorf("the name %q is labeled as blank: %v", name, blank)
		}
	}
	fixed := func(want ...string) {
		t.Helper()
		n := min(len(want), len(lines))
		if diff := cmp.Diff(want, lines[:n]); diff != "" {
			t.Fatalf("lines of a listing (-want +got):\n%s", diff)
		}
		lines = lines[n:]
	}

	fixed(`<!doctype html>`, `<html lang="en">`, `<head>`, `<meta charset="utf-8">`,
		`<meta name="viewport" content="width=device-width, initial-scale=1">`)
	p.Title = must(listingTitle)[1]
	fixed(`</head>`, `<body>`, `<a class="skip" href="#files">Skip to files</a>`, `<header><nav aria-label="Breadcrumb"><h1>`)
	for m := may(listingCrumb); m != nil; m = may(listingCrumb) {
		p.Crumbs = append(p.Crumbs, listingLink{m[2], m[1], false})
		checkBlank(m[2], m[3])
	}
	here := must(listingHere)
	p.Crumbs = append(p.Crumbs, listingLink{here[1], "", true})
	checkBlank(here[1], here[2])
	fixed(`</h1></nav>`)
	if m := may(listingCounts); m == nil {
		p.Counts = "This folder is empty."
		fixed(`</header>`, `<main id="files">`, `<p>`+p.Counts+`</p>`)
		if m := may(listingUp); m != nil {
			p.Parent = m[1]
		}
	} else {
		p.Counts = breakable(m[1])
		fixed(`<main id="files">`, `<table>`)
		p.Caption = must(listingWords)[1]
		fixed(`<thead><tr>`)
		for range 3 {
			m := must(listingHead)
			p.Columns = append(p.Columns, listingColumn{m[3], m[2], m[1]})
		}
		fixed(`</tr></thead>`, `<tbody>`)
		if m := may(listingParent); m != nil {
			p.Parent = m[1]
		}
		for m := may(listingLine); m != nil; m = may(listingLine) {
			p.Rows = append(p.Rows, listingRow{m[1], m[3], m[2], breakable(m[6]) + m[7], m[5], m[8], breakable(m[9])})
			checkBlank(m[3], m[4])
		}
		fixed(`</tbody>`, `</table>`)
	}
	fixed(`</main>`)
	m := must(listingFooter)
	p.Footer, p.Forms = breakable(m[1]), []listingLink{{m[3], m[2], false}, {m[5], m[4], false}}
	fixed(`</body>`, `</html>`, ``)
	return p
}

// breakable returns the text of a size or time with plain spaces.
func breakable(text string) string { return strings.ReplaceAll(text, "\u00a0", " ") }

// listingBlank reports whether the name has no visible characters: it has only white space, and
// what Unicode derives as Default_Ignorable_Code_Point.
func listingBlank(name string) bool {
	return strings.TrimFunc(name, func(r rune) bool {
		switch {
		case unicode.IsSpace(r), r == 0x2800, // the braille pattern without dots
			unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return true
		case unicode.In(r, unicode.Prepended_Concatenation_Mark), 0xfff9 <= r && r <= 0xfffb, 0x13430 <= r && r <= 0x1345f:
			return false // format characters that can be seen
		}
		return unicode.Is(unicode.Cf, r)
	}) == ""
}

// listingGetPage gets a listing as HTML and parses it.
func listingGetPage(t testing.TB, r rawhttp.Resolver, target string) listingPage {
	t.Helper()
	a := listingAsk(t, r, "GET "+target, "Accept: text/html")
	if a.Status != "200 OK" {
		t.Fatalf("GET %s: %s", target, a.Status)
	}
	return listingReadPage(t, a.Content)
}
