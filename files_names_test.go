package rawhttp

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/list"
	"example.com/rawhttp/internal/testkit"
)

// namesFiles are the files of the trees of TestNames. The content says whether a file may be
// sent.
var namesFiles = map[string]string{
	"a.txt":                             "text",
	"backup~1.txt":                      "a name like a short one",
	"v1.0~1/deep~2.txt":                 "names like short ones",
	"em\uFE0Fpty.txt":                   "a name with a character that some systems ignore",
	"sub/b.txt":                         "text below",
	"make_time.sh":                      "SOURCE",
	"make_time.sh.gz":                   "SOURCE, compressed",
	"make_time.sh.zst":                  "SOURCE, compressed",
	"make_time.phtml":                   "SOURCE",
	"sub/ma\u00ADke.sh":                 "SOURCE",
	".git/config":                       "HIDDEN",
	".env":                              "HIDDEN",
	"sub/.env":                          "HIDDEN",
	"\u200B.hidden":                     "HIDDEN",
	"sub/.well-known/f":                 "HIDDEN",
	".well-known/.secret":               "HIDDEN",
	".well-known/acme-challenge/token":  "a token",
	".well-known/security.txt":          "whom to contact",
	".well-knownx":                      "HIDDEN",
	"long name of a folder/another.txt": "text after a long name",
}

// namesUnix are files whose names Windows cannot have.
var namesUnix = map[string]string{
	"ends.":       "a name with a dot at its end",
	"blank ":      "a name with a blank at its end",
	"dir./in.txt": "a folder with a dot at its end",
	"a:b":         "a colon",
}

// namesAsked maps paths to the answer if the tree has a file with that spelling, or finds one
// by it. Otherwise each path must be answered with 404.
var namesAsked = map[string]string{
	"a.txt":                             "text",
	"backup~1.txt":                      "a name like a short one",
	"v1.0~1/deep~2.txt":                 "names like short ones",
	"em\uFE0Fpty.txt":                   "a name with a character that some systems ignore",
	"sub/b.txt":                         "text below",
	".well-known/acme-challenge/token":  "a token",
	".well-known/security.txt":          "whom to contact",
	"ends.":                             "a name with a dot at its end",
	"blank ":                            "a name with a blank at its end",
	"dir./in.txt":                       "a folder with a dot at its end",
	"a:b":                               "a colon",
	"long name of a folder/another.txt": "text after a long name",
	"make_time.sh":                      "run",
	"make_time.phtml":                   "run",
	"MAKE_TIME.SH":                      "run",
	"make_time.s\u200Dh":                "run",
	"make_time\u200D.sh\uFEFF":          "run",
	"make_time.\u017Fh":                 "run",
	"make_time.sh\u2060":                "run",
	"make_time.\U000E0001sh":            "run",
	"sub/make.sh":                       "run",
	"sub/ma\u00ADke.sh":                 "run",
	"make_time.sh.":                     "404",
	"make_time.sh ":                     "404",
	"make_time.sh. .":                   "404",
	"make_time.sh.gz":                   "404",
	"make_time.sh.g\u00ADz":             "404",
	"make_time.\u017Fh.GZ":              "404",
	"make_time.sh.z\u017Ft":             "404",
	"MAKE_T~1.PHT":                      "404",
	"make_t~1.pht":                      "404",
	"MAKE_T~1.SH":                       "404",
	".git/config":                       "404",
	"\u00AD.git/config":                 "404",
	".\u200Bgit/config":                 "404",
	"\u200E\uFEFF.env":                  "404",
	"sub/\u180E.env":                    "404",
	"GIT~1/config":                      "404",
	"git~1/CONFIG":                      "404",
	"ENV~1":                             "404",
	"sub/ENV~1":                         "404",
	"sub/.env":                          "404",
	"sub/.well-known/f":                 "404",
	".well-known/.secret":               "404",
	".well-known/\u200D.secret":         "404",
	".well-known/SECRET~1":              "404",
	".well-knownx":                      "404",
	"WELL-K~1/.secret":                  "404",
	"WELL-K~1/security.txt":             "404",
	"\u200B.hidden":                     "404",
	".hidden":                           "404",
	"\u200D../outside.txt":              "404",
	"sub/.\u2060./a.txt":                "404",
	"sub/\u2060./b.txt":                 "404",
	"\u2060/a.txt":                      "404",
	"a.txt.":                            "404",
	"a.txt ":                            "404",
	"sub./b.txt":                        "404",
	"LONGNA~1/another.txt":              "404",
}

// treesOfNames makes the trees, each with the files, for a FileResolver with scripts.
func treesOfNames(t *testing.T) map[string]jail.Tree {
	files := maps.Clone(namesFiles)
	maps.Copy(files, namesUnix)
	dir, mapFS := filepath.Join(t.TempDir(), "root"), fstest.MapFS{}
	var zipped bytes.Buffer
	zw := zip.NewWriter(&zipped)
	for name, content := range files {
		if runtime.GOOS != "windows" || namesUnix[name] == "" {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if err := cmp.Or(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		mapFS[name] = &fstest.MapFile{Data: []byte(content)}
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	if err := cmp.Or(zw.Close(), os.WriteFile(filepath.Join(dir, "../outside.txt"), []byte("OUTSIDE"), 0o644)); err != nil {
		t.Fatal(err)
	}
	zr, err := zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len()))
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]jail.Tree{
		"MapFS":     &jail.FSTree{Fsys: mapFS},
		"zip":       &jail.FSTree{Fsys: zr},
		"os.DirFS":  &jail.FSTree{Fsys: os.DirFS(dir)},
		"case-fold": &jail.FSTree{Fsys: looseFS{mapFS, foldsLikeExt4}},
		"FAT":       &jail.FSTree{Fsys: looseFS{mapFS, isShortFor}},
	}
	for kind, j := range testkit.Trees(t, dir) {
		trees[kind] = j
	}
	return trees
}

// In every kind of tree, the same names are served, run as scripts, and listed.
func TestNames(t *testing.T) {
	for kind, tree := range treesOfNames(t) {
		t.Run(kind, func(t *testing.T) {
			for _, dotFiles := range []bool{false, true} {
				config, err := newFileConfig([]FileOption{WithDotFiles(dotFiles)})
				if err != nil {
					t.Fatal(err)
				}
				r := &FileResolver{tree: tree, config: config, links: namesLinks{tree}, scripts: namesRunner{&scripts{scriptConfig: scriptConfig{commands: []scriptCommand{{ext: ".sh"}, {ext: ".phtml"}}}}}, listTurns: make(chan struct{}, maxListings)}
				for name, want := range namesAsked {
					isEntry := namesFiles[name]+namesUnix[name] != ""
					if _, isFS := tree.(*jail.FSTree); runtime.GOOS == "windows" && (!isFS || kind == "os.DirFS") && namesUnix[name] != "" {
						want = "404" // no file on disk can have the name
					}
					got := resolveString(t, r, resolveGet(t, "/"+(&url.URL{Path: name}).EscapedPath()))
					if got == "declined" && !isEntry {
						continue // the tree finds nothing by this spelling, or it is not trusted
					}
					if got == "declined" {
						got = "404"
					}
					if isShown := dotFiles && got == "HIDDEN"; got != want && !isShown {
						t.Errorf("dot files %v: %q is answered with %q, want %q", dotFiles, name, got, want)
					}
				}
				checkListed(t, r, ".")
			}
		})
	}
}

// checkListed checks that a folder and its folders list the files that they serve.
func checkListed(t *testing.T, r *FileResolver, folder string) {
	t.Helper()
	target := "/"
	if folder != "." {
		target += ascii.EscapeSegment(folder) + "/"
	}
	listed := resolveString(t, r, resolveGet(t, target))
	names := strings.Split(strings.TrimSuffix(listed, "\n"), "\n")
	dir, _, err := r.tree.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	entries, err := dir.(fs.ReadDirFile).ReadDir(-1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, shown := jail.Join(folder, e.Name()), list.DisplayName(e.Name())
		if e.IsDir() {
			shown += "/"
		}
		got := resolveString(t, r, resolveGet(t, "/"+ascii.EscapeSegment(name)))
		if served, isListed := got != "declined", slices.Contains(names, shown); served != isListed {
			t.Errorf("%q is listed: %v, but answered with %q, want a name listed exactly if it is served; the listing is %q", name, isListed, got, listed)
		}
		if strings.Contains(got, "SOURCE") || strings.Contains(got, "HIDDEN") && !r.config.dotFiles {
			t.Errorf("%q is answered with %q, want no source and nothing hidden", name, got)
		}
		if e.IsDir() && got != "declined" {
			checkListed(t, r, name)
		}
	}
}

// namesRunner answers for each script that it was run.
type namesRunner struct{ *scripts }

func (namesRunner) answer(_ context.Context, _ *FileResolver, _ *Request, script target) (*Response, error) {
	script.file.Close()
	return Text(200, "run"), nil
}

// namesLinks is a tree without links.
type namesLinks struct{ jail.Tree }

func (namesLinks) Readlink(string) (string, error) { return "", syscall.EINVAL }

// A looseFS also finds files by alternative spellings of their names.
type looseFS struct {
	fstest.MapFS
	finds func(asked, entry string) bool
}

func (f looseFS) Open(name string) (fs.File, error) {
	if name == "." {
		return f.MapFS.Open(name)
	}
	found := "."
	for asked := range strings.SplitSeq(name, "/") {
		if found == ".." {
			break
		}
		entries, err := f.MapFS.ReadDir(found)
		if err != nil {
			return nil, err
		}
		names := []string{".", ".."}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		i := slices.Index(names, asked)
		if i < 0 {
			i = slices.IndexFunc(names, func(entry string) bool { return f.finds(asked, entry) })
		}
		if i < 0 {
			return nil, fs.ErrNotExist
		}
		found = path.Join(found, names[i])
	}
	if found == ".." {
		return fstest.MapFS{"outside.txt": {Data: []byte("OUTSIDE")}}.Open("outside.txt")
	}
	return f.MapFS.Open(found)
}

func (f looseFS) Stat(name string) (fs.FileInfo, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	return file.Stat()
}

// foldsLikeExt4 compares names without case, and without a few of the characters that ext4 and
// HFS+ ignore.
func foldsLikeExt4(asked, entry string) bool {
	ignored := strings.NewReplacer("\u00AD", "", "\u200B", "", "\u200D", "", "\u200E", "", "\u180E", "", "\u2060", "", "\uFE0F", "", "\uFEFF", "", "\U000E0001", "", "\u017F", "s")
	return strings.EqualFold(ignored.Replace(asked), ignored.Replace(entry))
}

// isShortFor reports whether FAT finds the entry by the name asked: without case, by its short
// name, and without dots and blanks at the end.
func isShortFor(asked, entry string) bool {
	long := strings.EqualFold(strings.TrimRight(asked, ". "), entry)
	base, ext := strings.TrimLeft(entry, "."), ""
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base, ext = base[:i], base[i:]
	}
	base = strings.NewReplacer(" ", "", ".", "").Replace(base)
	short := base[:min(6, len(base))] + "~1" + ext[:min(4, len(ext))]
	return long || strings.EqualFold(asked, short)
}
