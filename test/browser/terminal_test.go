package browser

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// dump returns the lines of a page as a text browser renders it.
func dump(t *testing.T, url, browser string, options ...string) (lines []string) {
	t.Helper()
	cmd := exec.Command(program(t, browser, browser), append(options, url)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb"} // no proxy
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, out)
	}
	return strings.Split(string(out), "\n")
}

// terminals are text browsers, with the options that make them write a page to a
// terminal of 80 columns.
var terminals = map[string][]string{
	"lynx":  {"-dump", "-nolist", "-width=80", "-display_charset=utf-8", "-connect_timeout=60", "-read_timeout=60"},
	"w3m":   {"-dump", "-cols", "80", "-O", "UTF-8", "-I", "UTF-8"},
	"links": {"-dump", "-width", "80", "-codepage", "utf-8"},
}

// Without style sheets, a listing is a readable table: each entry is on one
// line, names are on the left, and columns are below their headers.
func TestListingInTerminals(t *testing.T) {
	origin := serve(t, site(t)...)
	want := []string{
		"Skip to files",
		"site / pub / images",
		"3 folders, 6 files, 3.46 MiB",
		"Sorted by name, ascending",
		"Name Size Modified (UTC)",
		"Parent folder",
		"old/ folder 2026-11-02 08:17",
		"previous/ folder, link 2026-11-02 08:17",
		"raw 2026/ folder 2026-11-02 08:19",
		"a?b.png 142 KiB 2026-11-02 08:22",
		"empty.txt 0 B 2026-11-02 08:24",
		"latest.svg 2.00 KiB, link 2026-11-02 08:21",
		"logo.svg 2.00 KiB 2026-11-02 08:21",
		"notes.txt 731 B 2026-11-02 08:23",
		"sunset over the harbour.jpg 3.32 MiB 2026-11-02 08:20",
		"Also as text and JSON.",
	}
	for browser, options := range terminals {
		t.Run(browser, func(t *testing.T) {
			var got, dates, indents []string
			for _, line := range dump(t, origin+"/pub/images/", browser, options...) {
				words := strings.Fields(line)
				if len(words) == 0 {
					continue
				}
				got = append(got, strings.TrimPrefix(strings.Join(words, " "), "CAPTION: "))
				if i := strings.Index(line, "2026-11-02 "); i >= 0 {
					dates = append(dates, line[:i])
					indents = append(indents, line[:len(line)-len(strings.TrimLeft(line, " "))])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("listing (-want +got):\n%s", diff)
			}
			for i, before := range dates {
				if len([]rune(before)) != len([]rune(dates[0])) {
					t.Errorf("dates are not in one column: after %q and %q", dates[0], before)
				}
				if indents[i] != indents[0] {
					t.Errorf("names are not in one column: %q and %q", dates[0], before)
				}
			}
		})
	}
}

// A long name without a blank does not make the table much wider than the terminal, and
// leaves room for sizes and times in one line. (links ignores <wbr>.)
func TestListingWithLongNamesInTerminals(t *testing.T) {
	files := []file{{name: strings.Repeat("n", 255), size: 1}, {name: "f/"}}
	for _, name := range []string{"a-long-name-", "NoBreakOpportunity", "a.b_c-d+e", "12345"} {
		files = append(files, file{name: strings.Repeat(name, 250/len(name)) + ".log", size: 1})
	}
	origin := serve(t, rawhttp.WithRoot(folder(t, files...)), rawhttp.WithListing(rawhttp.ListHTML))
	columns := regexp.MustCompile(`(folder|1 B) +2026-11-02 08:`)
	for _, browser := range []string{"lynx", "w3m", "links"} {
		whole := 0 // rows with their size and time in one line
		for _, line := range dump(t, origin+"/", browser, terminals[browser]...) {
			if n := len([]rune(line)); n > 100 && browser != "links" {
				t.Errorf("in %s a line has %d columns: %q", browser, n, line)
			}
			if columns.MatchString(strings.ReplaceAll(line, "\u00a0", " ")) {
				whole++
			}
		}
		if browser != "lynx" && whole != len(files) { // lynx does not lay out tables
			t.Errorf("in %s %d rows have their size and time in one line, want %d", browser, whole, len(files))
		}
	}
}
