package conformance_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/rawhttp/internal/list"
	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

var listingUpdate = flag.Bool("update-listing", false, "rewrite the files in testdata/listing")

// listingAsk returns the answer of r to a request with the request line, which may lack the
// version, and the field lines.
func listingAsk(t testing.TB, r rawhttp.Resolver, requestLine string, fieldLines ...string) filesAnswer {
	t.Helper()
	if !strings.Contains(requestLine, " HTTP/") {
		requestLine += " HTTP/1.1"
	}
	lines := append([]string{requestLine, "Host: a"}, fieldLines...)
	req := requestOf(t, strings.Join(lines, "\r\n")+"\r\n\r\n")
	resp, err := r.Resolve(t.Context(), req)
	if err != nil {
		return filesAnswer{Status: fmt.Sprint(rawhttp.StatusOf(err))}
	}
	var b strings.Builder
	if _, err := rawhttp.WriteResponse(t.Context(), &b, req, resp); err != nil {
		t.Errorf("%s: WriteResponse: %v", requestLine, err)
	}
	a := parseAnswer(t, b.String())
	delete(a.Fields, "Date")
	if a.Fields["Transfer-Encoding"] == "chunked" {
		a.Content = unchunk(t, a.Content)
	}
	return a
}

// listingMinute returns a modification time n minutes after a fixed time.
func listingMinute(n int) time.Time {
	return time.Date(2026, 11, 2, 8, 15, 59, 999_999_999, time.UTC).Add(time.Duration(n) * time.Minute)
}

// listingTree returns a tree whose folder /pub/images/ has one entry of each kind.
func listingTree() fstest.MapFS {
	file := func(size, minute int) *fstest.MapFile {
		return &fstest.MapFile{Data: make([]byte, size), Mode: 0o644, ModTime: listingMinute(minute)}
	}
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777, ModTime: listingMinute(99)}
	}
	return fstest.MapFS{
		"pub/images":               {Mode: fs.ModeDir | 0o755, ModTime: listingMinute(50)},
		"pub/images/old":           {Mode: fs.ModeDir | 0o755, ModTime: listingMinute(0)},
		"pub/images/R&D <new>":     {Mode: fs.ModeDir | 0o755, ModTime: listingMinute(-1)},
		"pub/images/a?b.png":       file(145408, 1),
		"pub/images/Zebra.svg":     file(731, 7),
		"pub/images/antelope.svg":  file(731, 7),
		"pub/images/no time.txt":   {Data: []byte("x"), Mode: 0o644},
		"pub/images/empty":         file(0, -1440),
		"pub/images/it's \"it\".c": file(1024, 2),
		"pub/images/latest.png":    link("a?b.png"),
		"pub/images/previous":      link("old"),
		"pub/images/dangling":      link("nothing"),
		"pub/images/.hidden":       file(1, 1),
		"pub/empty":                {Mode: fs.ModeDir | 0o755},
	}
}

// listingTreeResolver returns a resolver for listingTree.
func listingTreeResolver(t testing.TB, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
	t.Helper()
	r, err := rawhttp.FS(listingTree(), append([]rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListHTML)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The exact bytes of listings, head and content.
func TestListingGolden(t *testing.T) {
	mounted := func(r rawhttp.Resolver) rawhttp.Resolver { return rawhttp.Mount("/files/media/", r) }
	tests := []struct {
		name, target string
		opts         []rawhttp.FileOption
		wrap         func(rawhttp.Resolver) rawhttp.Resolver
	}{
		{"text", "/pub/images/?format=text", nil, nil},
		{"html", "/pub/images/", nil, nil},
		{"json", "/pub/images/?format=json", nil, nil},
		{"text-by-time", "/pub/images/?format=text&sort=time&order=desc", nil, nil},
		{"html-by-size-mounted", "/files/media/pub/images/?sort=size&order=desc", nil, mounted},
		{"json-mounted", "/files/media/pub/images/?format=json", nil, mounted},
		{"html-root", "/", nil, nil},
		{"html-empty", "/pub/empty/", nil, nil},
		{"json-empty", "/pub/empty/?format=json", nil, nil},
		{"text-cut", "/pub/images/?format=text", []rawhttp.FileOption{rawhttp.WithMaxListing(3)}, nil},
		{"html-cut", "/pub/images/", []rawhttp.FileOption{rawhttp.WithMaxListing(3)}, nil},
		{"json-cut", "/pub/images/?format=json", []rawhttp.FileOption{rawhttp.WithMaxListing(3)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r rawhttp.Resolver = listingTreeResolver(t, tt.opts...)
			if tt.wrap != nil {
				r = tt.wrap(r)
			}
			resp, err := r.Resolve(t.Context(), resolveGet(t, tt.target))
			if err != nil {
				t.Fatal(err)
			}
			got := respBytes(t, resp)
			file := filepath.Join("testdata", "listing", tt.name+".golden")
			if *listingUpdate {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("answer to GET %s (-%s +got):\n%s", tt.target, file, diff)
			}
		})
	}
}

// The query and Accept select the form of a listing.
func TestListingNegotiation(t *testing.T) {
	const (
		html = "text/html; charset=utf-8"
		text = "text/plain; charset=utf-8"
		json = "application/json"

		browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	)
	tests := []struct {
		name     string
		query    string
		accept   []string
		wantHTML string // media type with ListHTML
		wantText string // media type with ListText
		why      string
	}{
		{"no Accept", "", nil, html, text, "a recursive downloader needs links"},
		{"Accept is empty", "", []string{"Accept: "}, html, text, "no form is acceptable, so the default is sent, not 406"},
		{"anything", "", []string{"Accept: */*"}, html, text, "curl sends this"},
		{"a browser", "", []string{browser}, html, text, "ListText does not offer HTML"},
		{"text/plain", "", []string{"Accept: text/plain"}, text, text, ""},
		{"text/html", "", []string{"Accept: text/html"}, html, text, ""},
		{"application/json", "", []string{"Accept: application/json"}, json, json, ""},
		{"in any case", "", []string{"aCCept: aPPlication/JSON"}, json, json, "media types are case-insensitive"},
		{"with a parameter", "", []string{"Accept: text/plain; charset=utf-8"}, text, text, ""},
		{"a quoted parameter with a comma and a semicolon", "", []string{`Accept: text/html;x=",application/json;q=1";q=0.1, text/plain;q=0.2`}, text, text, ""},
		{"json before anything", "", []string{"Accept: application/json, */*;q=0.5"}, json, json, ""},
		{"by q", "", []string{"Accept: text/html;q=0.2, text/plain;q=0.3, application/json;q=0.4"}, json, json, ""},
		{"by q, the other way round", "", []string{"Accept: text/html;q=0.4, text/plain;q=0.3, application/json;q=0.2"}, html, text, ""},
		{"q of three digits", "", []string{"Accept: text/plain;q=0.998, application/json;q=0.999"}, json, json, ""},
		{"q=1 and no q", "", []string{"Accept: application/json;q=1.000, text/plain"}, text, text, "a tie is decided in the order HTML, text, JSON"},
		{"q in upper case, with blanks", "", []string{"Accept: text/html ; Q=0.1 ,\tapplication/json ;q=0.2"}, json, json, "optional white space, RFC 9110, section 12.5.1"},
		{"malformed q", "", []string{"Accept: application/json;q=2, text/plain;q=0.1"}, text, text, "a malformed q counts as 0"},
		{"a tie", "", []string{"Accept: application/json, text/plain, text/html"}, html, text, ""},
		{"a tie of text and JSON", "", []string{"Accept: application/json;q=0.7, text/plain;q=0.7"}, text, text, ""},
		{"a tie of HTML and JSON", "", []string{"Accept: application/json, text/html"}, html, json, "ListText does not offer HTML"},
		{"text/*", "", []string{"Accept: text/*"}, html, text, ""},
		{"application/*", "", []string{"Accept: application/*"}, json, json, ""},
		{"text/* before anything", "", []string{"Accept: */*;q=0.1, text/*;q=0.2"}, html, text, ""},
		{"the most specific range counts", "", []string{"Accept: text/*;q=0.9, text/html;q=0.1, application/json;q=0.5"}, text, text, "RFC 9110, section 12.5.1"},
		{"the most specific range counts, for text", "", []string{"Accept: text/plain;q=0.1, text/*;q=0.9, application/json;q=0.5"}, html, json, ""},
		{"the example of the RFC", "", []string{"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"}, text, text, "text/plain 0.7, JSON 0.5, HTML 0.3"},
		{"HTML is refused", "", []string{"Accept: text/html;q=0, */*"}, text, text, ""},
		{"all but JSON is refused", "", []string{"Accept: text/*;q=0, */*;q=0.1"}, json, json, ""},
		{"nothing acceptable", "", []string{"Accept: image/png"}, html, text, "the default is sent, not 406"},
		{"all refused", "", []string{"Accept: */*;q=0"}, html, text, "the default is sent, not 406"},
		{"another type of text", "", []string{"Accept: text/csv, text/plain;q=0.1"}, text, text, ""},
		{"types with a common prefix", "", []string{"Accept: text/htm, text/html5, application/json;q=0.1"}, json, json, ""},
		{"a type with a suffix", "", []string{"Accept: application/problem+json"}, html, text, "application/problem+json is another type"},
		{"malformed members", "", []string{"Accept: /, ;, text, json;;q=, application/json;q=0.1"}, json, json, "malformed members are ignored"},
		{"empty members", "", []string{"Accept: ,, application/json ,"}, json, json, "RFC 9110, section 5.6.1.2"},
		{"several field lines", "", []string{"Accept: text/html;q=0.1", "X-A: b", "Accept: text/plain;q=0.2", "Accept: application/json;q=0.3"}, json, json, "one list, RFC 9110, section 5.3"},
		{"several field lines, the first wins", "", []string{"Accept: text/plain", "Accept: application/json;q=0.3"}, text, text, ""},

		{"format=text", "?format=text", []string{browser}, text, text, "the query wins over Accept"},
		{"format=json", "?format=json", []string{browser}, json, json, ""},
		{"format=html", "?format=html", []string{"Accept: application/json"}, html, json, "ListText does not offer HTML, so the value is ignored"},
		{"format=html, refused", "?format=html", []string{"Accept: text/html;q=0"}, html, text, ""},
		{"format of another name", "?format=xml", []string{"Accept: application/json"}, json, json, "unknown values are ignored"},
		{"format in upper case", "?format=JSON", nil, html, text, "values are case-sensitive"},
		{"format is empty", "?format=", nil, html, text, "unknown values are ignored"},
		{"format twice", "?format=json&format=text", nil, json, json, "the first value is used"},
		{"format, escaped", "?%66ormat=%6Ason", nil, json, json, "the query is decoded"},
		{"format among others", "?a=b&format=json&sort=size", nil, json, json, ""},
		{"a malformed pair in the query", "?%zz&format=json", nil, json, json, "malformed pairs are ignored"},
		{"another parameter", "?form=json&Format=json", nil, html, text, "names are case-sensitive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for listing, want := range map[rawhttp.Listing]string{rawhttp.ListHTML: tt.wantHTML, rawhttp.ListText: tt.wantText} {
				r := listingTreeResolver(t, rawhttp.WithListing(listing))
				for _, method := range []string{"GET", "HEAD"} {
					request := method + " /pub/images/" + tt.query
					got := listingAsk(t, r, request, tt.accept...)
					if got.Status != "200 OK" || got.Fields["Content-Type"] != want || got.Fields["Vary"] != "Accept" {
						t.Errorf("list %v: %s with %q: %s, Content-Type %q, Vary %q, want 200, %q, Accept\nwhy: %s",
							listing, request, tt.accept, got.Status, got.Fields["Content-Type"], got.Fields["Vary"], want, tt.why)
					}
				}
			}
			r := listingTreeResolver(t, rawhttp.WithListing(rawhttp.ListNone))
			if got := listingAsk(t, r, "GET /pub/images/"+tt.query, tt.accept...); got.Status != "404" {
				t.Errorf("list none: GET with %q: %s, want 404", tt.accept, got.Status)
			}
		})
	}
}

// The fields of each form of a listing, in answers with 200 and 304 and to HEAD.
func TestListingFields(t *testing.T) {
	common := map[string]string{"Cache-Control": "no-cache", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
	page := map[string]string{"Content-Security-Policy": list.Policy, "Referrer-Policy": "same-origin"}
	for name, mediaType := range map[string]string{"html": "text/html; charset=utf-8", "text": "text/plain; charset=utf-8", "json": "application/json"} {
		t.Run(name, func(t *testing.T) {
			_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(listingTreeResolver(t)))
			ask := func(requestLine string, fieldLines ...string) filesAnswer {
				lines := append([]string{requestLine + "/pub/images/?format=" + name + " HTTP/1.1", "Host: a"}, fieldLines...)
				return parseAnswer(t, talk(t, addr, strings.Join(lines, "\r\n")+"\r\n\r\n"))
			}
			want := maps.Clone(common)
			if name == "html" {
				maps.Copy(want, page)
			}

			get := ask("GET ")
			etag := get.Fields["ETag"]
			if !isEntityTag(etag) || !strings.HasPrefix(etag, "W/") {
				t.Errorf("ETag of a listing in memory: %q, want a weak one", etag)
			}
			want304 := maps.Clone(want)
			want304["ETag"] = etag
			want["Content-Type"] = mediaType
			wantGet := maps.Clone(want)
			wantGet["ETag"], wantGet["Content-Length"] = etag, fmt.Sprint(len(get.Content))
			if diff := cmp.Diff(wantGet, get.Fields); diff != "" {
				t.Errorf("fields of GET (-want +got):\n%s", diff)
			}
			if again := ask("GET "); !cmp.Equal(get, again) {
				t.Errorf("answers to the same request differ (-first +second):\n%s", cmp.Diff(get, again))
			}
			if head := ask("HEAD "); !cmp.Equal(filesAnswer{"200 OK", want, ""}, head) {
				t.Errorf("answer to HEAD (-want +got):\n%s", cmp.Diff(filesAnswer{"200 OK", want, ""}, head))
			}

			notModified := filesAnswer{"304 Not Modified", want304, ""}
			for _, field := range []string{
				"If-None-Match: " + etag,
				"If-None-Match: " + strings.TrimPrefix(etag, "W/"), // weak comparison, RFC 9110, section 13.1.2
				`If-None-Match: "a", ` + etag + `, "b"`,
				"If-None-Match: *",
			} {
				if got := ask("GET ", field); !cmp.Equal(notModified, got) {
					t.Errorf("answer to GET with %s (-want +got):\n%s", field, cmp.Diff(notModified, got))
				}
			}
			for _, field := range []string{
				`If-None-Match: "a"`,
				"If-None-Match: W/" + etag,
				"If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT", // the listing has no Last-Modified
				"Range: bytes=0-1",                                 // a listing has no ranges, since each request makes it again
			} {
				if got := ask("GET ", field); !cmp.Equal(get, got) {
					t.Errorf("answer to GET with %s (-want +got):\n%s", field, cmp.Diff(get, got))
				}
			}
		})
	}
}

// The entity tag of a listing differs between forms and orders, and changes when the folder
// has changed in a way that the listing shows.
func TestListingETag(t *testing.T) {
	tree := listingTree()
	r, err := rawhttp.FS(tree, rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for _, change := range []struct {
		name  string
		do    func()
		forms []string // the forms that show the change
	}{
		{"at first", func() {}, []string{"text", "html", "json", "html&sort=size", "html&sort=size&order=desc"}},
		{"a file that grows", func() { tree["pub/images/empty"].Data = []byte("1") }, []string{"html", "json"}},
		{"a file that is touched", func() { tree["pub/images/empty"].ModTime = listingMinute(3) }, []string{"html", "json"}},
		{"a new file", func() { tree["pub/images/more"] = tree["pub/images/empty"] }, []string{"text", "html", "json"}},
		{"a new hidden file", func() { tree["pub/images/.more"] = tree["pub/images/empty"] }, nil},
		{"a folder that is touched", func() { tree["pub/images"].ModTime = listingMinute(60) }, nil},
		{"a removed file", func() { delete(tree, "pub/images/empty") }, []string{"text", "html", "json"}},
	} {
		change.do()
		for _, form := range []string{"text", "html", "json", "html&sort=size", "html&sort=size&order=desc"} {
			tag := listingAsk(t, r, "GET /pub/images/?format="+form).Fields["ETag"]
			before, known := seen[tag]
			if shown := strings.Contains(strings.Join(change.forms, " ")+" ", strings.Split(form, "&")[0]+" "); shown == known {
				t.Errorf("%s: ETag of the listing as %s: %s, seen before: %v (%s), want %v", change.name, form, tag, known, before, !shown)
			}
			seen[tag] = form + ", " + change.name
		}
	}
}

// The order of a listing: folders first, then by the key, then by the name.
func TestListingOrder(t *testing.T) {
	const (
		byNameUp   = `old/ | previous/ | R&D <new>/ | a?b.png | antelope.svg | empty | it's "it".c | latest.png | no time.txt | Zebra.svg`
		byNameDown = `R&D <new>/ | previous/ | old/ | Zebra.svg | no time.txt | latest.png | it's "it".c | empty | antelope.svg | a?b.png`
		bySizeUp   = `old/ | previous/ | R&D <new>/ | empty | no time.txt | antelope.svg | Zebra.svg | it's "it".c | a?b.png | latest.png`
		bySizeDown = `old/ | previous/ | R&D <new>/ | a?b.png | latest.png | it's "it".c | antelope.svg | Zebra.svg | no time.txt | empty`
		byTimeUp   = `R&D <new>/ | old/ | previous/ | no time.txt | empty | a?b.png | latest.png | it's "it".c | antelope.svg | Zebra.svg`
		byTimeDown = `old/ | previous/ | R&D <new>/ | antelope.svg | Zebra.svg | it's "it".c | a?b.png | latest.png | empty | no time.txt`
	)
	tests := []struct{ query, want, why string }{
		{"", byNameUp, "letters are ordered without case"},
		{"sort=name", byNameUp, ""},
		{"sort=name&order=asc", byNameUp, ""},
		{"order=desc", byNameDown, "folders stay first"},
		{"sort=name&order=desc", byNameDown, ""},
		{"sort=size", bySizeUp, "folders have no size and are ordered by name; a link has the size of its target"},
		{"sort=size&order=asc", bySizeUp, ""},
		{"sort=size&order=desc", bySizeDown, "ties are ordered by name, ascending in both directions"},
		{"sort=time", byTimeUp, "an entry without a time precedes the others"},
		{"sort=time&order=asc", byTimeUp, ""},
		{"sort=time&order=desc", byTimeDown, ""},
		{"order=desc&sort=time", byTimeDown, ""},
		{"sort=date", byNameUp, "unknown values are ignored"},
		{"sort=", byNameUp, ""},
		{"sort=Size", byNameUp, ""},
		{"sort=size&order=up", bySizeUp, ""},
		{"order=DESC", byNameUp, ""},
		{"C=S;O=D", byNameUp, "other servers use this syntax; it is ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			r := listingTreeResolver(t)
			ask := func(form string) string {
				return listingAsk(t, r, "GET /pub/images/?format="+form+"&"+tt.query).Content
			}
			var page, object []string
			for _, row := range listingReadPage(t, ask("html")).Rows {
				page = append(page, row.Name)
			}
			for _, e := range listingReadJSON(t, ask("json")).Entries {
				if e.Type == "directory" {
					e.Name += "/"
				}
				object = append(object, e.Name)
			}
			for form, names := range map[string][]string{"text": listingLines(ask("text")), "html": page, "json": object} {
				if diff := cmp.Diff(tt.want, strings.Join(names, " | ")); diff != "" {
					t.Errorf("listing as %s with %q (-want +got):\n%s\nwhy: %s", form, tt.query, diff, tt.why)
				}
			}
		})
	}
}
