package browser

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lynx gives a page as lynx writes it to a terminal of 100 columns.
func lynx(t *testing.T, url string, options ...string) (lines []string) {
	t.Helper()
	args := append([]string{"-dump", "-width=100", "-display_charset=utf-8", "-connect_timeout=60", "-read_timeout=60"}, options...)
	cmd := exec.Command(program(t, "lynx", "lynx"), append(args, url)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb"} // no proxy
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("lynx: %v\n%s", err, out)
	}
	return strings.Split(string(out), "\n")
}

// In lynx, without any style, a listing is a table to be read: what belongs together
// stands in a line, and columns stand under their heads.
func TestListingInLynx(t *testing.T) {
	origin := serve(t, site(t)...)
	var got, dates []string
	for _, line := range lynx(t, origin+"/pub/images/", "-nolist") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		got = append(got, strings.Join(words, " "))
		if i := strings.Index(line, "2026-11-02 "); i >= 0 {
			dates = append(dates, line[:i])
		}
	}
	want := []string{
		"Skip to files", "1. root", "2. pub", "3. images",
		"Index of /pub/images/",
		"CAPTION: 3 folders, 6 files, sorted by name, ascending",
		"Name ↑ Size Modified (UTC)",
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
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing in lynx (-want +got):\n%s", diff)
	}
	for _, before := range dates {
		if len([]rune(before)) != len([]rune(dates[0])) {
			t.Errorf("dates are not in one column: behind %q and %q", dates[0], before)
		}
	}
}
