package conformance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A listingObject is a listing as JSON, with the documented fields.
type listingObject struct {
	Path      string              `json:"path"`
	Entries   []listingObjectItem `json:"entries"`
	Truncated bool                `json:"truncated"`
}

type listingObjectItem struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Size  *int64 `json:"size"`
	Mtime string `json:"mtime"`
	Href  string `json:"href"`
	Link  bool   `json:"link"`
}

// listingReadJSON parses a listing. Bytes after it, or an undocumented field, fail the test.
func listingReadJSON(t testing.TB, content string) (o listingObject) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("content is not a listing as JSON: %v: %q", err, content)
	}
	if d.More() || !strings.HasSuffix(content, "}\n") {
		t.Errorf("content does not end with the object and one LF: %q", content)
	}
	if o.Entries == nil {
		t.Errorf("entries are null: %q", content)
	}
	return o
}

func TestListingJSON(t *testing.T) {
	size := func(n int64) *int64 { return &n }
	want := listingObject{Path: "/pub/images/", Entries: []listingObjectItem{
		{"old", "directory", nil, "2026-11-02T08:15:59Z", "./old/", false},
		{"previous", "directory", nil, "2026-11-02T08:15:59Z", "./previous/", true},
		{"R&D <new>", "directory", nil, "2026-11-02T08:14:59Z", "./R%26D%20%3Cnew%3E/", false},
		{"a?b.png", "file", size(145408), "2026-11-02T08:16:59Z", "./a%3Fb.png", false},
		{"antelope.svg", "file", size(731), "2026-11-02T08:22:59Z", "./antelope.svg", false},
		{"empty", "file", size(0), "2026-11-01T08:15:59Z", "./empty", false},
		{`it's "it".c`, "file", size(1024), "2026-11-02T08:17:59Z", "./it%27s%20%22it%22.c", false},
		{"latest.png", "file", size(145408), "2026-11-02T08:16:59Z", "./latest.png", true},
		{"no time.txt", "file", size(1), "", "./no%20time.txt", false},
		{"Zebra.svg", "file", size(731), "2026-11-02T08:22:59Z", "./Zebra.svg", false},
	}}
	r := listingTreeResolver(t)
	got := listingReadJSON(t, listingAsk(t, r, "GET /pub/images/?format=json").Content)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}

	mounted := listingAsk(t, rawhttp.Mount("/files/", r), "GET /files/pub/images/?format=json").Content
	want.Path = "/files/pub/images/"
	if diff := cmp.Diff(want, listingReadJSON(t, mounted)); diff != "" {
		t.Errorf("listing, mounted (-want +got):\n%s", diff)
	}

	empty := listingAsk(t, r, "GET /pub/empty/?format=json").Content
	if diff := cmp.Diff(listingObject{Path: "/pub/empty/", Entries: []listingObjectItem{}}, listingReadJSON(t, empty)); diff != "" {
		t.Errorf("listing of an empty folder (-want +got):\n%s", diff)
	}

	for max, truncated := range map[int]bool{0: false, 9: true, 10: false, 11: false} {
		o := listingReadJSON(t, listingAsk(t, listingTreeResolver(t, rawhttp.WithMaxListing(max)), "GET /pub/images/?format=json").Content)
		if n := len(o.Entries); o.Truncated != truncated || truncated && n != max || !truncated && n != 10 {
			t.Errorf("WithMaxListing(%d): %d entries, truncated: %v, want %v", max, n, o.Truncated, truncated)
		}
	}
}

// listingEscapes has names, and how each form writes them.
var listingEscapes = []struct {
	name string
	text string // the name in the text form and, escaped, in the page
	html string
	href string // the reference after "./"
	json string // the JSON string between its quotes
	why  string
}{
	{"a", "a", "a", "a", "a", ""},
	{"<script>", "<script>", "&lt;script&gt;", "%3Cscript%3E", `\u003cscript\u003e`, "not markup, not even if the JSON is part of a page"},
	{`"onfocus=`, `"onfocus=`, "&#34;onfocus=", "%22onfocus%3D", `\"onfocus=`, "no attribute"},
	{"'", "'", "&#39;", "%27", "'", ""},
	{"&amp;", "&amp;", "&amp;amp;", "%26amp%3B", `\u0026amp;`, "not an entity"},
	{"a:b", "a:b", "a:b", "a%3Ab", "a:b", "not a scheme"},
	{"javascript:alert(1)", "javascript:alert(1)", "javascript:alert(1)", "javascript%3Aalert%281%29", "javascript:alert(1)", "not a scheme"},
	{"a?b", "a?b", "a?b", "a%3Fb", "a?b", "not a query"},
	{"a#b", "a#b", "a#b", "a%23b", "a#b", "not a fragment"},
	{"%2e%2e", "%2e%2e", "%2e%2e", "%252e%252e", "%2e%2e", "clients decode it once"},
	{"%2F", "%2F", "%2F", "%252F", "%2F", ""},
	{"~a-b_c", "~a-b_c", "~a-b_c", "~a-b_c", "~a-b_c", "unreserved"},
	{"a\nb", "a\ufffdb", "a\ufffdb", "a%0Ab", `a\nb`, "a name cannot forge a line"},
	{"\r\t\b\f", "\ufffd\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffd", "%0D%09%08%0C", `\r\t\u0008\u000c`, ""},
	{"\x1b[31mred", "\ufffd[31mred", "\ufffd[31mred", "%1B%5B31mred", `\u001b[31mred`, "a name cannot control a terminal"},
	{"\x7f", "\ufffd", "\ufffd", "%7F", `\u007f`, "DEL"},
	{"\u009b31m", "\ufffd31m", "\ufffd31m", "%C2%9B31m", `\u009b31m`, "C1: CSI"},
	{"\u202etxt.exe", "\ufffdtxt.exe", "\ufffdtxt.exe", "%E2%80%AEtxt.exe", `\u202etxt.exe`, "right-to-left override"},
	{"\u202a\u202d\u2066\u2069", "\ufffd\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffd", "%E2%80%AA%E2%80%AD%E2%81%A6%E2%81%A9", `\u202a\u202d\u2066\u2069`, ""},
	{"a\u2028b\u2029", "a\ufffdb\ufffd", "a\ufffdb\ufffd", "a%E2%80%A8b%E2%80%A9", `a\u2028b\u2029`, "some programs treat line and paragraph separators as line ends, as old JavaScript does in strings"},
	{"back\\slash", "back\\slash", "back\\slash", "back%5Cslash", `back\\slash`, ""},
	{"dot.", "dot.", "dot.", "dot.", "dot.", ""},
	{"blank ", "blank ", "blank ", "blank%20", "blank ", ""},
	{" ", " ", " ", "%20", " ", ""},
	{"\u00e9", "\u00e9", "\u00e9", "%C3%A9", "\u00e9", "NFC"},
	{"e\u0301", "e\u0301", "e\u0301", "e%CC%81", "e\u0301", "NFD, which is another file"},
	{"日本語", "日本語", "日本語", "%E6%97%A5%E6%9C%AC%E8%AA%9E", "日本語", ""},
	{"\U0001F600", "\U0001F600", "\U0001F600", "%F0%9F%98%80", "\U0001F600", "a character beyond 16 bits"},
	{"+", "+", "+", "%2B", "+", "some programs decode a plus sign as a blank"},
	{"\ufffd", "\ufffd", "\ufffd", "%EF%BF%BD", "\ufffd", "a valid character, though it also replaces others"},
	{strings.Repeat("n", 255), strings.Repeat("n", 255), strings.Repeat("n", 255), strings.Repeat("n", 255), strings.Repeat("n", 255), ""},
}

// A name is escaped for its context: text, HTML, a reference or JSON.
func TestListingEscapes(t *testing.T) {
	for _, tt := range listingEscapes {
		t.Run(tt.name, func(t *testing.T) {
			for _, slash := range []string{"", "/"} {
				r, err := rawhttp.FS(listingFiles(tt.name+slash), rawhttp.WithListing(rawhttp.ListHTML))
				if err != nil {
					t.Fatal(err)
				}
				if got := listingAsk(t, r, "GET /?format=text").Content; got != tt.text+slash+"\n" {
					t.Errorf("as text: %q, want %q\nwhy: %s", got, tt.text+slash, tt.why)
				}
				page := listingAsk(t, r, "GET /?format=html").Content
				blank := ""
				if slash == "" && listingBlank(tt.text) {
					blank = " (blank name)"
				}
				dot := "" // "./" if a colon could end a URI scheme
				if strings.Contains(tt.name, ":") {
					dot = "./"
				}
				row := `<td><bdi dir=ltr><a href="` + dot + tt.href + slash + `">` + tt.html + slash + blank + `</a></bdi></td>`
				if !strings.Contains(strings.ReplaceAll(page, "<wbr>", ""), row) {
					t.Errorf("as HTML: no %q in %q\nwhy: %s", row, page, tt.why)
				}
				object := listingAsk(t, r, "GET /?format=json").Content
				for _, field := range []string{`{"name":"` + tt.json + `",`, `"href":"./` + tt.href + slash + `"}`} {
					if !strings.Contains(object, field) {
						t.Errorf("as JSON: no %s in %s\nwhy: %s", field, object, tt.why)
					}
				}
				if got := listingReadJSON(t, object).Entries; len(got) != 1 || got[0].Name != tt.name {
					t.Errorf("as JSON: decoded names %+v, want only %q", got, tt.name)
				}
			}
		})
	}
}

// The path of a folder is escaped like a name.
func TestListingEscapesPath(t *testing.T) {
	r, err := rawhttp.FS(fstest.MapFS{"<i>\n\u202e\"&'/x": {}}, rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	target := "/" + listingEscape("<i>\n\u202e\"&'") + "/"
	page := listingAsk(t, r, "GET "+target).Content
	const shown = "&lt;i&gt;\ufffd\ufffd&#34;&amp;&#39;"
	for _, want := range []string{
		"<title>Index of /" + shown + "/</title>", `<b aria-current="page"><bdi dir=ltr>` + shown + "</bdi></b>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %q", want, page)
		}
	}
	object := listingAsk(t, r, "GET "+target+"?format=json").Content
	if want := `{"path":"/\u003ci\u003e\n\u202e\"\u0026'/",`; !strings.HasPrefix(object, want) {
		t.Errorf("as JSON: %q, want it to begin with %s", object, want)
	}
}
