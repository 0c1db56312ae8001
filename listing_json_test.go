package rawhttp

import (
	"encoding/json"
	"strings"
	"testing"
)

// A listingObject is a listing as JSON, as the documentation has its fields.
type listingObject struct {
	Path      string              `json:"path"`
	Entries   []listingObjectItem `json:"entries"`
	Truncated bool                `json:"truncated"`
}

type listingObjectItem struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Size  *int64 `json:"size"`
	Mtime string `json:"mtime"`
	Href  string `json:"href"`
	Link  bool   `json:"link"`
}

// listingReadJSON takes a listing apart. Anything behind it, or a field that has no
// documentation, fails the test.
func listingReadJSON(t testing.TB, content string) (o listingObject) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("content is not a listing as JSON: %v: %q", err, content)
	}
	if d.More() || !strings.HasSuffix(content, "}\n") {
		t.Errorf("content does not end with the object and LF: %q", content)
	}
	if o.Entries == nil {
		t.Errorf("entries are null: %q", content)
	}
	return o
}
