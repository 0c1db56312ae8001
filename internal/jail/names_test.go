package jail

import (
	"testing"
)

func TestFoldName(t *testing.T) {
	for name, want := range map[string]string{
		"a.TXT": "a.TXT", "a\u200bb": "ab", "\u00ad.git": ".git", "\ufb01": "fi", "\u212a": "k", "e\u0301": "e\u0301",
		"a\xff": "a\xff", "\xc3(\u200b": "\xc3(", "\ufffd": "\ufffd",
	} {
		if got := FoldName(name); got != want {
			t.Errorf("FoldName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestMayBeAlias(t *testing.T) {
	for name, want := range map[string]bool{
		"a": false, "a.txt": false, "a~b": true, "E4QK2N~X.PHT": true, "a~.b": false, "~": false, "a~": false, "1~a": true, "~/1": false, "a b.c": false, ".": false,
		"SECRET~1": true, "A~BCDE~1": true, "x~y~1.TXT": true, "~1": true, "d/SECRET~1/f": true,
		"a.": true, "a ": true, "d./f": true, "d /f": true,
	} {
		if got := MayBeAlias(name); got != want {
			t.Errorf("MayBeAlias(%q) = %v, want %v", name, got, want)
		}
	}
}
