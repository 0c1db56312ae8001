package rawhttp

import (
	"testing"
)

func TestCodedTag(t *testing.T) {
	for coding, want := range map[string]string{"": `"abc"`, "gzip": `"abc-gzip"`, "br": `"abc-br"`} {
		if got := codedTag(`"abc"`, coding); got != want {
			t.Errorf("codedTag of coding %q = %s, want %s", coding, got, want)
		}
	}
	if got := codedTag(`W/"abc"`, "gzip"); got != `W/"abc-gzip"` {
		t.Errorf("codedTag of a weak tag = %s", got)
	}
	if got := codedTag("", "gzip"); got != "" {
		t.Errorf("codedTag of no tag = %s, want none", got)
	}
}
