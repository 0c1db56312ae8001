package conformance_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/ascii"
)

// etagOfFile sends r a GET request for target with the field lines, and returns the answer.
func etagOfFile(t testing.TB, r rawhttp.Resolver, target string, lines ...string) filesAnswer {
	t.Helper()
	request := "GET " + target + " HTTP/1.1\r\nHost: a\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	req := requestOf(t, request+"\r\n")
	resp, err := r.Resolve(t.Context(), req)
	if err != nil {
		t.Fatalf("Resolve %s: %v", target, err)
	}
	var b bytes.Buffer
	if _, err := rawhttp.WriteResponse(t.Context(), &b, req, resp); err != nil {
		t.Fatalf("WriteResponse to %s: %v", target, err)
	}
	return parseAnswer(t, b.String())
}

// The entity tag of a file is made of its modification time and size. It is weak while the
// file is so new that it may change again without changing either.
func TestETagOfFiles(t *testing.T) {
	dir, path := filesWrite(t, "a.txt", contentText)
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the start of every synctest bubble
	tests := []struct {
		name string
		age  time.Duration
		weak bool
	}{
		{"a day old", 24 * time.Hour, false},
		{"with nanoseconds", 24*time.Hour - 123456789, false},
		{"2 s old", 2 * time.Second, false},
		{"not quite 2 s old", 2*time.Second - time.Millisecond, true},
		{"new", 0, true},
		{"from the future", -time.Second, true},
		{"from next year", -365 * 24 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mod := now.Add(-tt.age)
			if err := os.Chtimes(path, mod, mod); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path) // the time at the resolution of the file system
			if err != nil {
				t.Fatal(err)
			}
			bubble(t, func(t *testing.T) {
				for name, source := range map[string]struct {
					r   rawhttp.Resolver
					mod time.Time
				}{
					"Dir":      {filesOfDir(t, dir), info.ModTime()},
					"os.DirFS": {filesOfFS(t, os.DirFS(dir)), info.ModTime()},
					"MapFS":    {filesOfFS(t, fstest.MapFS{"a.txt": {Data: []byte(contentText), ModTime: mod}}), mod},
					"File": {rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
						return rawhttp.File(respFile(t, "a.txt", contentText, mod))
					}), mod},
				} {
					want := `"` + strconv.FormatInt(source.mod.UnixNano(), 36) + `-` + strconv.FormatInt(20, 36) + `"`
					if tt.weak {
						want = "W/" + want
					}
					if got := etagOfFile(t, source.r, "/a.txt").Fields["ETag"]; got != want {
						t.Errorf("ETag of a file in %s, changed %v ago: %s, want %s", name, tt.age, got, want)
					}
					if got := etagOfFile(t, source.r, "/a.txt", "If-None-Match: "+want).Status; got != "304 Not Modified" {
						t.Errorf("%s, If-None-Match with its own tag %s: %s, want 304", name, want, got)
					}
					wantRange, wantSince := "206 Partial Content", "304 Not Modified"
					if tt.weak {
						wantRange, wantSince = "200 OK", "200 OK"
					}
					since := "If-Modified-Since: " + etagOfFile(t, source.r, "/a.txt").Fields["Last-Modified"]
					if got := etagOfFile(t, source.r, "/a.txt", since).Status; got != wantSince {
						t.Errorf("%s with the tag %s, %s: %s, want %s, since the date is as strong as the tag", name, want, since, got, wantSince)
					}
					if got := etagOfFile(t, source.r, "/a.txt", "Range: bytes=0-1", "If-Range: "+want).Status; got != wantRange {
						t.Errorf("%s, range with If-Range: %s: %s, want %s", name, want, got, wantRange)
					}
				}
			})
		})
	}
}

// A file that is rewritten with the same size has another tag, and a client with the old tag
// gets the new content.
func TestETagOfRewrittenFile(t *testing.T) {
	dir, path := filesWrite(t, "a.txt", "old.")
	r := filesOfDir(t, dir)
	write := func(content string, mod time.Time) {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mod, mod); err != nil {
			t.Fatal(err)
		}
	}
	write("old.", contentMod)
	old := etagOfFile(t, r, "/a.txt").Fields["ETag"]
	write("new.", contentMod.Add(20*time.Millisecond)) // in the same second
	for _, lines := range [][]string{{"If-None-Match: " + old}, {"Range: bytes=1-2", "If-Range: " + old}} {
		got := etagOfFile(t, r, "/a.txt", lines...)
		if got.Status != "200 OK" || got.Content != "new." || got.Fields["ETag"] == old {
			t.Errorf("rewritten file, GET with %q: %+v, want the new content with another tag", lines, got)
		}
	}
	if got := etagOfFile(t, r, "/a.txt", "If-Match: "+old).Status; got != "412 Precondition Failed" {
		t.Errorf("rewritten file, GET with If-Match: %s: %s, want 412", old, got)
	}
}

// Files of an embed.FS have no times; their tag is made of their content.
func TestETagOfEmbeddedFiles(t *testing.T) {
	sub := filesOfFS(t, filesTree(t))
	hello := etagOfFile(t, sub, "/hello.txt").Fields["ETag"]
	if !strings.HasPrefix(hello, `"`) || len(hello) < 20 || !isEntityTag(hello) {
		t.Fatalf("ETag %q, want a strong tag that differs with the content", hello)
	}
	deeper, err := fs.Sub(filesEmbedded, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		r      rawhttp.Resolver
		target string
		same   bool
	}{
		{"the same file again", sub, "/hello.txt", true},
		{"another resolver", filesOfFS(t, filesTree(t)), "/hello.txt", true},
		{"the whole embed.FS", filesOfFS(t, filesEmbedded), "/testdata/tree/hello.txt", true},
		{"another fs.Sub", filesOfFS(t, deeper), "/tree/hello.txt", true},
		{"another file", sub, "/noext", false},
		{"an empty file", sub, "/empty.txt", false},
		{"an index file", sub, "/site/", false},
	}
	for _, tt := range tests {
		got := etagOfFile(t, tt.r, tt.target)
		tag, modified := got.Fields["ETag"], got.Fields["Last-Modified"]
		if (tag == hello) != tt.same || tag == "" || modified != "" {
			t.Errorf("%s: ETag %q, want equal to %q of hello.txt: %v; Last-Modified %q, want none", tt.name, tag, hello, tt.same, modified)
		}
		if got := etagOfFile(t, tt.r, tt.target, "If-None-Match: "+tag).Status; got != "304 Not Modified" {
			t.Errorf("%s, If-None-Match with its own tag: %s, want 304", tt.name, got)
		}
		if tag == etagOfFile(t, sub, "/100%25.txt").Fields["ETag"] {
			t.Errorf("%s has the tag of a file with other content", tt.name)
		}
	}
	if got := etagOfFile(t, sub, "/hello.txt", "Range: bytes=1-2", "If-Range: "+hello); got.Content != "el" {
		t.Errorf("range of an embedded file, If-Range with its tag: %+v, want 2 bytes", got)
	}
}

// Other sources without times have no validators, since their content may have changed.
func TestNoETagWithoutTime(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, h := range []*zip.FileHeader{{Name: "none.txt"}, {Name: "some.txt", Modified: contentMod}} {
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(contentText))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zipped, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, target string
		fsys         fs.FS
		want         bool
	}{
		{"MapFS without times", "/a.txt", fstest.MapFS{"a.txt": {Data: []byte(contentText)}}, false},
		{"MapFS with times", "/a.txt", fstest.MapFS{"a.txt": {Data: []byte(contentText), ModTime: contentMod}}, true},
		{"zip without times", "/none.txt", zipped, false},
		{"zip with times", "/some.txt", zipped, true},
		{"embedded files after something else", "/hello.txt", &filesPlain{fsys: filesTree(t)}, false},
	}
	for _, tt := range tests {
		r := filesOfFS(t, tt.fsys)
		got := etagOfFile(t, r, tt.target)
		_, tag := got.Fields["ETag"]
		_, modified := got.Fields["Last-Modified"]
		if tag != tt.want || modified != tt.want {
			t.Errorf("%s: ETag %q, Last-Modified %q, want both fields: %v", tt.name, got.Fields["ETag"], got.Fields["Last-Modified"], tt.want)
		}
		for line, status := range map[string]string{
			`If-None-Match: "x"`: "200 OK", `If-None-Match: *`: "304 Not Modified", `If-Match: "x"`: "412 Precondition Failed", `If-Match: *`: "200 OK",
		} {
			if got := etagOfFile(t, r, tt.target, line).Status; got != status {
				t.Errorf("%s, GET with %s: %s, want %s", tt.name, line, got, status)
			}
		}
	}
}

// A tag or time set by the program replaces the server's.
func TestValidatorsSetByProgram(t *testing.T) {
	const own, day = `"own"`, "Thu, 30 Dec 1999 00:00:00 GMT"
	file := func() *rawhttp.Response { return respFileResponse(t, "a.txt", contentText, contentMod) }
	tests := []struct {
		name          string
		make          func() *rawhttp.Response
		tag, modified string
	}{
		{"of the Representation", func() *rawhttp.Response { return contentOf(own, contentMod) }, own, contentChanged},
		{"none", func() *rawhttp.Response { return contentOf("", time.Time{}) }, "", ""},
		{"Set", func() *rawhttp.Response { return contentOf(contentTag, contentMod).Set("ETag", own) }, own, contentChanged},
		{"Set without a tag", func() *rawhttp.Response { return contentOf("", time.Time{}).Set("etag", own) }, own, ""},
		{"Add", func() *rawhttp.Response { return contentOf("", contentMod).Add("ETag", own) }, own, contentChanged},
		{"Set on a file", func() *rawhttp.Response { return file().Set("ETag", own) }, own, contentChanged},
		{"Set on a clone", func() *rawhttp.Response { return contentOf(contentTag, contentMod).Clone().Set("ETag", own) }, own, contentChanged},
		{"Set of the time", func() *rawhttp.Response { return contentOf(own, contentMod).Set("Last-Modified", day) }, own, day},
		{"Set of the time without a time", func() *rawhttp.Response { return contentOf(own, time.Time{}).Set("last-modified", day) }, own, day},
		{"Set of both on a file", func() *rawhttp.Response { return file().Set("ETag", own).Set("Last-Modified", day) }, own, day},
	}
	bubble(t, func(t *testing.T) {
		for _, tt := range tests {
			status := func(line string) int { return contentStatus(t, contentAsk(t, tt.make(), "GET", line)) }
			var tags, times []string
			for line := range strings.SplitSeq(contentAsk(t, tt.make(), "GET"), "\r\n") {
				if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "ETag") {
					tags = append(tags, value)
				} else if strings.EqualFold(name, "Last-Modified") {
					times = append(times, value)
				}
			}
			if tag, modified := strings.Join(tags, " and "), strings.Join(times, " and "); tag != tt.tag || modified != tt.modified {
				t.Errorf("%s: ETag %q, Last-Modified %q, want one each: %q, %q", tt.name, tag, modified, tt.tag, tt.modified)
			}
			if tt.tag != "" && (status("If-None-Match: "+tt.tag) != 304 || status(`If-None-Match: "v1"`) != 200 || status("If-Match: "+tt.tag) != 200 || status(`If-Match: "v1"`) != 412) {
				t.Errorf("%s: conditions are not evaluated with the tag that is sent, %s", tt.name, tt.tag)
			}
			if tt.modified == day && (status("If-Modified-Since: "+day) != 304 || status("If-Unmodified-Since: "+day) != 200 || status("If-Modified-Since: Wed, 29 Dec 1999 00:00:00 GMT") != 200) {
				t.Errorf("%s: conditions are not evaluated with the time that is sent, %s", tt.name, day)
			}
		}
	})
}

// "An origin server with a clock [...] MUST NOT generate a Last-Modified date that is later than
// the server's time of message origination". RFC 9110, section 8.8.2.1.
func TestLastModifiedIsNotLaterThanDate(t *testing.T) {
	const now = "Sat, 01 Jan 2000 00:00:00 GMT"
	bubble(t, func(t *testing.T) {
		start := time.Now()
		for name, tt := range map[string]struct {
			mod  time.Time
			want string
		}{
			"past":                         {start.Add(-time.Second), "Fri, 31 Dec 1999 23:59:59 GMT"},
			"part of a second in the past": {start.Add(-1), "Fri, 31 Dec 1999 23:59:59 GMT"},
			"now":                          {start, now},
			"later in this second":         {start.Add(999 * time.Millisecond), now},
			"a second from now":            {start.Add(time.Second), now},
			"a century from now":           {start.AddDate(100, 0, 0), now},
			"beyond four digits of year":   {start.AddDate(9000, 0, 0), now},
		} {
			tree := filesOfFS(t, fstest.MapFS{"a.txt": {Data: []byte(contentText), ModTime: tt.mod}})
			for of, resp := range map[string]*rawhttp.Response{
				"Content": contentOf("", tt.mod),
				"File":    respFileResponse(t, "a.txt", contentText, tt.mod),
			} {
				if got := parseAnswer(t, contentAsk(t, resp, "GET")).Fields; got["Last-Modified"] != tt.want || got["Date"] != now {
					t.Errorf("%s from %s: Last-Modified %s, Date %s, want %s, %s", of, name, got["Last-Modified"], got["Date"], tt.want, now)
				}
			}
			if got := etagOfFile(t, tree, "/a.txt", "If-Modified-Since: "+tt.want); got.Status != "200 OK" || got.Fields["Last-Modified"] != tt.want {
				t.Errorf("file from %s, If-Modified-Since with the date sent: %s, Last-Modified %s, want 200, since it may change again in this second, and %s", name, got.Status, got.Fields["Last-Modified"], tt.want)
			}
		}
	})
}

// When a file is replaced by another with the same name, the tag changes, even if the new file
// is older.
func TestETagOfReplacedFile(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"a.txt": 10 * time.Hour, "b.txt": 20 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		mod := time.Now().Add(-age)
		if err := os.Chtimes(path, mod, mod); err != nil {
			t.Fatal(err)
		}
	}
	r := filesOfDir(t, dir)
	a, b := etagOfFile(t, r, "/a.txt"), etagOfFile(t, r, "/b.txt")
	if err := os.Rename(filepath.Join(dir, "b.txt"), filepath.Join(dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	got := etagOfFile(t, r, "/a.txt", "If-None-Match: "+a.Fields["ETag"])
	if got.Status != "200 OK" || got.Content != "b.txt" || got.Fields["ETag"] != b.Fields["ETag"] {
		t.Errorf("file replaced by an older one: %+v, want the new content with the tag %s", got, b.Fields["ETag"])
	}
}

// Reproducible builds set the same time on all files. It does not distinguish two versions of a
// file, so such a file has no validators, though it is listed with its time. Files of a zip
// without times are listed without one.
func TestMeaninglessTimesAreNotValidators(t *testing.T) {
	tests := []struct {
		name   string
		mod    time.Time
		tagged bool
	}{
		{"the clock's first second", time.Unix(0, 0), false},
		{"the second", time.Unix(1, 0), false},
		{"the third", time.Unix(2, 0), true},
		{"before the clock's first second", time.Unix(-1, 0), true},
		{"zip's first second", time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{"the time set by buildpacks", time.Unix(315532801, 0), false},
		{"the time set by buildpacks and half a second", time.Unix(315532801, 5e8), false},
		{"zip's next time", time.Date(1980, 1, 1, 0, 0, 2, 0, time.UTC), true},
		{"the time set by npm", time.Unix(499162500, 0), false},
		{"a second before the time set by npm", time.Unix(499162499, 0), true},
		{"a second after the time set by npm", time.Unix(499162501, 0), true},
		{"a zip without times", time.Date(1979, 11, 30, 0, 0, 0, 0, time.UTC), false},
		{"no time", time.Time{}, false},
	}
	for _, tt := range tests {
		r := filesOfFS(t, fstest.MapFS{"a": {Data: []byte("a"), ModTime: tt.mod}})
		_, addr := listen(t, rawhttp.WithResolver(r))
		answer := talk(t, addr, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		for _, name := range []string{"ETag", "Last-Modified"} {
			if got := strings.Contains(answer, "\r\n"+name+": "); got != tt.tagged {
				t.Errorf("%s, %v: response has %s: %v, want %v", tt.name, tt.mod, name, got, tt.tagged)
			}
		}
		date := tt.mod.UTC().Format(ascii.IMFFixdate)
		since := etagOfFile(t, r, "/a", "If-Modified-Since: "+date).Status
		part := etagOfFile(t, r, "/a", "Range: bytes=0-0", "If-Range: "+date).Status
		if tt.tagged != (since == "304 Not Modified") || tt.tagged != (part == "206 Partial Content") {
			t.Errorf("%s, %v: If-Modified-Since %s, If-Range %s, want conditions evaluated with this time: %v", tt.name, tt.mod, since, part, tt.tagged)
		}
	}
	files := fstest.MapFS{"a": {ModTime: time.Date(1979, 11, 30, 0, 0, 0, 0, time.UTC)}}
	if got := listingAsk(t, filesOfFS(t, files), "GET /?format=json").Content; strings.Contains(got, "mtime") {
		t.Errorf("listing of a file without a time: %s", got)
	}
}
