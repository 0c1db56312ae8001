package conformance_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// Patterns for the variable parts of a listing.
var (
	listingText   = `([^<>"]*)` // escaped
	listingHref   = `([-A-Za-z0-9._~%/?=&;]*)`
	listingName   = `((?:[^<>"]|<wbr>)*?)( \(blank name\))?`
	listingForm   = `<a rel="nofollow" href="` + listingHref + `">(\w+)</a>`
	listingTitle  = regexp.MustCompile(`^<title>Index of ` + listingText + `</title>$`)
	listingCrumb  = regexp.MustCompile(`^<bdi dir=ltr><a href="` + listingHref + `">` + listingName + `</a></bdi> /$`)
	listingHere   = regexp.MustCompile(`^<b aria-current="page"><bdi dir=ltr>` + listingName + `</bdi></b>$`)
	listingCounts = regexp.MustCompile(`^<p>` + listingText + `</p></header>$`)
	listingUp     = regexp.MustCompile(`^<p><a href="` + listingHref + `">Parent folder</a></p>$`)
	listingWords  = regexp.MustCompile(`^<caption>` + listingText + `</caption>$`)
	listingHead   = regexp.MustCompile(`^<th scope="col"(?: aria-sort="(\w+)")?><a rel="nofollow" href="` + listingHref + `">([\w ()]+)</a></th>$`)
	listingParent = regexp.MustCompile(`^<tr class=up><td><a href="` + listingHref + `">Parent folder</a></td><td></td><td></td></tr>$`)
	listingLine   = regexp.MustCompile(`^<tr class=(\w+)><td><bdi dir=ltr><a href="` + listingHref + `">` + listingName + `</a></bdi></td>` +
		`<td>(?:<data value=(\d+)>)?([\d.]+\x{a0}\w+|folder)(?:</data>)?(, link)?</td>` +
		`<td>(?:<time datetime=([\d:TZ-]+)>([\d-]+\x{a0}[\d:]+)</time>)?</td></tr>$`)
	listingFooter = regexp.MustCompile(`^<footer>((?:[\w. \x{a0}]+\. )?)Also as ` + listingForm + ` and ` + listingForm + `\.</footer>$`)
)

// The Content-Security-Policy allows only the style of the page.
func TestListingPolicy(t *testing.T) {
	a := listingAsk(t, listingTreeResolver(t), "GET /pub/images/")
	_, rest, _ := strings.Cut(a.Content, "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	if !found {
		t.Fatalf("no style in %q", a.Content)
	}
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
	if diff := cmp.Diff(want, a.Fields["Content-Security-Policy"]); diff != "" {
		t.Errorf("Content-Security-Policy (-want +got):\n%s", diff)
	}
	for _, not := range []string{"<script", "style=", " on", "javascript:", "http:", "https:", "//", "url(", "@import"} {
		if strings.Contains(a.Content, not) {
			t.Errorf("the page contains %q, want no scripts and no other resources", not)
		}
	}
}

// The complete contents of one page.
func TestListingPage(t *testing.T) {
	got := listingGetPage(t, listingTreeResolver(t), "/pub/images/")
	want := listingPage{
		Title:   "/pub/images/",
		Crumbs:  []listingLink{{"root", "../../", false}, {"pub", "../", false}, {"images", "", true}},
		Counts:  "3 folders, 7 files, 286 KiB",
		Caption: "Sorted by name, ascending",
		Columns: []listingColumn{
			{"Name", "?sort=name&order=desc", "ascending"},
			{"Size", "?sort=size&order=desc", ""},
			{"Modified (UTC)", "?sort=time&order=desc", ""},
		},
		Parent: "../",
		Rows: []listingRow{
			{"folder", "old/", "old/", "folder", "", "2026-11-02T08:15:59Z", "2026-11-02 08:15"},
			{"folder", "previous/", "previous/", "folder, link", "", "2026-11-02T08:15:59Z", "2026-11-02 08:15"},
			{"folder", "R&D <new>/", "R%26D%20%3Cnew%3E/", "folder", "", "2026-11-02T08:14:59Z", "2026-11-02 08:14"},
			{"image", "a?b.png", "a%3Fb.png", "142 KiB", "145408", "2026-11-02T08:16:59Z", "2026-11-02 08:16"},
			{"image", "antelope.svg", "antelope.svg", "731 B", "731", "2026-11-02T08:22:59Z", "2026-11-02 08:22"},
			{"other", "empty", "empty", "0 B", "0", "2026-11-01T08:15:59Z", "2026-11-01 08:15"},
			{"code", `it's "it".c`, "it%27s%20%22it%22.c", "1.00 KiB", "1024", "2026-11-02T08:17:59Z", "2026-11-02 08:17"},
			{"image", "latest.png", "latest.png", "142 KiB, link", "145408", "2026-11-02T08:16:59Z", "2026-11-02 08:16"},
			{"text", "no time.txt", "no%20time.txt", "1 B", "1", "", ""},
			{"image", "Zebra.svg", "Zebra.svg", "731 B", "731", "2026-11-02T08:22:59Z", "2026-11-02 08:22"},
		},
		Forms: []listingLink{{"text", "?format=text", false}, {"JSON", "?format=json", false}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

// The heading of a column links to the listing sorted by that column, in the opposite direction if
// the listing is already sorted by it.
func TestListingColumns(t *testing.T) {
	const up, down = "ascending", "descending"
	tests := []struct {
		query                  string
		name, size, time       string // order in the link of the heading
		nameNow, sizeNow, tNow string
		caption                string
		why                    string
	}{
		{"", "desc", "desc", "desc", up, "", "", "name, ascending", "by default names ascend, and sizes and times descend, since users look for the largest and newest"},
		{"?order=desc", "asc", "desc", "desc", down, "", "", "name, descending", ""},
		{"?sort=size", "asc", "desc", "desc", "", up, "", "size, ascending", ""},
		{"?sort=size&order=desc", "asc", "asc", "desc", "", down, "", "size, descending", ""},
		{"?sort=time", "asc", "desc", "desc", "", "", up, "time, ascending", ""},
		{"?sort=time&order=desc", "asc", "desc", "asc", "", "", down, "time, descending", ""},
		{"?sort=none", "desc", "desc", "desc", up, "", "", "name, ascending", "unknown values are ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			r := listingTreeResolver(t)
			got := listingGetPage(t, r, "/pub/images/"+tt.query)
			href := func(key, order string) string {
				switch {
				case order == "desc":
					return "?sort=" + key + "&order=desc"
				case key == "name":
					return "./"
				}
				return "?sort=" + key // each order has one spelling
			}
			columns := []listingColumn{
				{"Name", href("name", tt.name), tt.nameNow},
				{"Size", href("size", tt.size), tt.sizeNow},
				{"Modified (UTC)", href("time", tt.time), tt.tNow},
			}
			if diff := cmp.Diff(columns, got.Columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
			if want := "Sorted by " + tt.caption; got.Caption != want {
				t.Errorf("caption %q, want %q", got.Caption, want)
			}
			forms := []listingLink{{"text", "?format=text", false}, {"JSON", "?format=json", false}}
			if diff := cmp.Diff(forms, got.Forms); diff != "" {
				t.Errorf("links to other forms, without an order, so that a recursive downloader follows few (-want +got):\n%s", diff)
			}
			for _, column := range got.Columns { // follow each link
				page := listingGetPage(t, r, "/pub/images/"+column.Href)
				if want := strings.Contains(column.Href, "desc"); want != strings.HasSuffix(page.Caption, down) {
					t.Errorf("page at %s: %q", column.Href, page.Caption)
				}
			}
		})
	}
}

// Breadcrumbs lead to each parent folder, starting at the topmost that the resolver serves.
func TestListingCrumbs(t *testing.T) {
	tree := fstest.MapFS{}
	for _, name := range []string{"a", "a/b/c/d", "R&D <x>", "\u202eevil"} {
		tree[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	mount := func(prefixes ...string) func(rawhttp.Resolver) rawhttp.Resolver {
		return func(r rawhttp.Resolver) rawhttp.Resolver {
			for _, p := range prefixes {
				r = rawhttp.Mount(p, r)
			}
			return r
		}
	}
	here := func(name string) listingLink { return listingLink{name, "", true} }
	tests := []struct {
		name, target string
		wrap         func(rawhttp.Resolver) rawhttp.Resolver
		title        string
		want         []listingLink
		parent       string
		why          string
	}{
		{"root", "/", nil, "/", []listingLink{here("root")}, "", "the root has no parent"},
		{"one down", "/a/", nil, "/a/", []listingLink{{"root", "../", false}, here("a")}, "../", ""},
		{"deep", "/a/b/c/d/", nil, "/a/b/c/d/", []listingLink{{"root", "../../../../", false}, {"a", "../../../", false}, {"b", "../../", false}, {"c", "../", false}, here("d")}, "../", ""},
		{"sorted", "/a/b/?sort=size&order=desc", nil, "/a/b/", []listingLink{{"root", "../../?sort=size&order=desc", false}, {"a", "../?sort=size&order=desc", false}, here("b")}, "../?sort=size&order=desc", "links to other folders keep the order"},
		{"sorted as by default", "/a/b/?sort=name&order=asc&x=y", nil, "/a/b/", []listingLink{{"root", "../../", false}, {"a", "../", false}, here("b")}, "../", "the default order is left out of links"},
		{"spelled another way", "//a/./b//c/../?x", nil, "/a/b/", []listingLink{{"root", "../../", false}, {"a", "../", false}, here("b")}, "../", "the path is cleaned; the links are followed below"},
		{"markup", "/R&D%20%3Cx%3E/", nil, "/R&D <x>/", []listingLink{{"root", "../", false}, here("R&D <x>")}, "../", ""},
		{"bidi override", "/%e2%80%aeevil/", nil, "/\ufffdevil/", []listingLink{{"root", "../", false}, here("\ufffdevil")}, "../", ""},
		{"mounted", "/files/", mount("/files/"), "/files/", []listingLink{here("files")}, "", "the resolver does not serve folders above the Mount"},
		{"mounted, deep", "/files/a/b/", mount("/files/"), "/files/a/b/", []listingLink{{"files", "../../", false}, {"a", "../", false}, here("b")}, "../", ""},
		{"mounted deep", "/x/y/a/", mount("/x/y/"), "/x/y/a/", []listingLink{{"y", "../", false}, here("a")}, "../", ""},
		{"mounted twice", "/x/y/a/", mount("/y/", "/x/"), "/x/y/a/", []listingLink{{"y", "../", false}, here("a")}, "../", ""},
		{"mounted at a name with markup", "/%3Cb%3E/a/", mount("/<b>/"), "/<b>/a/", []listingLink{{"<b>", "../", false}, here("a")}, "../", ""},
		{"mounted at the root", "/a/", mount("/"), "/a/", []listingLink{{"root", "../", false}, here("a")}, "../", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, err := rawhttp.FS(tree, rawhttp.WithListing(rawhttp.ListHTML))
			if err != nil {
				t.Fatal(err)
			}
			var r rawhttp.Resolver = files
			if tt.wrap != nil {
				r = tt.wrap(r)
			}
			got := listingGetPage(t, r, tt.target)
			if diff := cmp.Diff(tt.want, got.Crumbs); diff != "" {
				t.Errorf("breadcrumbs (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
			if got.Title != tt.title || got.Parent != tt.parent {
				t.Errorf("title %q, parent %q, want %q, %q", got.Title, got.Parent, tt.title, tt.parent)
			}
			if tt.name == "spelled another way" {
				return
			}
			base, err := url.Parse(tt.target)
			if err != nil {
				t.Fatal(err)
			}
			for i, link := range got.Crumbs { // follow each link
				href, err := url.Parse(link.Href)
				if err != nil {
					t.Fatal(err)
				}
				target := base.ResolveReference(href).EscapedPath()
				if page := listingGetPage(t, r, target); len(page.Crumbs) != i+1 || page.Crumbs[i].Text != link.Text {
					t.Errorf("page of %q, %s: breadcrumbs %v, want one per folder", link.Text, target, page.Crumbs)
				}
			}
		})
	}
}

// The heading has the number of entries listed, and both it and the caption say whether the
// listing is cut.
func TestListingCounts(t *testing.T) {
	tests := []struct {
		names []string
		max   int
		want  string
	}{
		{nil, 0, "This folder is empty."},
		{[]string{".hidden"}, 0, "This folder is empty."},
		{[]string{"a"}, 0, "1 file, 0 B"},
		{[]string{"a/"}, 0, "1 folder"},
		{[]string{"a/", "b"}, 0, "1 folder, 1 file, 0 B"},
		{[]string{"a/", "b/", "c", "d", "e"}, 0, "2 folders, 3 files, 0 B"},
		{[]string{"a", "b", "c"}, 3, "3 files, 0 B"},
		{[]string{"a", "b", "c"}, 2, "2 files, 0 B; there are more, which are not listed"},
		{[]string{"a", ".b", ".c"}, 1, "1 file, 0 B"},
	}
	for _, tt := range tests {
		r, err := rawhttp.FS(listingFiles(tt.names...), rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithMaxListing(tt.max))
		if err != nil {
			t.Fatal(err)
		}
		got := listingGetPage(t, r, "/")
		if got.Counts != tt.want {
			t.Errorf("counts of %q with WithMaxListing(%d): %q, want %q", tt.names, tt.max, got.Counts, tt.want)
		}
		caption := "Sorted by name, ascending"
		if _, more, cut := strings.Cut(tt.want, ";"); cut {
			caption += ";" + more
		}
		if len(got.Rows) > 0 && got.Caption != caption {
			t.Errorf("caption of %q with WithMaxListing(%d): %q, want %q", tt.names, tt.max, got.Caption, caption)
		}
	}
}

// The total size of a listing that is cut is that of the files in it, and it says so.
func TestListingOfTotalSizeWhenCut(t *testing.T) {
	fake := &listingFake{t: t, names: 300, mayRead: true, info: func(string) error { return nil }}
	for max, want := range map[int]string{300: "300 B in all. ", 299: "299 B listed. "} {
		r, err := rawhttp.FS(fake, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithMaxListing(max))
		if err != nil {
			t.Fatal(err)
		}
		if got := listingGetPage(t, r, "/").Footer; got != want {
			t.Errorf("footer of 300 files with WithMaxListing(%d): %q, want %q", max, got, want)
		}
	}
}

// Names that no longer exist when they are written are left out. A long listing reports their
// number after the table, since the heading has been sent; a listing made in memory does not
// report them.
func TestListingOfRemovedNames(t *testing.T) {
	const all = "file-0000001.txt file-0000002.txt file-0000003.txt file-0000004.txt"
	tests := []struct {
		name   string
		gone   string
		want   string
		counts string // in the listing of 4 names
		footer string // in the listing of 204 names
	}{
		{"none", "", all, "4 files, 4 B", "204 B in all. "},
		{"one", "file-0000002.txt", "file-0000001.txt file-0000003.txt file-0000004.txt", "3 files, 3 B", "203 B in all. 1 name disappeared while this was written. "},
		{"some", "file-0000001.txt file-0000002.txt file-0000004.txt", "file-0000003.txt", "1 file, 1 B", "201 B in all. 3 names disappeared while this was written. "},
		{"all", all, "", "This folder is empty.", "200 B in all. 4 names disappeared while this was written. "},
	}
	for _, tt := range tests {
		for _, err := range []error{fs.ErrNotExist, &fs.PathError{Op: "lstat", Path: "?", Err: fs.ErrNotExist}} {
			for _, n := range []int{4, 204} {
				fake := &listingFake{t: t, names: n, mayRead: true, info: func(name string) error {
					if strings.Contains(tt.gone, name) {
						return err
					}
					return nil
				}}
				r, err := rawhttp.FS(fake, rawhttp.WithListing(rawhttp.ListHTML))
				if err != nil {
					t.Fatal(err)
				}
				want := strings.Fields(tt.want)
				for i := 4; i < n; i++ {
					want = append(want, fmt.Sprintf("file-%07d.txt", i+1))
				}
				page := listingGetPage(t, r, "/")
				var names, objects []string
				for _, row := range page.Rows {
					names = append(names, row.Name)
				}
				for _, e := range listingReadJSON(t, listingAsk(t, r, "GET /?format=json").Content).Entries {
					objects = append(objects, e.Name)
				}
				if diff := cmp.Diff(strings.Join(want, " "), strings.Join(names, " ")); diff != "" {
					t.Errorf("%s removed: rows (-want +got):\n%s", tt.name, diff)
				}
				if diff := cmp.Diff(strings.Join(want, " "), strings.Join(objects, " ")); diff != "" {
					t.Errorf("%s removed: entries (-want +got):\n%s", tt.name, diff)
				}
				counts, footer := tt.counts, ""
				if n > sortedEntries {
					counts, footer = "204 files", tt.footer
				}
				if page.Footer != footer || page.Counts != counts {
					t.Errorf("%s of %d removed: counts %q, footer %q, want %q, %q", tt.name, n, page.Counts, page.Footer, counts, footer)
				}
			}
		}
	}
}

// If the file system fails, unlike when a name no longer exists, the listing fails too, so that
// it does not look complete.
func TestListingWhenFileSystemFails(t *testing.T) {
	for name, fault := range map[string]error{"EIO": syscall.EIO, "EMFILE": &fs.PathError{Op: "lstat", Path: "?", Err: syscall.EMFILE}, "closed": fs.ErrClosed} {
		for _, names := range []int{3, 1000} {
			fake := &listingFake{t: t, names: names, mayRead: true, info: func(name string) error {
				if name == "file-0000002.txt" {
					return fault
				}
				return nil
			}}
			r, err := rawhttp.FS(fake, rawhttp.WithListing(rawhttp.ListHTML))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := r.Resolve(t.Context(), resolveGet(t, "/"))
			if names <= sortedEntries {
				if status := rawhttp.StatusOf(err); resp != nil || status < 500 {
					t.Errorf("%s, %d names: Resolve = %v, %v, want an error with a status of 5xx", name, names, resp, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, %d names: Resolve: %v", name, names, err)
			}
			if _, err := resp.WriteTo(io.Discard); !errors.Is(err, fault) {
				t.Errorf("%s, %d names: WriteTo = %v, want the error of the file system", name, names, err)
			}
			resp.Close()
		}
	}
}

// A name without visible characters is labeled as blank in the table and in the breadcrumbs.
func TestListingOfBlankNames(t *testing.T) {
	for name, blank := range map[string]bool{
		" ": true, "   ": true, "\u00a0": true, "\u3000": true, "\u2028": false, "\u200b": true, "\ufeff": true, "\u2060 ": true,
		"\u00ad": true, "\u115f": true, "\u180e": true, "\u2800": true, "\u3164": true, "\U000e0001": true,
		" .": false, "\ufffd": false, "\n": false, "\u202e": false, "\u00e9": false, "日": false, "\ue000": false, "a": false, "\U0001F600": false,
	} {
		r, err := rawhttp.FS(fstest.MapFS{"f/" + name: {}, "d/" + name + "/d": {}}, rawhttp.WithListing(rawhttp.ListHTML))
		if err != nil {
			t.Fatal(err)
		}
		page := listingAsk(t, r, "GET /f/").Content
		if got := strings.Contains(page, " (blank name)</a></bdi></td>"); got != blank {
			t.Errorf("the file %q is labeled as blank: %v, want %v", name, got, blank)
		}
		listingReadPage(t, page)
		page = listingAsk(t, r, "GET /d/"+listingEscape(name)+"/").Content
		if got := strings.Contains(page, " (blank name)</bdi></b>"); got != blank {
			t.Errorf("the folder %q is labeled as blank: %v, want %v", name, got, blank)
		}
		listingReadPage(t, page)
	}
}
