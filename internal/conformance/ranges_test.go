package conformance_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"mime"
	"mime/multipart"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// contentRanges has Range fields and the ranges that they select of contentText, which has 20
// bytes: "" if the field is ignored, "416" if no range is satisfiable.
var contentRanges = []struct {
	name, field, want, why string
}{
	{"first byte", "bytes=0-0", "0-0", ""},
	{"some", "bytes=3-7", "3-7", ""},
	{"last byte", "bytes=19-19", "19-19", ""},
	{"all", "bytes=0-19", "0-19", "the answer is 206 even if the range is all of the content"},
	{"one more than all", "bytes=0-20", "0-19", "the range ends at the end of the content, RFC 9110, section 14.1.2"},
	{"open", "bytes=12-", "12-19", ""},
	{"open from the first", "bytes=0-", "0-19", ""},
	{"open from the last", "bytes=19-", "19-19", ""},
	{"suffix of one", "bytes=-1", "19-19", ""},
	{"suffix", "bytes=-5", "15-19", ""},
	{"suffix of all", "bytes=-20", "0-19", ""},
	{"suffix of more", "bytes=-21", "0-19", "the entire representation, RFC 9110, section 14.1.2"},
	{"leading zeros", "bytes=000000000000000000000000000003-0000000007", "3-7", "first-pos = 1*DIGIT"},

	{"suffix of none", "bytes=-0", "416", "RFC 9110, section 14.1.2"},
	{"suffix of none, in zeros", "bytes=-000", "416", ""},
	{"after the end", "bytes=20-", "416", ""},
	{"after the end, closed", "bytes=20-20", "416", ""},
	{"far after the end", "bytes=500-999", "416", ""},
	{"several after the end", "bytes=20-,-0,30-40", "416", ""},

	{"2^31", "bytes=3-2147483648", "3-19", "recipients must anticipate large numbers, RFC 9110, section 14.1.2"},
	{"2^63-1", "bytes=3-9223372036854775807", "3-19", ""},
	{"2^63", "bytes=3-9223372036854775808", "3-19", ""},
	{"2^64-1", "bytes=3-18446744073709551615", "3-19", ""},
	{"2^64", "bytes=3-18446744073709551616", "3-19", "with overflow 2^64 would be 0"},
	{"2^64+5", "bytes=3-18446744073709551621", "3-19", ""},
	{"40 digits", "bytes=3-" + strings.Repeat("9", 40), "3-19", ""},
	{"suffix of 2^64", "bytes=-18446744073709551616", "0-19", ""},
	{"suffix of 40 digits", "bytes=-" + strings.Repeat("9", 40), "0-19", ""},
	{"from 2^64", "bytes=18446744073709551616-", "416", ""},
	{"from 2^64+1 to 2^64+2", "bytes=18446744073709551617-18446744073709551618", "416", ""},
	{"from 2^64+2 to 2^64+1", "bytes=18446744073709551618-18446744073709551617", "", "last-pos is less than first-pos"},
	{"from 30 to 2^64", "bytes=30-18446744073709551616", "416", ""},

	{"two", "bytes=0-1,5-6", "0-1 5-6", ""},
	{"two with blanks", "bytes=0-1 , \t5-6", "0-1 5-6", ""},
	{"two with empty members", "bytes=,,0-1, ,5-6,", "0-1 5-6", "RFC 9110, section 5.6.1.2"},
	{"two in descending order", "bytes=5-6,0-1", "5-6 0-1", "ranges are sent in the order of the request"},
	{"two that touch", "bytes=0-9,10-19", "0-9 10-19", "together no more bytes than the content has"},
	{"three kinds", "bytes=0-0,10-,-1", "0-0 10-19 19-19", ""},
	{"the same twice", "bytes=0-0,0-0", "0-0 0-0", "together no more bytes than the content has"},
	{"overlapping", "bytes=0-5,4-9", "0-5 4-9", ""},
	{"overlapping, a byte too much", "bytes=0-10,4-13", "", "together more bytes than the content has"},
	{"all and one", "bytes=0-,0-0", "", "together more bytes than the content has"},
	{"all twice", "bytes=0-,0-", "", "together more bytes than the content has"},
	{"satisfiable, unsatisfiable", "bytes=0-1,20-", "0-1", "only one range is left, so the answer is not multipart"},
	{"unsatisfiable, satisfiable", "bytes=-0,3-4", "3-4", ""},
	{"satisfiable, unsatisfiable, satisfiable", "bytes=0-1,99-,3-4", "0-1 3-4", ""},
	{"16", "bytes=" + strings.Repeat("0-0,", 15) + "1-1", strings.Repeat("0-0 ", 15) + "1-1", ""},
	{"17", "bytes=" + strings.Repeat("0-0,", 16) + "1-1", "", "more than 16"},
	{"17, of which one is satisfiable", "bytes=" + strings.Repeat("20-,", 16) + "1-1", "", "more than 16"},
	{"17, all unsatisfiable", "bytes=" + strings.Repeat("20-,", 16) + "20-", "", "more than 16"},
	{"1 KiB", "bytes=3-7" + strings.Repeat(",", 1024-9), "3-7", ""},
	{"more than 1 KiB", "bytes=3-7" + strings.Repeat(",", 1025-9), "", ""},
	{"more than 1 KiB in zeros", "bytes=3-" + strings.Repeat("0", 1025-9) + "7", "", ""},

	{"unit in upper case", "BYTES=0-1", "0-1", "range units are case-insensitive, RFC 9110, section 14.1"},
	{"unit in any case", "Bytes=0-1", "0-1", ""},
	{"other unit", "items=0-1", "", "RFC 9110, section 14.2"},
	{"unit that begins with bytes", "bytes2=0-1", "", ""},
	{"unit cut short", "byte=0-1", "", ""},
	{"unit with a blank", "bytes =0-1", "", ""},
	{"no unit", "=0-1", "", ""},
	{"no unit and no equals sign", "0-1", "", ""},
	{"no equals sign", "bytes", "", ""},
	{"blank for the equals sign", "bytes 0-1", "", "this is the syntax of Content-Range"},
	{"colon for the equals sign", "bytes:0-1", "", ""},
	{"two equals signs", "bytes==0-1", "", ""},
	{"nothing", "bytes=", "", ""},
	{"empty field", "", "", ""},
	{"only empty members", "bytes=, ,", "", "1#range-spec needs at least one member"},
	{"only a hyphen", "bytes=-", "", ""},
	{"a position alone", "bytes=5", "", ""},
	{"three positions", "bytes=1-2-3", "", ""},
	{"minus", "bytes=--1", "", ""},
	{"minus at the end", "bytes=0--1", "", ""},
	{"plus", "bytes=+0-+1", "", ""},
	{"letters", "bytes=a-b", "", ""},
	{"hexadecimal", "bytes=0x0-0x1", "", ""},
	{"underscore", "bytes=0-1_0", "", ""},
	{"decimal point", "bytes=0.0-1.0", "", ""},
	{"exponent", "bytes=1e1-", "", ""},
	{"digits that are not ASCII", "bytes=٠-١", "", ""},
	{"blank before the hyphen", "bytes=0 -1", "", ""},
	{"blank after the hyphen", "bytes=0- 1", "", ""},
	{"blank for a comma", "bytes=0-1 5-6", "", ""},
	{"semicolon for a comma", "bytes=0-1;5-6", "", ""},
	{"length after the range", "bytes=0-1/20", "", ""},
	{"quotes", `bytes="0-1"`, "", ""},
	{"last before first", "bytes=5-4", "", "invalid, RFC 9110, section 14.1.1"},
	{"one of two is junk", "bytes=0-1,x", "", "a malformed member makes the whole field malformed"},
	{"the first of two is junk", "bytes=x,0-1", "", ""},
	{"one of two is invalid", "bytes=0-1,5-4", "", ""},
	{"junk after an unsatisfiable range", "bytes=20-,x", "", ""},
	{"a unit in the second", "bytes=0-1,bytes=5-6", "", ""},
}

// contentWant returns the expected answer to a Range field: its status, Content-Range and
// content, or the ranges if there are several.
func contentWant(want string) (status int, contentRange, content string, several []string) {
	ranges := strings.Fields(want)
	switch {
	case want == "":
		return 200, "", contentText, nil
	case want == "416":
		return 416, "bytes */20", "416 Range Not Satisfiable\n", nil
	case len(ranges) > 1:
		return 206, "", "", ranges
	}
	first, last, _ := strings.Cut(want, "-")
	a, _ := strconv.Atoi(first)
	b, _ := strconv.Atoi(last)
	return 206, "bytes " + want + "/20", contentText[a : b+1], nil
}

// contentBodies has the kinds of Body that support ranges.
var contentBodies = []struct {
	name string
	make func(t testing.TB, content string) io.Reader
}{
	{"io.ReaderAt", func(_ testing.TB, content string) io.Reader { return strings.NewReader(content) }},
	{"io.ReaderAt alone", func(_ testing.TB, content string) io.Reader { return contentReaderAt{strings.NewReader(content)} }},
	{"io.ReaderAt that closes", func(_ testing.TB, content string) io.Reader {
		return &closeReaderAt{Reader: strings.NewReader(content)}
	}},
	{"io.ReadSeeker", func(_ testing.TB, content string) io.Reader {
		return struct{ io.ReadSeeker }{strings.NewReader(content)}
	}},
	{"os.File", func(t testing.TB, content string) io.Reader {
		path := filepath.Join(t.TempDir(), "a.txt")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f // the Response closes f
	}},
}

// A contentReaderAt is an io.ReaderAt whose Read must not be called.
type contentReaderAt struct{ io.ReaderAt }

func (contentReaderAt) Read([]byte) (int, error) {
	panic("Read of an io.ReaderAt was called")
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for _, tt := range contentRanges {
		t.Run(tt.name, func(t *testing.T) {
			status, contentRange, content, several := contentWant(tt.want)
			for _, body := range contentBodies {
				resp := rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: body.make(t, contentText), Size: 20, ETag: contentTag})
				answer := contentAsk(t, resp, "GET", "Range: "+tt.field)
				resp.Close()
				got := parseAnswer(t, answer)
				if code := contentStatus(t, answer); code != status || got.Fields["Content-Range"] != contentRange {
					t.Errorf("Range: %s of a %s: status %d, Content-Range %q, want %d, %q\nwhy: %s",
						tt.field, body.name, code, got.Fields["Content-Range"], status, contentRange, tt.why)
					continue
				}
				if n := strconv.Itoa(len(got.Content)); got.Fields["Content-Length"] != n {
					t.Errorf("Range: %s of a %s: Content-Length %s, but %s bytes follow", tt.field, body.name, got.Fields["Content-Length"], n)
				}
				if several != nil {
					contentCheckParts(t, got, contentText, several)
					continue
				}
				if got.Content != content {
					t.Errorf("Range: %s of a %s: content %q, want %q", tt.field, body.name, got.Content, content)
				}
			}
		})
	}
}

// contentCheckParts parses an answer with several ranges with mime/multipart, and compares it
// with the ranges of the content, each given as "first-last".
func contentCheckParts(t *testing.T, a filesAnswer, content string, ranges []string) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(a.Fields["Content-Type"])
	if err != nil || mediaType != "multipart/byteranges" {
		t.Fatalf("Content-Type %q of several ranges (%v), want multipart/byteranges, RFC 9110, section 15.3.7.2", a.Fields["Content-Type"], err)
	}
	type part struct{ Range, Type, Content string }
	var want, got []part
	for _, r := range ranges {
		first, last, _ := strings.Cut(r, "-")
		i, _ := strconv.Atoi(first)
		j, _ := strconv.Atoi(last)
		want = append(want, part{"bytes " + r + "/" + strconv.Itoa(len(content)), "text/plain", content[i : j+1]})
	}
	body := strings.NewReader(a.Content)
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("part %d of %q: %v", len(got), testkit.Shorten(a.Content), err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("part %d of %q: %v", len(got), testkit.Shorten(a.Content), err)
		}
		if names := slices.Sorted(maps.Keys(p.Header)); !slices.Equal(names, []string{"Content-Range", "Content-Type"}) {
			t.Errorf("part %d: fields %q, want Content-Type and Content-Range", len(got), names)
		}
		got = append(got, part{p.Header.Get("Content-Range"), p.Header.Get("Content-Type"), string(b)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

// The exact bytes of the answers to requests with Range.
func TestRangeAnswers(t *testing.T) {
	const validators = "ETag: \"v1\"\r\nLast-Modified: " + contentChanged + "\r\nAccept-Ranges: bytes\r\n"
	make := func() *rawhttp.Response { return contentOf(contentTag, contentMod).Set("Vary", "Accept") }
	bubble(t, func(t *testing.T) {
		for _, tt := range []struct{ field, want string }{
			{"bytes=3-7", "HTTP/1.1 206 Partial Content\r\n" + contentDate + "Content-Type: text/plain\r\nContent-Length: 5\r\n" +
				validators + "Content-Range: bytes 3-7/20\r\nVary: Accept\r\n\r\n34567"},
			{"items=3-7", "HTTP/1.1 200 OK\r\n" + contentDate + "Content-Type: text/plain\r\nContent-Length: 20\r\n" +
				validators + "Vary: Accept\r\n\r\n" + contentText},
		} {
			if diff := cmp.Diff(tt.want, contentAsk(t, make(), "GET", "Range: "+tt.field)); diff != "" {
				t.Errorf("answer to Range: %s (-want +got):\n%s", tt.field, diff)
			}
		}

		want := "HTTP/1.1 416 Range Not Satisfiable\r\n" + contentDate + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n" +
			"X-Content-Type-Options: nosniff\r\nContent-Range: bytes */20\r\n\r\n416 Range Not Satisfiable\n"
		if diff := cmp.Diff(want, contentAsk(t, contentOf(contentTag, contentMod), "GET", "Range: bytes=20-")); diff != "" {
			t.Errorf("answer to Range: bytes=20- (-want +got):\n%s", diff)
		}

		// "multipart/byteranges", RFC 9110, section 14.6: only the parts have Content-Range.
		got := contentAsk(t, make(), "GET", "Range: bytes=-2, 3-7")
		_, params, err := mime.ParseMediaType(parseAnswer(t, got).Fields["Content-Type"])
		if err != nil {
			t.Fatal(err)
		}
		b := params["boundary"]
		content := "--" + b + "\r\nContent-Type: text/plain\r\nContent-Range: bytes 18-19/20\r\n\r\nij\r\n" +
			"--" + b + "\r\nContent-Type: text/plain\r\nContent-Range: bytes 3-7/20\r\n\r\n34567\r\n--" + b + "--\r\n"
		want = "HTTP/1.1 206 Partial Content\r\n" + contentDate + "Content-Type: multipart/byteranges; boundary=" + b + "\r\n" +
			"Content-Length: " + strconv.Itoa(len(content)) + "\r\n" + validators + "Vary: Accept\r\n\r\n" + content
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer to Range: bytes=-2, 3-7 (-want +got):\n%s", diff)
		}
	})
}

// The boundary is the same for the same ranges of the same representation, so that a client or
// cache that repeats its request gets the same bytes.
func TestBoundary(t *testing.T) {
	boundaryOf := func(etag string, ranges string) string {
		answer := contentAsk(t, contentOf(etag, contentMod), "GET", "Range: "+ranges)
		_, params, err := mime.ParseMediaType(parseAnswer(t, answer).Fields["Content-Type"])
		if err != nil {
			t.Fatal(err)
		}
		return params["boundary"]
	}
	b := boundaryOf(contentTag, "bytes=0-1,3-4")
	if again := boundaryOf(contentTag, "bytes=0-1, 3-00004,"); again != b {
		t.Errorf("boundary %q, then %q for the same ranges", b, again)
	}
	for _, other := range []string{
		boundaryOf(contentTag, "bytes=3-4,0-1"), boundaryOf(contentTag, "bytes=0-1,3-5"), boundaryOf(`"v2"`, "bytes=0-1,3-4"), boundaryOf("", "bytes=0-1,3-4"),
	} {
		if other == b {
			t.Errorf("boundary %q is also that of other ranges or of another representation", b)
		}
	}
	if len(b) < 20 || len(b) > 70 || strings.Trim(b, "-0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		t.Errorf("boundary %q, want at most 70 bytes that need no quotes (RFC 2046, section 5.1.1), and enough to occur in no content", b)
	}
}

// "For this specification, GET is the only method for which range handling is
// defined." RFC 9110, section 14.2.
func TestRangeOnOtherMethods(t *testing.T) {
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "PATCH", "get", "BREW"} {
		for _, field := range []string{"bytes=0-1", "bytes=0-1,3-4", "bytes=20-", "bytes=-0", "junk"} {
			got := parseAnswer(t, contentAsk(t, contentOf(contentTag, contentMod), method, "Range: "+field))
			want := contentText
			if method == "HEAD" {
				want = ""
			}
			_, partial := got.Fields["Content-Range"]
			if got.Status != "200 OK" || got.Content != want || got.Fields["Content-Length"] != "20" || partial {
				t.Errorf("%s with Range: %s: %+v, want the same answer as without Range", method, field, got)
			}
		}
	}
	for _, lines := range [][]string{{"Range: bytes=0-1", "Range: bytes=3-4"}, {"Range: bytes=0-1", "Range: bytes=0-1"}} {
		if got := contentStatus(t, contentAsk(t, contentOf(contentTag, contentMod), "GET", lines...)); got != 200 {
			t.Errorf("GET with %q: status %d, want 200, since Range is not a list and the joined lines are malformed (RFC 9110, section 5.3)", lines, got)
		}
	}
}

func TestIfRange(t *testing.T) {
	const strong, weak = contentTag, `W/"v1"`
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		etag   string
		mod    time.Time
		values []string
		want   bool
		why    string
	}{
		{"none", "", time.Time{}, nil, true, ""},
		{"the tag", strong, contentMod, []string{`"v1"`}, true, ""},
		{"another tag", strong, contentMod, []string{`"v2"`}, false, "the content has changed, so the client gets the whole"},
		{"weak tag", strong, contentMod, []string{`W/"v1"`}, false, "strong comparison, RFC 9110, section 13.1.5"},
		{"strong tag against a weak one", weak, contentMod, []string{`"v1"`}, false, "strong comparison"},
		{"weak tag against a weak one", weak, contentMod, []string{`W/"v1"`}, false, "strong comparison: both must be strong"},
		{"tag, content without a tag", "", contentMod, []string{`"v1"`}, false, ""},
		{"empty tag, content without a tag", "", contentMod, []string{`""`}, false, ""},
		{"list of tags", strong, contentMod, []string{`"v1", "v2"`}, false, "If-Range = entity-tag / HTTP-date, not a list"},
		{"any", strong, contentMod, []string{`*`}, false, "malformed"},
		{"nothing", strong, contentMod, []string{``}, false, "malformed"},
		{"no quotes", strong, contentMod, []string{`v1`}, false, "malformed"},
		{"two lines", strong, contentMod, []string{`"v1"`, `"v1"`}, false, "If-Range is not a list"},
		{"two lines, one the tag", strong, contentMod, []string{`"v1"`, `"v2"`}, false, "If-Range is not a list"},

		{"the date", strong, contentMod, []string{contentChanged}, true, ""},
		{"the date, obsolete form", strong, contentMod, []string{"Friday, 31-Dec-99 12:00:00 GMT"}, true, ""},
		{"the date, asctime form", "", contentMod, []string{"Fri Dec 31 12:00:00 1999"}, true, ""},
		{"the date, content with a weak tag", weak, contentMod, []string{contentChanged}, true, "the date is a strong validator whatever the tag is"},
		{"a second later", strong, contentMod, []string{"Fri, 31 Dec 1999 12:00:01 GMT"}, false, "the date must match exactly, RFC 9110, section 13.1.5"},
		{"a second earlier", strong, contentMod, []string{"Fri, 31 Dec 1999 11:59:59 GMT"}, false, ""},
		{"now", strong, contentMod, []string{"Sat, 01 Jan 2000 00:00:00 GMT"}, false, "the date must match exactly, unlike with If-Unmodified-Since"},
		{"date, content without a time", strong, time.Time{}, []string{contentChanged}, false, ""},
		{"the zero time, content without a time", strong, time.Time{}, []string{"Mon, 01 Jan 0001 00:00:00 GMT"}, false, ""},
		{"not a date", strong, contentMod, []string{"Fri, 31 Dec 1999 12:00:00 UTC"}, false, ""},
		{"date twice", strong, contentMod, []string{contentChanged, contentChanged}, false, "If-Range is not a list"},
		{"2 s old", strong, now.Add(-2 * time.Second), []string{"Fri, 31 Dec 1999 23:59:58 GMT"}, true, ""},
		{"1 s old", strong, now.Add(-time.Second), []string{"Fri, 31 Dec 1999 23:59:59 GMT"}, false,
			"it may have changed twice in that second: no strong validator, RFC 9110, section 8.8.2.2"},
		{"changed in this second", strong, now, []string{"Sat, 01 Jan 2000 00:00:00 GMT"}, false, "the date is not a strong validator"},
		{"from the future", strong, now.Add(time.Hour), []string{"Sat, 01 Jan 2000 01:00:00 GMT"}, false, ""},
		{"from the future, as sent", strong, now.Add(time.Hour), []string{"Sat, 01 Jan 2000 00:00:00 GMT"}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var lines []string
				for _, v := range tt.values {
					lines = append(lines, "If-Range: "+v)
				}
				for field, applied := range map[string]int{"bytes=0-1": 206, "bytes=0-1,3-4": 206, "bytes=20-": 416, "items=0-1": 200} {
					want := 200
					if tt.want {
						want = applied
					}
					got := contentStatus(t, contentAsk(t, contentOf(tt.etag, tt.mod), "GET", append(lines, "Range: "+field)...))
					if got != want {
						t.Errorf("GET of ETag %s, changed %v, with %q, Range: %s: status %d, want %d\nwhy: %s", tt.etag, tt.mod, lines, field, got, want, tt.why)
					}
				}
				if got := contentStatus(t, contentAsk(t, contentOf(tt.etag, tt.mod), "GET", lines...)); got != 200 {
					t.Errorf("GET with %q and no Range: status %d, want 200, since If-Range is ignored, RFC 9110, section 13.1.5", lines, got)
				}
			})
		})
	}
}

// Several ranges in every framing.
func TestRangesFraming(t *testing.T) {
	requests := map[string]string{
		"by length":    "GET / HTTP/1.1\r\nHost: a\r\n",
		"by length 10": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
		"by chunks":    "GET / HTTP/1.1\r\nHost: a\r\n",
		"by the close": "GET / HTTP/1.0\r\n",
	}
	for name, request := range requests {
		for _, body := range contentBodies {
			resolver := contentResolver(func() *rawhttp.Response {
				return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: body.make(t, contentText), Size: 20})
			})
			_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithContentLength(strings.HasPrefix(name, "by length")))
			answer := talk(t, addr, request+"Range: bytes=-2,3-7\r\n\r\n")
			a := parseAnswer(t, answer)
			switch name {
			case "by chunks":
				if a.Fields["Transfer-Encoding"] != "chunked" {
					t.Errorf("%s, %s: fields %q, want a chunked response", name, body.name, a.Fields)
				}
				content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(a.Content)))
				if err != nil {
					t.Errorf("%s, %s: %v", name, body.name, err)
				}
				a.Content = string(content)
			case "by the close":
				if _, ok := a.Fields["Content-Length"]; ok || a.Fields["Connection"] != "close" {
					t.Errorf("%s, %s: fields %q, want no Content-Length", name, body.name, a.Fields)
				}
			default:
				if n := strconv.Itoa(len(a.Content)); a.Fields["Content-Length"] != n {
					t.Errorf("%s, %s: Content-Length %s, but %s bytes follow", name, body.name, a.Fields["Content-Length"], n)
				}
			}
			contentCheckParts(t, a, contentText, []string{"18-19", "3-7"})
		}
	}
}

// contentResolver answers every request with a new Response.
func contentResolver(make func() *rawhttp.Response) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return make(), nil })
}

// Ranges of a representation of the maximum size, 2^62 bytes.
func TestRangesOfLargestRepresentation(t *testing.T) {
	const most = 1 << 62
	resp := rawhttp.Content(rawhttp.Representation{Body: contentReaderAt{contentHuge{}}, Size: most})
	for field, want := range map[string]string{
		"bytes=4611686018427387897-": "bytes 4611686018427387897-4611686018427387903/4611686018427387904 7890123",
		"bytes=-3":                   "bytes 4611686018427387901-4611686018427387903/4611686018427387904 123",
		"bytes=0-2":                  "bytes 0-2/4611686018427387904 012",
		"bytes=4611686018427387902-18446744073709551616": "bytes 4611686018427387902-4611686018427387903/4611686018427387904 23",
	} {
		got := parseAnswer(t, contentAsk(t, resp, "GET", "Range: "+field))
		if shown := got.Fields["Content-Range"] + " " + got.Content; shown != want {
			t.Errorf("Range: %s of 2^62 bytes: %q, want %q", field, shown, want)
		}
	}
	answer := contentAsk(t, resp, "HEAD")
	if got := parseAnswer(t, answer); got.Fields["Content-Length"] != "4611686018427387904" {
		t.Errorf("HEAD of 2^62 bytes: %q", answer)
	}
	for size, want := range map[int64]bool{-2: false, -1: true, 0: true, most: true, most + 1: false, math.MaxInt64: false, math.MinInt64: false} {
		if err := rawhttp.Content(rawhttp.Representation{Body: contentReaderAt{contentHuge{}}, Size: size}).Err(); (err == nil) != want {
			t.Errorf("Err of a Content with size %d = %v, want success: %v", size, err, want)
		}
	}
}

// contentHuge is an io.ReaderAt without end. The byte at each position is the last digit of the
// position.
type contentHuge struct{}

func (contentHuge) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("ReadAt before the beginning")
	}
	for i := range p {
		p[i] = '0' + byte((off%10+int64(i))%10)
	}
	return len(p), nil
}
