package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// oddNames are names that are easily linked wrongly, or saved under another name.
var oddNames = []string{
	"plain.txt", "a b.png", "a:b", "http:", "javascript:alert(1)", "%41", "%2e%2e", "a?b=c&d", "a#b", "a;b", "a+b", "'\"<>", "&amp;", "back\\slash", "~", "-rf", "--help",
	"*", "[1]", "x=y", "dot.", "blank ", " blank", "é", "e\u0301", "日本語", "שלום.txt", "\U0001F600", "index.htm", "a,b", "@", "$x", "`id`", "|", strings.Repeat("long-", 30),
}

// A recursive downloader finds each file of a tree, fetches it once, and does not walk
// through every sort order of every folder more than once.
func TestRecursiveDownload(t *testing.T) {
	wget := peer(t, "wget", "wget")
	root := t.TempDir()
	want := make(map[string]int) // how often the file at each path is fetched
	var contents []string
	folders := 1
	for _, folder := range append([]string{"", "deep/er/and/deeper/"}, "f/"+oddNames[1]+"/", "f/"+oddNames[2]+"/", "f/"+oddNames[5]+"/", "f/"+oddNames[7]+"/", "f/日本語/") {
		for _, name := range oddNames {
			path := folder + name
			writeFile(t, root, path, []byte("content of "+path))
			want["/"+path] = 1
			contents = append(contents, "content of "+path)
		}
	}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root {
			folders++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := rawhttp.Dir(root, rawhttp.WithListing(rawhttp.ListHTML))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var mu sync.Mutex
	got, lists, missing := make(map[string]int), make(map[string]int), []string(nil)
	_, addr := serve(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := files.Resolve(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		switch path := req.Path(); {
		case err != nil:
			missing = append(missing, path)
		case strings.HasSuffix(path, "/"):
			lists[req.Target()]++
		default:
			got[path]++
		}
		return resp, err
	})))

	to := t.TempDir()
	cmd := exec.Command(wget, "--no-config", "--no-proxy", "--no-verbose", "--recursive", "--level=inf", "--no-parent", "--execute=robots=off",
		"--tries=1", "--timeout=60", "--directory-prefix="+to, "http://"+addr+"/")
	cmd.Env = []string{"HOME=" + to, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("wget: %v\n%s", err, out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("number of fetches of each file (-want +got):\n%s", diff)
	}
	if len(missing) > 0 {
		t.Errorf("requests for missing files: %q", missing)
	}
	for target, n := range lists {
		if n != 1 {
			t.Errorf("%s is fetched %d times, want once", target, n)
		}
	}
	// 6 orders, text and JSON.
	if n := len(lists); n != folders*8 {
		t.Errorf("%d listings of %d folders are fetched, want 8 of each", n, folders)
	}

	saved := make(map[string]bool)
	err = filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		saved[string(b)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := slices.DeleteFunc(contents, func(content string) bool { return saved[content] })
	if len(lost) > 0 {
		t.Errorf("not saved: %s", fmt.Sprintf("%q", lost))
	}
}

// lynx finds each file once. It writes the addresses of links decoded.
func TestLinksInLynx(t *testing.T) {
	root := t.TempDir()
	for _, name := range oddNames {
		writeFile(t, root, name, nil)
	}
	_, addr := serve(t, rawhttp.WithRoot(root), rawhttp.WithListing(rawhttp.ListHTML))
	cmd := exec.Command(peer(t, "lynx", "lynx"), "-dump", "-listonly", "-nonumbers", "-display_charset=utf-8", "-connect_timeout=60", "-read_timeout=60", "http://"+addr+"/")
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("lynx: %v", err)
	}
	links := make(map[string]int)
	for line := range strings.Lines(string(out)) {
		links[strings.TrimSpace(line)]++
	}
	for _, name := range oddNames {
		if link := strings.TrimSpace("http://" + addr + "/" + name); links[link] != 1 {
			t.Errorf("lynx lists %q %d times, want once", name, links[link])
		}
	}
	if t.Failed() {
		t.Logf("lynx -dump -listonly:\n%s", out)
	}
}
