package conformance_test

import (
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
)

// kodiItem is the pattern with which Kodi finds the entries of a page, line by line
// (xbmc/filesystem/HTTPDirectory.cpp).
var kodiItem = regexp.MustCompile(`(?i)<a href="([^"]*)"[^>]*>\s*(.*?)\s*</a>(.+?)(?:<a|</tr|$)`)

// kodiEntries returns the links that Kodi accepts as entries of a page: those whose text is
// their decoded href.
func kodiEntries(t *testing.T, page string) (names []string) {
	t.Helper()
	for line := range strings.Lines(page) {
		m := kodiItem.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		href, _, _ := strings.Cut(strings.TrimPrefix(html.UnescapeString(m[1]), "/"), "?")
		link, err := url.PathUnescape(strings.TrimSuffix(href, "/"))
		if err != nil {
			t.Errorf("href %q: %v", m[1], err)
		}
		name := strings.TrimSuffix(html.UnescapeString(strings.TrimSpace(m[2])), "/")
		if link != "" && link != ".." && (name == link || strings.Contains(name, ":") && "./"+name == link) {
			names = append(names, name)
		}
	}
	return names
}

// A media player finds every file and folder of a listing, in every order.
func TestListingInKodi(t *testing.T) {
	long := strings.Repeat("The.Name.of.a.Film.", 12) + "2160p"
	want := []string{
		"a folder", "A:B", strings.TrimSuffix(long, "p"), "100% & <more>", "a b.png", "a:b.mp4", "it's \"it\".mp3", long + ".mkv", "song;1+2=3,4.flac", "שיר.mp3", "日本語.webm",
		"notes.txt", "\U0001F600.jpg",
	}
	tree := fstest.MapFS{}
	for i, name := range want {
		if i < 3 {
			name += "/x"
		}
		tree["m/"+name] = &fstest.MapFile{Data: []byte("x")}
	}
	r, err := rawhttp.FS(tree, rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?order=desc", "?sort=size&order=desc", "?sort=time"} {
		got := make(map[string]int)
		names := kodiEntries(t, listingAsk(t, r, "GET /m/"+query).Content)
		for _, name := range names {
			got[name]++
		}
		for _, name := range want {
			if got[name] != 1 {
				t.Errorf("listing with %q: Kodi finds %q %d times, want once", query, name, got[name])
			}
		}
		if len(names) != len(want) {
			t.Errorf("listing with %q: Kodi finds %q, want %d entries", query, names, len(want))
		}
	}
}

// A long name without spaces has a break opportunity every 40 bytes, so that tables stay narrow
// in a terminal. The name of a film has none, since players would not find it.
func TestListingBreaksLongNames(t *testing.T) {
	const wbr = "<wbr>"
	n := func(times int) string { return strings.Repeat("n", times) }
	for name, want := range map[string]string{
		n(40):                       n(40),
		n(41):                       n(40) + wbr + n(1),
		n(80):                       n(40) + wbr + n(40),
		n(81):                       n(40) + wbr + n(40) + wbr + n(1),
		n(39) + " " + n(40):         n(39) + " " + n(40),
		n(39) + "&&.txt":            n(39) + "&amp;" + wbr + "&amp;.txt",
		n(39) + "éé.txt":            n(39) + "éé" + wbr + ".txt", // not within a character
		strings.Repeat("ש", 60):     strings.Repeat("ש", 60),     // not between letters of scripts that join them
		n(50) + ".mkv":              n(50) + ".mkv",
		n(50) + ".MP3":              n(50) + ".MP3",
		n(50) + ".jpeg":             n(50) + ".jpeg",
		n(50) + "/":                 n(50) + "/",
		n(50) + ".tar":              n(40) + wbr + n(10) + ".tar",
		strings.Repeat("-", 41):     strings.Repeat("-", 40) + wbr + "-",
		strings.Repeat("ab cd ", 9): strings.Repeat("ab cd ", 9),
	} {
		r, err := rawhttp.FS(listingFiles(name), rawhttp.WithListing(rawhttp.ListHTML))
		if err != nil {
			t.Fatal(err)
		}
		page := listingAsk(t, r, "GET /").Content
		if !strings.Contains(page, `">`+want+"</a></bdi></td>") {
			t.Errorf("no %[2]q in the page, want it for the name %[1]q", name, want)
		}
		listingReadPage(t, page)
	}
}

// The class of a row is the kind of its file, by its media type. The style has an icon for
// each.
func TestListingKinds(t *testing.T) {
	r, err := rawhttp.FS(listingFiles("a"), rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	style := listingAsk(t, r, "GET /").Content
	for kind, names := range map[string]string{
		"folder":   "a/ a.zip/ image/",
		"image":    "a.png a.JPG a.svg a.heic a.ico a.webp a.tiff",
		"video":    "a.mp4 a.mkv a.webm a.avi a.mov a.m3u8 a.mpd",
		"audio":    "a.mp3 a.flac a.ogg a.opus a.m4a a.wav a.m3u",
		"text":     "a.txt README.md Makefile LICENSE a.log a.csv a.srt a.go a.ini a.vtt",
		"document": "a.pdf a.odt a.ods a.docx a.xlsx a.pptx a.doc a.xls a.ppt a.rtf a.epub a.ps a.cbz a.mobi a.pages a.numbers a.key",
		"archive":  "a.zip a.tar a.tar.gz a.tgz a.7z a.xz a.bz2 a.zst a.rar a.iso a.dmg a.jar a.deb a.rpm a.apk",
		"code":     "a.html a.css a.js a.json a.xml a.py a.sh a.c a.java a.sql a.toml a.yaml a.wasm a.ipynb a.geojson a.rss a.xsl a.jsonl",
		"other":    "a a.bin a.woff2 a.exe a.sqlite a.pem a.torrent a.stl a.unknown a. .mine",
	} {
		for name := range strings.FieldsSeq(names) {
			r, err := rawhttp.FS(listingFiles(name), rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithDotFiles(true))
			if err != nil {
				t.Fatal(err)
			}
			if got := listingGetPage(t, r, "/").Rows[0].Kind; got != kind {
				t.Errorf("kind of %s = %s, want %s", name, got, kind)
			}
		}
		if kind != "other" && !regexp.MustCompile(`[\n,]\.`+kind+`(?:,\.\w+)?\{[^}]*--b:`).MatchString(style) {
			t.Errorf("the style has no icon for %s", kind)
		}
	}

	r, err = rawhttp.FS(listingFiles("a.png", "b.mine"), rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithMediaType(".mine", "Video/x-mine; a=b"), rawhttp.WithMediaType(".png", "application/zip"))
	if err != nil {
		t.Fatal(err)
	}
	if rows := listingGetPage(t, r, "/").Rows; rows[0].Kind != "archive" || rows[1].Kind != "video" {
		t.Errorf("kinds of files with configured media types: %s and %s, want archive and video", rows[0].Kind, rows[1].Kind)
	}
}

// A page of 60 files has at most 18 KiB.
func TestListingIsSmall(t *testing.T) {
	tree := fstest.MapFS{}
	for i := range 60 {
		tree[fmt.Sprintf("m/IMG_20260114_10%02d03.png", i)] = &fstest.MapFile{Data: make([]byte, i*1000), ModTime: listingMinute(i)}
	}
	r, err := rawhttp.FS(tree, rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(listingAsk(t, r, "GET /m/").Content); n > 18<<10 {
		t.Errorf("a page of 60 files has %d bytes, want at most 18 KiB", n)
	}
}

// The first breadcrumb is the name of the root's folder.
func TestListingFirstBreadcrumb(t *testing.T) {
	root := filepath.Join(t.TempDir(), "R&D")
	if err := os.MkdirAll(filepath.Join(root, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, spelled := range []string{root, root + string(filepath.Separator), filepath.Join(root, "a") + "/.."} {
		r := filesOfDir(t, spelled, rawhttp.WithListing(rawhttp.ListHTML))
		for target, want := range map[string]string{"/": "R&D", "/a/": "R&D"} {
			if got := listingGetPage(t, r, target).Crumbs[0].Text; got != want {
				t.Errorf("Dir(%q): first breadcrumb of %s = %q, want %q", spelled, target, got, want)
			}
		}
		if got := listingGetPage(t, rawhttp.Mount("/m/", r), "/m/a/").Crumbs[0].Text; got != "m" {
			t.Errorf("first breadcrumb of a mounted folder = %q, want m", got)
		}
	}
	t.Chdir(root)
	if got := listingGetPage(t, filesOfDir(t, ".", rawhttp.WithListing(rawhttp.ListHTML)), "/").Crumbs[0].Text; got != "R&D" {
		t.Errorf("first breadcrumb of the working directory = %q, want R&D", got)
	}
}
