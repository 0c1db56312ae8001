package conformance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/list"
	"example.com/rawhttp/internal/testkit"

	"example.com/rawhttp"
)

// listingHiddenNames has names that are hidden unless WithDotFiles is set.
var listingHiddenNames = []string{".hidden", "..a", "...", "..a\nb", ".\xff", ".git"}

// listingWrite makes files, or folders if folders is set, and returns the names that the
// system accepted. Unix accepts all of them, since names are bytes; macOS requires UTF-8.
func listingWrite(t testing.TB, dir string, names []string, folders bool) (made []string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		var err error
		if folders {
			err = os.Mkdir(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte("content of "+name), 0o644)
		}
		if err != nil && filesBytesOS {
			t.Fatal(err)
		}
		if err == nil && (filesStrangeOS || !strings.ContainsAny(name, `:\`)) {
			made = append(made, name)
		}
	}
	return made
}

// Listing and serving follow the same rule: every listed name can be fetched, and every other
// name is 404.
func TestListedNamesAreServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := listingWrite(t, dir, testkit.MisleadingNames, false)
	hidden := listingWrite(t, dir, listingHiddenNames, false)
	sub := filepath.Join(dir, "folders")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	folders := listingWrite(t, sub, testkit.MisleadingNames, true)
	listingWrite(t, sub, listingHiddenNames, true)

	osFS, err := rawhttp.FS(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	osShown, err := rawhttp.FS(os.DirFS(dir), rawhttp.WithDotFiles(true))
	if err != nil {
		t.Fatal(err)
	}
	valid := func(name string) bool { return fs.ValidPath(name) }
	tests := []struct {
		name   string
		r      *rawhttp.FileResolver
		listed func(name string) bool
	}{
		{"Dir", filesOfDir(t, dir), func(name string) bool { return name[0] != '.' }},
		{"Dir with dot files", filesOfDir(t, dir, rawhttp.WithDotFiles(true)), func(string) bool { return true }},
		{"os.DirFS", osFS, func(name string) bool { return name[0] != '.' && valid(name) }},
		{"os.DirFS with dot files", osShown, valid},
	}
	for _, tt := range tests {
		if runtime.GOOS == "windows" {
			listed := tt.listed
			tt.listed = func(name string) bool { return listed(name) && jail.SystemNames{}.ValidName(name) }
		}
		t.Run(tt.name, func(t *testing.T) {
			var wantFiles, wantFolders []string
			for _, name := range slices.Concat(files, hidden) {
				got := resolveString(t, tt.r, resolveGet(t, "/"+listingEscape(name)))
				want := "declined"
				if tt.listed(name) {
					want = "content of " + name
					wantFiles = append(wantFiles, name)
				}
				if got != want {
					t.Errorf("GET of the file %q: %q, want %q", name, got, want)
				}
			}
			for _, name := range folders {
				got := resolveString(t, tt.r, resolveGet(t, "/folders/"+listingEscape(name)))
				want := "declined"
				if tt.listed(name) {
					want = "301 ./" + ascii.EscapeSegment(name) + "/"
					wantFolders = append(wantFolders, name)
				}
				if got != want {
					t.Errorf("GET of the folder %q: %q, want %q", name, got, want)
				}
				if got := resolveString(t, tt.r, resolveGet(t, "/folders/"+listingEscape(name)+"/")); tt.listed(name) && got != "" {
					t.Errorf("GET of the folder %q with its slash: %q, want an empty listing", name, got)
				}
			}

			wantFiles = listingInOrder(wantFiles)
			lines := []string{"folders/"}
			for _, name := range wantFiles {
				lines = append(lines, listingShown(name))
			}
			if diff := cmp.Diff(lines, listingLines(resolveString(t, tt.r, resolveGet(t, "/")))); diff != "" {
				t.Errorf("listing of files (-want +got):\n%s", diff)
			}
			if tt.name == "Dir" || tt.name == "os.DirFS" {
				wantFolders = listingInOrder(wantFolders)
				lines = nil
				for _, name := range wantFolders {
					lines = append(lines, listingShown(name)+"/")
				}
				if diff := cmp.Diff(lines, listingLines(resolveString(t, tt.r, resolveGet(t, "/folders/")))); diff != "" {
					t.Errorf("listing of folders (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// listingInOrder returns the names in the order of a listing. Package list tests the order
// itself.
func listingInOrder(names []string) (sorted []string) {
	var entries []*jail.Entry
	for _, name := range names {
		entries = append(entries, &jail.Entry{Name: name})
	}
	for _, e := range list.InOrder(entries) {
		sorted = append(sorted, e.Name)
	}
	return sorted
}

func listingLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// listingShown returns a name of testkit.MisleadingNames or listingHiddenNames as the text form
// shows it, with U+FFFD in place of each byte or character that must not be shown.
func listingShown(name string) string {
	shown := map[string]string{
		"a\nb": "a\ufffdb", "\r\n": "\ufffd\ufffd", "\x1b[2J": "\ufffd[2J", "\x01": "\ufffd", "\x7f": "\ufffd", "\u202etxt.exe": "\ufffdtxt.exe",
		"\u2066": "\ufffd", "\u2028": "\ufffd", "\u0085": "\ufffd", "\xff": "\ufffd", "\xff\xfe": "\ufffd", "\xc3\x28": "\ufffd(", "\xed\xa0\x80": "\ufffd", "utf8\xe2\x82": "utf8\ufffd",
		"..a\nb": "..a\ufffdb", ".\xff": ".\ufffd",
	}
	if s, ok := shown[name]; ok {
		return s
	}
	return name
}

// A listing has the files that have been created since the last one, and not those that have been
// removed.
func TestListingFollowsTheFolder(t *testing.T) {
	dir := t.TempDir()
	r := filesOfDir(t, dir)
	want := ""
	for _, name := range []string{"a", "b", "c"} {
		if got := resolveString(t, r, resolveGet(t, "/")); got != want {
			t.Errorf("listing %q, want %q", got, want)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		want += name + "\n"
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if got := resolveString(t, r, resolveGet(t, "/")); got != "a\nc\n" {
		t.Errorf("listing %q, want a and c", got)
	}
}
