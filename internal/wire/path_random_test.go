package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// pathSlowly decodes and cleans a raw path in the simplest way. It reports false
// for a path that must be refused.
func pathSlowly(raw string) (string, bool) {
	var decoded []byte
	for raw != "" {
		c, n := raw[0], 1
		if c == '\\' {
			return "", false
		}
		if c == '%' {
			if len(raw) < 3 {
				return "", false
			}
			hi, lo := strings.IndexByte("0123456789abcdef", raw[1]|0x20), strings.IndexByte("0123456789abcdef", raw[2]|0x20)
			if hi < 0 || lo < 0 || hi == 0 && lo == 0 {
				return "", false
			}
			c, n = byte(hi*16+lo), 3
		}
		decoded = append(decoded, c)
		raw = raw[n:]
	}
	segments := strings.Split(string(decoded), "/")
	last := segments[len(segments)-1]
	folder := last == "" || last == "." || last == ".."
	var kept []string
	for _, s := range segments {
		switch s {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, s)
		}
	}
	path := "/" + strings.Join(kept, "/")
	if folder && path != "/" {
		path += "/"
	}
	return path, true
}

// randomPath joins up to a dozen pieces that are significant in paths.
func randomPath(random *rand.Rand) string {
	pieces := []string{"/", "/", "/", ".", "..", "/../", "/./", "a", "b.c", "%2e", "%2E", "%2f", "%25", "%41", "%ff", "%20", "-", "|", "%00", "%", "%4", `\`}
	var b strings.Builder
	b.WriteByte('/')
	for range random.IntN(12) {
		n := len(pieces)
		if random.IntN(4) > 0 {
			n -= 4 // mostly pieces that are accepted
		}
		b.WriteString(pieces[random.IntN(n)])
	}
	return b.String()
}

func TestPathOfRandomTargets(t *testing.T) {
	random := rand.New(rand.NewPCG(9110, 9112))
	accepted := 0
	for range 50_000 {
		raw := randomPath(random)
		checkRawPath(t, raw)
		if _, ok := pathSlowly(raw); ok {
			accepted++
		}
	}
	if accepted < 10_000 {
		t.Errorf("only %d of 50000 random paths are accepted, want more", accepted)
	}
}

// Every path of up to seven bytes that begins with a slash and consists of bytes that
// are significant for cleaning.
func TestPathOfShortTargets(t *testing.T) {
	const alphabet = "/.a"
	paths := []string{"/"}
	for n := 0; n < len(paths); n++ {
		checkRawPath(t, paths[n])
		if len(paths[n]) < 7 {
			for _, c := range alphabet {
				paths = append(paths, paths[n]+string(c))
			}
		}
	}
}

// checkRawPath compares the parser's result for a raw path with pathSlowly's, and checks the
// rules for every path.
func checkRawPath(t *testing.T, raw string) {
	t.Helper()
	want, ok := pathSlowly(raw)
	clean := IsCleanPath([]byte(raw))
	if clean && (!ok || want != raw) {
		t.Fatalf("IsCleanPath(%q) = true, but the path is %q", raw, want)
	}
	if !clean && ok && want == raw && !strings.Contains(raw, "/.") {
		t.Fatalf("IsCleanPath(%q) = false, though no segment begins with a dot", raw)
	}
	var r request
	_, err := r.Parse([]byte("GET " + raw + " HTTP/1.1\r\nHost: a\r\n\r\n"))
	if ok != (err == nil) {
		t.Fatalf("path of %q: error %v, want it accepted: %t", raw, err, ok)
	}
	if !ok {
		return
	}
	path := r.Path()
	if path != want {
		t.Fatalf("path of %q = %q, want %q", raw, path, want)
	}
	segments := strings.Split(path, "/")
	if path[0] != '/' || strings.Contains(path, "//") || strings.Contains(path, "\x00") || slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		t.Fatalf("path of %q = %q, want an absolute path without empty segments, dot segments and NUL", raw, path)
	}
	if again := CleanPath([]byte(path)); string(again) != path {
		t.Fatalf("CleanPath(%q) = %q, want no change, since the path is clean", path, again)
	}
}

// A decoded path is cleaned in place: nothing is written after it.
func TestCleanPathInPlace(t *testing.T) {
	random := rand.New(rand.NewPCG(3986, 1))
	for range 1000 {
		raw, _ := pathSlowly(randomPath(random))
		b := []byte("/" + raw + "/../x#tail")
		n := len(b) - len("#tail")
		CleanPath(b[:n])
		if !bytes.HasSuffix(b, []byte("#tail")) {
			t.Fatalf("CleanPath(%q) wrote after its end: %q", b[:n], b)
		}
	}
}
