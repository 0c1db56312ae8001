package conformance_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"

	"example.com/rawhttp"
)

// listingFuzzNames splits b into names at slashes and NULs, which no name can contain.
func listingFuzzNames(b []byte) (names []string) {
	for name := range strings.FieldsFuncSeq(string(b), func(r rune) bool { return r == '/' || r == 0 }) {
		if name != "." && name != ".." && len(name) <= 255 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// listingFuzzSeeds has the names of folders, separated by slashes.
var listingFuzzSeeds = []struct {
	names    string
	dotFiles bool
}{
	{strings.Join(testkit.MisleadingNames, "/"), false},
	{strings.Join(listingHiddenNames, "/"), true},
	{"a/A/b/\u00e9/e\u0301/\xc3/\xa9/%41/%", true},
	{"&#47;/&sol;..&sol;/\"><a href=x>/</bdi></a></th>/<!--/-->/]]>/</table>", false},
	{"http:/mailto:x/\\\\host/\\/C:\\x/?/??/#/##/;/%/%%/%2/%zz/%00/%0a", false},
	{"{/}/\",\"href\":\".\\/x\"/\\u0041/\\/\\\"/\u2028/\x7f/\x01/\ufeff", false},
}

// FuzzListingNames makes a folder of entries with random names. Each link of the page and of the
// JSON object must lead to exactly one entry; every entry that may be served must be linked; no
// link may lead out of the folder.
func FuzzListingNames(f *testing.F) {
	for _, seed := range listingFuzzSeeds[2:] { // the fuzzer takes long to minimize large seeds
		f.Add([]byte(seed.names), seed.dotFiles)
	}
	f.Fuzz(func(t *testing.T, names []byte, dotFiles bool) {
		names = names[:min(len(names), 200)] // to limit the time for making files
		root, want := listingFuzzFolder(t, names, dotFiles)
		r := rawhttp.Mount("/m/", filesOfDir(t, root, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithDotFiles(dotFiles)))
		listingCheckLinks(t, want, func(targets []string) string {
			var answers strings.Builder
			for _, target := range targets {
				req := resolveGet(t, target)
				resp, err := r.Resolve(t.Context(), req)
				if err != nil {
					t.Fatalf("GET %s: %v", target, err)
				}
				if _, err := rawhttp.WriteResponse(t.Context(), &answers, req, resp); err != nil {
					t.Fatalf("GET %s: %v", target, err)
				}
			}
			return answers.String()
		})
	})
}

// The links in listings of the seeds of FuzzListingNames, over a Server.
func TestListingLinks(t *testing.T) {
	t.Parallel()
	for _, seed := range listingFuzzSeeds {
		root, want := listingFuzzFolder(t, []byte(seed.names), seed.dotFiles)
		_, addr := listen(t, rawhttp.WithResolver(rawhttp.Mount("/m/", filesOfDir(t, root, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithDotFiles(seed.dotFiles)))))
		listingCheckLinks(t, want, func(targets []string) string {
			var requests strings.Builder
			for _, target := range targets {
				fmt.Fprintf(&requests, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target)
			}
			return talk(t, addr, requests.String())
		})
	}
}

// listingFuzzFolder makes a folder named "in" of files and folders with the names. It returns
// the parent of that folder and the contents that the links must reach: the content of a file is
// its name, that of a folder its name with a slash.
func listingFuzzFolder(t *testing.T, names []byte, dotFiles bool) (root string, want map[string]bool) {
	t.Helper()
	root = t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	want = make(map[string]bool)
	for i, name := range listingFuzzNames(names) {
		path := filepath.Join(root, "in", name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			continue // another spelling of an existing name, or not a name
		}
		var err error
		content := name
		if i%3 == 0 {
			content += "/"
			if err = os.Mkdir(path, 0o755); err == nil {
				err = os.WriteFile(filepath.Join(path, "index.html"), []byte(content), 0o644)
			}
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		switch {
		case err != nil && filesBytesOS:
			t.Fatal(err)
		case err != nil, !jail.SystemNames{}.ValidName(name), name == "index.html":
			os.RemoveAll(path) // an invalid name, or the index file of the folder itself
		case dotFiles || name[0] != '.':
			want[content] = true
		}
	}
	return root, want
}

// listingCheckLinks gets the listing of /m/in/ in each form and follows the links. get returns
// the answers to GET requests for the targets.
func listingCheckLinks(t *testing.T, want map[string]bool, get func(targets []string) string) {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: "a", Path: "/m/in/"}
	forms := listingContents(t, get, []string{"/m/in/?format=text", "/m/in/?format=html", "/m/in/?format=json"})
	lines := listingLines(forms[0])
	if len(lines) != len(want) {
		t.Errorf("%d lines of text, want one for each of %d entries: %q", len(lines), len(want), lines)
	}
	var hrefs []string
	for i, row := range listingReadPage(t, forms[1]).Rows {
		hrefs = append(hrefs, row.Href)
		if i < len(lines) && row.Name != lines[i] {
			t.Errorf("row %d has the name %q, want that of line %d of the text, %q", i, row.Name, i, lines[i])
		}
	}
	listingFollow(t, base, hrefs, want, get)

	hrefs = nil
	for _, e := range listingReadJSON(t, forms[2]).Entries {
		hrefs = append(hrefs, e.Href)
		name, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(e.Href, "./"), "/"))
		if err != nil {
			t.Errorf("href %q of %q: %v", e.Href, e.Name, err)
		}
		var lossy string
		if b, err := json.Marshal(name); err != nil || json.Unmarshal(b, &lossy) != nil || lossy != e.Name {
			t.Errorf("href %q has the name %q, want the decoded href, %q", e.Href, e.Name, lossy)
		}
	}
	listingFollow(t, base, hrefs, want, get)
}

// listingContents returns the content of each target.
func listingContents(t *testing.T, get func(targets []string) string, targets []string) (contents []string) {
	t.Helper()
	answers := bufio.NewReader(strings.NewReader(get(targets)))
	for _, target := range targets {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("GET %s: %v", target, err)
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("GET %s: %s, %v", target, resp.Status, err)
		}
		contents = append(contents, string(content))
	}
	return contents
}

// listingFollow follows references from a folder, which must lead to each of the contents once.
func listingFollow(t *testing.T, base *url.URL, hrefs []string, want map[string]bool, get func(targets []string) string) {
	t.Helper()
	var targets []string
	for _, href := range hrefs {
		ref, err := url.Parse(href)
		if err != nil {
			t.Fatalf("href %q: %v", href, err)
		}
		u := base.ResolveReference(ref)
		rest, inside := strings.CutPrefix(u.EscapedPath(), base.Path)
		if !inside || u.Host != base.Host || u.Scheme != base.Scheme || u.RawQuery != "" || u.Fragment != "" || strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
			t.Errorf("href %q leads to %s, want one name in the folder", href, u)
		}
		targets = append(targets, u.RequestURI())
	}
	got := make(map[string]bool)
	for i, content := range listingContents(t, get, targets) {
		if got[content] {
			t.Errorf("href %q leads to the same content as another: %q", hrefs[i], content)
		}
		got[content] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contents reached by links (-want +got):\n%s", diff)
	}
}
