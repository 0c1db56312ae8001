package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// axeCore returns the source of axe-core, in the version of package-lock.json.
func axeCore(t *testing.T) string {
	t.Helper()
	npm := program(t, "npm", "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// axe-core finds no accessibility problem in the pages, in either color
// scheme and at every width, and nothing that it cannot decide.
func TestListingIsAccessible(t *testing.T) {
	axe := axeCore(t)
	for _, v := range views {
		t.Run(fmt.Sprint(v.scheme, " ", v.width), func(t *testing.T) {
			b := open(t, v, site(t)...)
			for name, target := range pages {
				if name == "many" {
					continue // many similar rows take long
				}
				b.goTo(target)
				b.do(chromedp.Evaluate[chromedp.Void](axe))
				type finding struct {
					ID, Help string
					Nodes    []string
				}
				type result struct {
					Passes                 int // rules
					Violations, Incomplete []finding
				}
				// axe-core cannot measure the contrast of a single arrow, which it does not count as text.
				got := eval[result](b, `axe.run(document).then((r) => {
					const noText = (n) => n.any.some((check) => ["nonBmp", "shortTextContent"].includes(check.data?.messageKey));
					const brief = (findings) => findings.map((f) => ({ ID: f.id, Help: f.help, Nodes: f.nodes.filter((n) => !noText(n)).map((n) => n.html) }))
						.filter((f) => f.Nodes.length > 0);
					return { Passes: r.passes.length, Violations: brief(r.violations), Incomplete: brief(r.incomplete) };
				})`)
				if got.Passes < 20 {
					t.Errorf("%s: only %d rules were checked", name, got.Passes)
				}
				if diff := cmp.Diff(result{got.Passes, []finding{}, []finding{}}, got); diff != "" {
					t.Errorf("%s: axe-core (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}
