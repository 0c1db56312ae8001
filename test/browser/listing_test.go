package browser

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

var screenshots = flag.String("screenshots", "", "write pictures of the pages to this `folder`")

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// nasty are names that are easily displayed or linked wrongly.
var nasty = []string{
	"<script>document.title='owned'<", "<img src=x onerror=document.title='owned'>", `"onfocus=document.title='owned' autofocus tabindex=1 x="`, "'", "&lt;", "a:b",
	"javascript:document.title='owned'", "%2e%2e", "%20", "a?b#c", "a\nb", "\x1b[31m", "\u202etxt.exe", "\xff", "\xc3\x28", "back\\slash", "dot.", "blank ", " blank",
	" ", "\u00e9", "e\u0301", "http:", "\\\\host\\", ";", "שלום (1).txt", "日本語", strings.Repeat("n", 255), strings.Repeat("many words ", 20) + "x", "~", "\u00a0", "\u2028",
}

// site returns the options for the folder that most tests use.
func site(t *testing.T) []rawhttp.Option {
	t.Helper()
	files := []file{
		{name: "favicon.ico", size: 0}, // the browser requests it
		{name: "pub/images/"}, {name: "pub/images/old/"}, {name: "pub/images/old/first.txt", size: 10}, {name: "pub/images/raw 2026/"},
		{name: "pub/images/sunset over the harbour.jpg", size: 3482111}, {name: "pub/images/logo.svg", size: 2048}, {name: "pub/images/a?b.png", size: 145408},
		{name: "pub/images/notes.txt", size: 731}, {name: "pub/images/empty.txt", size: 0}, {name: "pub/images/latest.svg", link: "logo.svg"},
		{name: "holiday 2026/day 1/"}, {name: "holiday 2026/day 2/"}, {name: "holiday 2026/IMG_1.jpg", size: 3482111}, {name: "holiday 2026/IMG_2.jpg", size: 2941877},
		{name: "holiday 2026/IMG_10.jpg", size: 4123987}, {name: "holiday 2026/harbour at night.mp4", size: 734003200}, {name: "holiday 2026/map of the island.pdf", size: 912345},
		{name: "holiday 2026/packing list.txt", size: 731}, {name: "holiday 2026/photos.zip", size: 52428800}, {name: "holiday 2026/route.geojson", size: 145408},
		{name: "holiday 2026/waves.flac", size: 31457280},
		{name: "pub/images/previous", link: "old"}, {name: "empty/"}, {name: "many/"},
		{name: "deep/er/and/deeper/still/with-a-long-name-of-a-folder/and one with blanks/"}, {name: "deep/" + strings.Repeat("w", 200) + "/x", size: 1},
	}
	for i := range 300 {
		files = append(files, file{name: fmt.Sprintf("many/file-%03d.log", i), size: i * 7919 % 1000})
	}
	for i, name := range nasty {
		files = append(files, file{name: "nasty/" + name, size: i})
		files = append(files, file{name: "nasty/folders/" + name + "/"})
	}
	return []rawhttp.Option{rawhttp.WithRoot(folder(t, files...)), rawhttp.WithListing(rawhttp.ListHTML)}
}

// pages are tested in every view.
var pages = map[string]string{
	"root": "/", "kinds": "/holiday%202026/", "images": "/pub/images/", "sorted": "/pub/images/?sort=time&order=desc", "empty": "/empty/", "many": "/many/", "nasty": "/nasty/", "folders": "/nasty/folders/",
	"deep": "/deep/er/and/deeper/still/with-a-long-name-of-a-folder/and%20one%20with%20blanks/", "wide": "/deep/" + strings.Repeat("w", 200) + "/",
}

// Every page fits the width of its window, has the colors of the chosen scheme,
// cuts off no text, runs no script, and needs nothing that its policy forbids (open
// checks the console).
func TestListingLooks(t *testing.T) {
	for _, v := range append(views, view{"light", 320}, view{"light", 660}) { // as of a zoomed page on a large screen
		t.Run(fmt.Sprint(v.scheme, " ", v.width), func(t *testing.T) {
			b := open(t, v, site(t)...)
			for name, target := range pages {
				b.goTo(target)
				if *screenshots != "" {
					picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
					if err == nil {
						err = os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%d-%s.png", name, v.width, v.scheme)), picture, 0o644)
					}
					if err != nil {
						t.Error(err)
					}
				}
				type look struct {
					Width    int64    // of the whole document
					Sideways []string // elements that need horizontal scrolling, or are cut off
					Style    bool     // the style of the page is in use
					Dark     bool     // the text is lighter than the background
					Title    string
				}
				got := eval[look](b, `(() => {
					const light = (color) => color.match(/\d+/g).slice(0, 3).reduce((sum, c) => sum + Number(c), 0);
					const style = getComputedStyle(document.body);
					return {
						Width: document.documentElement.scrollWidth,
						Sideways: [...document.querySelectorAll("h1, p, table, th, td, a, bdi, footer")].filter((e) =>
							!e.closest(".skip") && (e.scrollWidth > e.clientWidth && e.clientWidth > 0 ||
							e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0)).map((e) => e.outerHTML.slice(0, 100)),
						Style: style.backgroundColor != "rgba(0, 0, 0, 0)",
						Dark: light(style.color) > light(style.backgroundColor),
						Title: document.title,
					};
				})()`)
				path, _, _ := strings.Cut(target, "?")
				want := look{v.width, []string{}, true, v.scheme == "dark", "Index of " + strings.ReplaceAll(path, "%20", " ")}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// On a phone the whole row is a link, so that the name need not be hit exactly. On a wide
// screen sizes and times can be selected.
func TestListingTapTargets(t *testing.T) {
	for width, want := range map[int64][]string{360: {"A", "A", "A"}, 1280: {"A", "DATA", "TIME"}} {
		b := open(t, view{"light", width}, site(t)...)
		b.goTo("/pub/images/")
		got := eval[[]string](b, `["a", "data", "time"].map((tag) => {
			const row = [...document.querySelectorAll("tbody tr")].find((row) => row.innerText.includes("notes.txt"));
			const box = row.querySelector(tag).getBoundingClientRect();
			return document.elementFromPoint(box.right - 2, box.top + box.height / 2).tagName;
		})`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("elements hit by a click on the name, size and time at %d pixels (-want +got):\n%s", width, diff)
		}
	}
}

// The icons of the kinds differ in more than color and corners. (Documents look like text.)
func TestListingIcons(t *testing.T) {
	names := []string{"folder/", "image.png", "video.mp4", "audio.mp3", "text.txt", "archive.zip", "code.js", "other"}
	var files []file
	for _, name := range names {
		files = append(files, file{name: name})
	}
	b := open(t, views[0], rawhttp.WithRoot(folder(t, append(files, file{name: "favicon.ico"})...)), rawhttp.WithListing(rawhttp.ListHTML))
	b.goTo("/")
	shapes := eval[map[string]string](b, `Object.fromEntries([...document.querySelectorAll("td a")].map((a) => {
		const s = getComputedStyle(a, "::before");
		return [a.textContent, [s.width, s.height, s.backgroundImage.replaceAll(/rgba?\([^)]*\)/g, ""), s.backgroundSize].join(" ")];
	}))`)
	of := make(map[string]string) // the name for each shape
	for _, name := range names {
		shape := shapes[name]
		if other, taken := of[shape]; shape == "" || taken {
			t.Errorf("%s and %s have the same icon: %q", name, other, shape)
		}
		of[shape] = name
	}
}

// A printed page has the names, sizes and times, dark on light in every color scheme, and
// nothing that is only useful on a screen. It fits the width of A4.
func TestListingPrints(t *testing.T) {
	b := open(t, view{"dark", 718}, site(t)...)
	b.goTo("/pub/images/")
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	if *screenshots != "" {
		pdf := call(b, page.PrintToPDF, page.PrintToPDFParams{})
		if err := os.WriteFile(filepath.Join(*screenshots, "print.pdf"), pdf.Data, 0o644); err != nil {
			t.Error(err)
		}
	}
	type paper struct {
		Shown, Hidden []string // elements that are visible, and hidden
		Mark          string   // before a name
		Text          string   // the color of the names
		Width         int64
	}
	got := eval[paper](b, `(() => {
		const seen = (shown) => ["h1", "header p", "thead", "tbody", "footer", ".skip"].filter((s) =>
			(getComputedStyle(document.querySelector(s)).display != "none") == shown);
		return {
			Shown: seen(true), Hidden: seen(false),
			Mark: getComputedStyle(document.querySelector("td a"), "::before").display,
			Text: getComputedStyle(document.body).color,
			Width: document.documentElement.scrollWidth,
		};
	})()`)
	want := paper{[]string{"h1", "header p", "thead", "tbody"}, []string{"footer", ".skip"}, "none", "rgb(27, 31, 36)", 718}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("printed page (-want +got):\n%s", diff)
	}
}

// The policy of the page blocks scripts, styles and images that are added to it.
func TestListingPolicyIsInForce(t *testing.T) {
	b := open(t, views[0], rawhttp.WithRoot(folder(t, file{name: "favicon.ico"})), rawhttp.WithListing(rawhttp.ListHTML))
	b.goTo("/")
	got := eval[[]string](b, `new Promise((resolve) => {
		const seen = [];
		document.addEventListener("securitypolicyviolation", (e) => {
			seen.push(e.effectiveDirective);
			if (seen.length == 3) resolve(seen.sort());
		});
		const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
		add("script", { textContent: "document.title = 'owned'" });
		add("style", { textContent: "body { display: none }" });
		add("img", { src: "http://127.0.0.2/" });
	})`)
	if diff := cmp.Diff([]string{"img-src", "script-src-elem", "style-src-elem"}, got); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
	if title := eval[string](b, "document.title"); title != "Index of /" {
		t.Errorf("the title is %q: a script has run", title)
	}
	if display := eval[string](b, "getComputedStyle(document.body).display"); display != "block" {
		t.Errorf("another style is applied: display %s", display)
	}
	b.messages = 3
}

// rows is an expression for the names in the table, from the top.
const rows = `[...document.querySelectorAll("tbody tr")].map((row) => row.querySelector("a").textContent)`

// A click on the header of a column sorts by it, and another click reverses the order.
func TestListingSortsByClick(t *testing.T) {
	const (
		up         = "Parent folder|old/|previous/|raw 2026/|"
		byNameUp   = up + "a?b.png|empty.txt|latest.svg|logo.svg|notes.txt|sunset over the harbour.jpg"
		byNameDown = "Parent folder|raw 2026/|previous/|old/|sunset over the harbour.jpg|notes.txt|logo.svg|latest.svg|empty.txt|a?b.png"
		bySizeUp   = up + "empty.txt|notes.txt|latest.svg|logo.svg|a?b.png|sunset over the harbour.jpg"
		bySizeDown = up + "sunset over the harbour.jpg|a?b.png|latest.svg|logo.svg|notes.txt|empty.txt"
		byTimeUp   = up + "sunset over the harbour.jpg|latest.svg|logo.svg|a?b.png|notes.txt|empty.txt"
		byTimeDown = "Parent folder|raw 2026/|old/|previous/|empty.txt|notes.txt|a?b.png|latest.svg|logo.svg|sunset over the harbour.jpg"
	)
	for _, v := range []view{views[0], views[3]} {
		t.Run(fmt.Sprint(v.width), func(t *testing.T) {
			b := open(t, v, site(t)...)
			b.goTo("/pub/images/")
			type state struct{ Rows, Sorted, Order string }
			check := func(what string, want state) {
				t.Helper()
				got := eval[state](b, `({
					Rows: `+rows+`.join("|"),
					Sorted: [...document.querySelectorAll("thead a")].map((e) => [e, getComputedStyle(e, "::after").content.split('"')[1]])
						.filter(([_, arrow]) => arrow).map(([e, arrow]) => e.innerText + " " + arrow).join("|"),
					Order: document.querySelector("th[aria-sort]").getAttribute("aria-sort"),
				})`)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			check("at first", state{byNameUp, "Name ↑", "ascending"})
			for _, step := range []struct {
				column int
				want   state
			}{
				{1, state{byNameDown, "Name ↓", "descending"}},
				{1, state{byNameUp, "Name ↑", "ascending"}},
				{2, state{bySizeDown, "Size ↓", "descending"}},
				{2, state{bySizeUp, "Size ↑", "ascending"}},
				{2, state{bySizeDown, "Size ↓", "descending"}},
				{3, state{byTimeDown, "Modified (UTC) ↓", "descending"}},
				{3, state{byTimeUp, "Modified (UTC) ↑", "ascending"}},
				{1, state{byNameUp, "Name ↑", "ascending"}},
			} {
				b.load(chromedp.Click(chromedp.CSS(fmt.Sprintf("thead th:nth-child(%d) a", step.column))))
				check(fmt.Sprintf("after a click on column %d", step.column), step.want)
			}
		})
	}
}

// focused describes the element that has the focus, and whether the focus is visible.
type focused struct {
	Text    string
	Visible bool // in the window, and not covered
	Outline bool // marked by an outline that differs from the background
}

// focus returns the element that has the focus.
func (b *tab) focus() focused {
	b.Helper()
	return eval[focused](b, `(() => {
		const e = document.activeElement, box = e.getClientRects()[0], style = getComputedStyle(e);
		const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
		return {
			Text: e.innerText.trim(),
			Visible: box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight && top != null && (e.contains(top) || top.contains(e) && top != document.body),
			Outline: style.outlineStyle == "solid" && parseFloat(style.outlineWidth) >= 2 && style.outlineColor != getComputedStyle(document.body).backgroundColor,
		};
	})()`)
}

// tabTo presses Tab until the link with the text has the focus, at most n times.
// The focus must be visible on every element on the way.
func (b *tab) tabTo(text string, n int) {
	b.Helper()
	for range n {
		b.do(chromedp.KeyEvent(kb.Tab))
		f := b.focus()
		if !f.Visible || !f.Outline {
			b.Errorf("the focus is not visible: %+v", f)
		}
		if f.Text == text {
			return
		}
	}
	b.Fatalf("%q is not reached by pressing Tab %d times; the focus is on %+v", text, n, b.focus())
}

// Using only the keyboard: past the breadcrumbs, into a folder, to a file in
// a long list, and back.
func TestListingByKeyboard(t *testing.T) {
	for _, v := range views {
		t.Run(fmt.Sprint(v.scheme, " ", v.width), func(t *testing.T) {
			b := open(t, v, site(t)...)
			at := func(want string) {
				t.Helper()
				if got := strings.TrimPrefix(eval[string](b, "location.href"), b.origin); got != want {
					t.Fatalf("the page is %s, want %s", got, want)
				}
			}
			b.goTo("/pub/images/")
			b.tabTo("Skip to files", 1)
			b.do(chromedp.KeyEvent(kb.Enter))
			at("/pub/images/#files")
			b.tabTo("Name", 1) // skips the breadcrumbs
			b.tabTo("Parent folder", 3)
			b.tabTo("old/", 1)
			b.load(chromedp.KeyEvent(kb.Enter))
			at("/pub/images/old/")
			b.tabTo("site", 2)
			b.tabTo("images", 2)
			b.load(chromedp.KeyEvent(kb.Enter))
			at("/pub/images/")
			b.tabTo("pub", 3)
			b.load(chromedp.KeyEvent(kb.Enter))
			at("/pub/")
			b.tabTo("images/", 8)
			b.load(chromedp.KeyEvent(kb.Enter))
			at("/pub/images/")
			b.tabTo("Size", 6)
			b.load(chromedp.KeyEvent(kb.Enter))
			at("/pub/images/?sort=size&order=desc")

			b.goTo("/many/")
			b.tabTo("file-040.log", 60) // below the end of the window, so it scrolls
			for range 45 {              // and back up: the sticky header hides nothing
				b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(kb.ModifierShift)))
				if f := b.focus(); !f.Visible || !f.Outline {
					t.Errorf("backwards, the focus is not visible: %+v", f)
				}
			}
		})
	}
}

// Tab follows the order of the markup, and stops only at links.
func TestListingTabOrder(t *testing.T) {
	b := open(t, views[2], site(t)...)
	for _, target := range []string{"/pub/images/", "/empty/", "/nasty/"} {
		b.goTo(target)
		want := eval[[]string](b, `[...document.querySelectorAll("a")].map((e) => e.href)`)
		var got []string
		for range want {
			b.do(chromedp.KeyEvent(kb.Tab))
			got = append(got, eval[string](b, `document.activeElement.href ?? document.activeElement.outerHTML`))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: order of Tab (-markup +got):\n%s", target, diff)
		}
	}
}

// The browser resolves each link to its file: it requests exactly those
// bytes.
func TestListingLinksInABrowser(t *testing.T) {
	b := open(t, views[2], site(t)...)
	for target, slash := range map[string]string{"/nasty/": "", "/nasty/folders/": "/"} {
		b.goTo(target)
		links := eval[[]string](b, `[...document.querySelectorAll("tbody a")].map((a) => a.href)`)
		got := make(map[string]bool)
		for _, link := range links[1:] { // after the parent
			rest, inside := strings.CutPrefix(link, b.origin+target)
			name, err := url.PathUnescape(rest)
			if !inside || err != nil || strings.ContainsAny(rest, "?#") || strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
				t.Errorf("a link of %s leads to %s, want a file or folder below it", target, link)
			}
			got[name] = true
		}
		want := make(map[string]bool)
		for _, name := range nasty {
			want[name+slash] = true
		}
		if slash == "" {
			want["folders/"] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("names that the links of %s lead to, as the browser resolves them (-want +got):\n%s", target, diff)
		}
	}
	b.goTo("/nasty/folders/")
	for i := range nasty { // and the link works
		b.load(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("tbody tr:nth-child(%d) a").click()`, i+2)))
		if caption := eval[string](b, `document.querySelector("main p").textContent`); caption != "This folder is empty." {
			t.Errorf("page of link %d: %q, want an empty folder", i, caption)
		}
		b.load(chromedp.Evaluate[chromedp.Void](`document.querySelector("main p a").click()`)) // the parent
	}
}

// The table is a table for screen readers, also on narrow screens, where it
// is not laid out as one.
func TestListingIsATable(t *testing.T) {
	for _, v := range []view{views[0], views[2]} {
		t.Run(fmt.Sprint(v.width), func(t *testing.T) {
			b := open(t, v, site(t)...)
			b.goTo("/pub/images/")
			roles := make(map[string]int)
			for _, node := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
				if !node.Ignored && node.Role != nil {
					roles[strings.Trim(string(node.Role.Value), `"`)]++
				}
			}
			got := make(map[string]int)
			for _, role := range []string{"navigation", "main", "heading", "table", "caption", "row", "columnheader", "rowheader", "cell", "time"} {
				got[role] = roles[role]
			}
			want := map[string]int{"navigation": 1, "main": 1, "heading": 1, "table": 1, "caption": 1, "row": 11, "columnheader": 3, "rowheader": 0, "cell": 30, "time": 9}
			if v.width < 640 {
				want["cell"] = 28 // without the empty cells of the parent
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("roles (-want +got):\n%s\nall: %v", diff, roles)
			}
		})
	}
}
