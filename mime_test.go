package rawhttp

import (
	"mime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMediaTypeInTable(t *testing.T) {
	tests := []struct {
		ext, want string
		why       string
	}{
		{".html", "text/html; charset=utf-8", "a page"},
		{".htm", "text/html; charset=utf-8", "a page under its DOS name"},
		{".css", "text/css; charset=utf-8", "with nosniff a browser refuses a style sheet of another type"},
		{".js", "text/javascript; charset=utf-8", "with nosniff a browser refuses a script of another type; RFC 9239"},
		{".mjs", "text/javascript; charset=utf-8", "a module is never sniffed"},
		{".json", "application/json", "JSON is UTF-8 and has no charset parameter; RFC 8259, section 11"},
		{".map", "application/json", "a source map is JSON"},
		{".webmanifest", "application/manifest+json", "the longest extension in the table"},
		{"apple-app-site-association", "application/json", "the longest name in the table"},
		{".cjs", "text/javascript; charset=utf-8", "with nosniff a browser refuses to run application/node"},
		{".shtml", "text/html; charset=utf-8", "a page"},
		{".cur", "image/vnd.microsoft.icon", "the format of .ico"},
		{".opml", "application/xml", "the document declares its own encoding; RFC 7303"},
		{".plist", "application/xml", "the document declares its own encoding; RFC 7303"},
		{".mobileconfig", "application/x-apple-aspen-config", "what Apple documents"},
		{".pbf", "application/protobuf", "registered; application/x-protobuf is an alias"},
		{".topojson", "application/json", "JSON without a type of its own"},
		{".adoc", "text/plain; charset=utf-8", "prose, like .asc, .org and .rst"},
		{".json5", "text/plain; charset=utf-8", "not JSON, like .jsonc"},
		{".wgsl", "text/wgsl; charset=utf-8", "registered"},
		{".dart", "application/vnd.dart", "registered"},
		{".bib", "text/x-bibtex; charset=utf-8", "the type in Debian's table"},
		{".wasm", "application/wasm", "WebAssembly.compileStreaming requires exactly this"},
		{".xml", "application/xml", "the document declares its own encoding; RFC 7303"},
		{".svg", "image/svg+xml", "<img> shows no other type"},
		{".svgz", "application/gzip", "without Content-Encoding it is not SVG but gzip"},
		{".txt", "text/plain; charset=utf-8", "plain text"},
		{".md", "text/markdown; charset=utf-8", "RFC 7763"},
		{".py", "text/x-python; charset=utf-8", "source to be read, not run"},
		{".sh", "text/x-sh; charset=utf-8", "source to be read, not run"},
		{".php", "text/plain; charset=utf-8", "a script that is not run must not become a page"},
		{".ts", "text/plain; charset=utf-8", "TypeScript, not an MPEG transport stream"},
		{".mts", "video/mp2t", "camera video, not TypeScript"},
		{".rs", "text/plain; charset=utf-8", "Rust, not application/rls-services+xml"},
		{".cs", "text/plain; charset=utf-8", "C#"},
		{".go", "text/plain; charset=utf-8", "source code without a type of its own"},
		{".csv", "text/csv; charset=utf-8", "RFC 4180"},
		{".ndjson", "application/x-ndjson", "what the specification of the format says"},
		{".yaml", "application/yaml", "RFC 9512, not text/yaml"},
		{".jpg", "image/jpeg", "the type is not image/jpg"},
		{".png", "image/png", "a picture"},
		{".ico", "image/vnd.microsoft.icon", "registered; image/x-icon is not"},
		{".heic", "image/heic", "photos of phones"},
		{".woff2", "font/woff2", "RFC 8081; ends in a digit"},
		{".7z", "application/x-7z-compressed", "begins with a digit"},
		{".wav", "audio/wav", "browsers do not play audio/vnd.wave"},
		{".mp4", "video/mp4", "video; application/mp4 is the other registered type"},
		{".m3u8", "application/vnd.apple.mpegurl", "HLS: RFC 8216, section 4"},
		{".mpd", "application/dash+xml", "DASH"},
		{".gz", "application/gzip", "RFC 6713"},
		{".tgz", "application/gzip", "the outermost format counts"},
		{".exe", "application/vnd.microsoft.portable-executable", "registered"},
		{".ics", "text/calendar; charset=utf-8", "RFC 5545"},

		{"", "", "a file without an extension"},
		{".", "", "a name that ends in a dot"},
		{"html", "", "an extension begins with a dot"},
		{"..html", "", "an extension has one dot"},
		{".html ", "", "nothing is trimmed"},
		{".htm\x00", "", "a short extension is not padded with NUL"},
		{".unknown", "", "the caller applies the default"},
		{".webmanifests", "", "one byte longer than the longest extension known"},
		{"apple-app-site-associations", "", "one byte longer than the longest known"},
		{".html" + strings.Repeat("l", 1<<16), "", "no length makes it fail"},
		{".m\u212Av", "", "KELVIN SIGN is not k: only ASCII is folded"},
		{".\x17z", "", "byte 0x17 is not 7: only letters are folded"},
	}
	for _, tt := range tests {
		if got := mediaTypeInTable(tt.ext); got != tt.want {
			t.Errorf("mediaTypeInTable(%.40q) = %q, want %q\nwhy: %s", tt.ext, got, tt.want, tt.why)
		}
	}
}

// TestMediaTypeTable checks every row of the table and every extension in it.
func TestMediaTypeTable(t *testing.T) {
	rowOfType := map[string]string{}
	rowOfExt := map[string]string{}
	names := 0
	for _, row := range mediaTypes {
		mediaType, extensions, _ := strings.Cut(row, " ")
		if first, dup := rowOfType[mediaType]; dup && mediaType != "text/plain" {
			t.Errorf("%s has two rows, %q and %q, want one", mediaType, first, row)
		}
		rowOfType[mediaType] = row

		for ext := range strings.SplitSeq(extensions, " ") {
			if ext != strings.ToLower(ext) || strings.HasPrefix(ext, ".") && strings.LastIndexByte(ext, '.') != 0 || len(ext) < 2 {
				t.Errorf("row %q: %q is never found; want lower case and at most one dot", row, ext)
				continue
			}
			if first, dup := rowOfExt[ext]; dup {
				t.Errorf("%s is in two rows, %q and %q, want one", ext, first, row)
				continue
			}
			rowOfExt[ext] = row
			checkExtension(t, ext, mediaType)
			if ext[0] != '.' {
				names++
			}
		}
	}
	if n := len(rowOfExt) - names; n < 180 || n > 260 {
		t.Errorf("the table has %d extensions, want 180 to 260, the common ones", n)
	}
}

// checkExtension reports an error unless ext is found, in any case, and is of
// mediaType, a type without its parameters.
func checkExtension(t *testing.T, ext, mediaType string) {
	t.Helper()
	got := mediaTypeInTable(ext)
	if name, _, _ := strings.Cut(got, ";"); name != mediaType {
		t.Errorf("mediaTypeInTable(%q) = %q, want %s", ext, got, mediaType)
		return
	}
	checkMediaType(t, ext, got)

	upper := strings.ToUpper(ext)
	mixed := upper[:2] + ext[2:] // ".Html"
	for _, other := range []string{upper, mixed} {
		if gotOther := mediaTypeInTable(other); gotOther != got {
			t.Errorf("mediaTypeInTable(%q) = %q, want %q as for %q", other, gotOther, got, ext)
		}
	}
}

// checkMediaType reports an error unless mediaType is well formed and has a
// charset exactly if it is text.
func checkMediaType(t *testing.T, ext, mediaType string) {
	t.Helper()
	name, got, err := mime.ParseMediaType(mediaType)
	if err != nil {
		t.Errorf("mediaTypeInTable(%q) = %q: %v", ext, mediaType, err)
		return
	}
	if kind, subtype, found := strings.Cut(name, "/"); !found || kind == "" || subtype == "" {
		t.Errorf("mediaTypeInTable(%q) = %q, want type/subtype", ext, mediaType)
	}

	want := map[string]string{}
	if strings.HasPrefix(name, "text/") {
		want["charset"] = "utf-8"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mediaTypeInTable(%q) = %q, parameters (-want +got):\n%s", ext, mediaType, diff)
	}
}

// The map is built by the call that AllocsPerRun makes before it counts.
func TestMediaTypeInTableAllocs(t *testing.T) {
	exts := []string{
		".html", ".png", ".webmanifest", // the usual case
		".HTML", ".JPEG", ".WEBMANIFEST", // folded
		"", ".unknown", ".averylongextension", ".anextensionlongerthananyname", // unknown
	}
	for _, ext := range exts {
		if n := testing.AllocsPerRun(100, func() { mediaTypeInTable(ext) }); n != 0 {
			t.Errorf("mediaTypeInTable(%q) allocates %v times, want 0", ext, n)
		}
	}
}

// The whole name takes precedence over the extension, both in any case.
func TestMediaTypeByName(t *testing.T) {
	const plain = "text/plain; charset=utf-8"
	tests := []struct{ name, want string }{
		{"README", plain}, {"readme", plain}, {"LICENSE", plain}, {"LICENCE", plain}, {"COPYING", plain}, {"CHANGELOG", plain}, {"ChangeLog", plain},
		{"Makefile", plain}, {"GNUmakefile", plain}, {"Dockerfile", plain}, {"go.mod", plain}, {"go.sum", plain}, {"SHA256SUMS", plain},
		{"apple-app-site-association", "application/json"},
		{"README.md", "text/markdown; charset=utf-8"},
		{"readme.html", "text/html; charset=utf-8"},
		{"go.mod.zip", "application/zip"},
		{"a.html", "text/html; charset=utf-8"},
		{"A.PNG", "image/png"},
		{"x.mod", ""}, {"xgo.mod", ""}, {"READMEX", ""}, {"XREADME", ""}, {"a.readme", ""}, {".readme", ""},
		{"html", ""}, {".html", ""}, {"a.", ""}, {"a", ""}, {"", ""},
	}
	for _, tt := range tests {
		if got := mediaTypeByName(tt.name); got != tt.want {
			t.Errorf("mediaTypeByName(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The program's media types take precedence over the table, and a whole name over an
// extension.
func TestWithMediaTypeOfNames(t *testing.T) {
	c, err := newFileConfig([]FileOption{
		WithMediaType("", "a/none"), WithMediaType("README", "a/readme"), WithMediaType(".mod", "a/mod"),
		WithMediaType("special.md", "a/special"), WithMediaType("txt", "a/txt"), WithMediaType(".htaccess", "a/htaccess"),
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, want, why string }{
		{"README", "a/readme", ""},
		{"docs/readme", "a/readme", "in any folder and any case"},
		{"README.txt", textPlain, "another name"},
		{"x", "a/none", ""},
		{"v1.0/x", "a/none", "a dot in the name of a folder"},
		{"LICENSE", "a/none", "the program's types take precedence over the table"},
		{".bashrc", "a/none", "a name that begins with its only dot has no extension"},
		{".htaccess", "a/htaccess", "the whole name matches"},
		{"go.mod", "a/mod", "the program's types take precedence over the table"},
		{"go.sum", textPlain, ""},
		{"a/special.md", "a/special", "a name takes precedence over an extension"},
		{"other.md", "text/markdown; charset=utf-8", ""},
		{"txt", "a/txt", "a name, not an extension"},
		{"a.txt", textPlain, ""},
		{"a.unknown", "", "it has an extension"},
	}
	for _, tt := range tests {
		if got := c.mediaType(tt.name); got != tt.want {
			t.Errorf("mediaType(%q) = %q, want %q\nwhy: %s", tt.name, got, tt.want, tt.why)
		}
	}
}
