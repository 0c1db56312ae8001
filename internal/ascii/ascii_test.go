package ascii

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIsToken(t *testing.T) {
	// RFC 9110, section 5.6.2.
	const tchars = "!#$%&'*+-.^_`|~" + "0123456789" + "abcdefghijklmnopqrstuvwxyz" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		want := bytes.IndexByte([]byte(tchars), byte(c)) >= 0
		if IsTchar[c] != want {
			t.Errorf("IsTchar[%q] = %t, want %t", byte(c), IsTchar[c], want)
		}
		for _, s := range [][]byte{{byte(c)}, {'a', byte(c)}, {byte(c), 'a'}, {'a', 'b', byte(c), 'd'}} {
			if IsToken(s) != want || IsToken(string(s)) != want {
				t.Errorf("IsToken(%q) = %t, want %t", s, IsToken(s), want)
			}
		}
	}
	if IsToken("") || IsToken([]byte(nil)) {
		t.Error("IsToken(\"\") = true, want false")
	}
	if !IsToken(tchars) {
		t.Errorf("IsToken(%q) = false, want true", tchars)
	}
}

func TestIsRegName(t *testing.T) {
	// RFC 3986, sections 2.2 and 2.3.
	const want = "-._~" + "!$&'()*+,;=" + "0123456789" + "abcdefghijklmnopqrstuvwxyz" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		if want := strings.IndexByte(want, byte(c)) >= 0; IsRegName[c] != want {
			t.Errorf("IsRegName[%q] = %t, want %t", byte(c), IsRegName[c], want)
		}
	}
}

func TestIsFieldValue(t *testing.T) {
	for c := range 256 {
		want := c >= ' ' && c != 0x7f || c == '\t'
		if s := "a" + string([]byte{byte(c)}) + "b"; IsFieldValue(s) != want {
			t.Errorf("IsFieldValue(%q) = %t, want %t", s, !want, want)
		}
		atEnds := want && c != ' ' && c != '\t'
		for _, s := range []string{string([]byte{byte(c)}), string([]byte{byte(c), 'a'}), string([]byte{'a', byte(c)})} {
			if IsFieldValue(s) != atEnds {
				t.Errorf("IsFieldValue(%q) = %t, want %t", s, !atEnds, atEnds)
			}
		}
	}
	if !IsFieldValue("") {
		t.Error(`IsFieldValue("") = false: a field value may be empty (RFC 9110, section 5.5)`)
	}
}

func TestVisible(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"GET /é 日本", "GET /é 日本"},
		{"\x1b[2J\r\n\t\x7f\xff", `\x1b[2J\x0d\x0a\x09\x7f\xff`},
		{"a\u202eb\u2028\u00a0\U000e0001", `a\u202eb\u2028\u00a0\U000e0001`},
		// Letters and marks that are displayed as nothing.
		{"a\u3164b\u115f\ufe0f\u034f\U000e0100", `a\u3164b\u115f\ufe0f\u034f\U000e0100`},
	} {
		if got := Visible(tt.in); got != tt.want {
			t.Errorf("Visible(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestIsVisible(t *testing.T) {
	for c := range 256 {
		want := c >= '!' && c <= '~' // VCHAR (RFC 5234, appendix B.1)
		for _, s := range []string{string([]byte{byte(c)}), string([]byte{byte(c), 'a'}), string([]byte{'a', byte(c)})} {
			if IsVisible(s) != want {
				t.Errorf("IsVisible(%q) = %t, want %t", s, !want, want)
			}
		}
	}
	if IsVisible("") {
		t.Error(`IsVisible("") = true, want false`)
	}
}

func TestByteClasses(t *testing.T) {
	for i := range 256 {
		c := byte(i)
		type class struct {
			Digit, Alpha, Blank bool
			Hex                 int
			Lower               byte
		}
		want := class{
			Digit: strings.IndexByte("0123456789", c) >= 0,
			Alpha: strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c) >= 0,
			Blank: c == ' ' || c == '\t',
			Hex:   strings.IndexByte("0123456789abcdef", c),
			Lower: c,
		}
		if n := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ", c); n >= 0 {
			want.Lower = "abcdefghijklmnopqrstuvwxyz"[n]
		}
		if n := strings.IndexByte("ABCDEF", c); n >= 0 {
			want.Hex = 10 + n
		}
		got := class{IsDigit(c), IsAlpha(c), IsBlank(c), Unhex(c), Lower(c)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("classes of %q (-want +got):\n%s", c, diff)
		}
	}
}

func TestEqualFold(t *testing.T) {
	for i := range 256 {
		for j := range 256 {
			a, b := byte(i), byte(j)
			want := a == b || IsAlpha(a) && IsAlpha(b) && a|0x20 == b|0x20
			s, u := string([]byte{'x', a}), []byte{'X', b}
			if EqualFold(s, u) != want {
				t.Errorf("EqualFold(%q, %q) = %t, want %t", s, u, !want, want)
			}
		}
	}
	for _, tt := range []struct {
		s, t string
		want bool
	}{
		{"", "", true},
		{"Host", "hOST", true},
		{"Host", "Hos", false},
		{"Host", "Hosts", false},
		{"", "a", false},
		{"k", "\u212a", false},    // the Kelvin sign
		{"s", "\u017f", false},    // the long s
		{"\u00e4", "\xc4", false}, // a with diaeresis in UTF-8 and in Latin-1
		{"\u00e4", "\u00c4", false},
		{"aaK", "aa\u212a", false},
	} {
		if got := EqualFold(tt.s, tt.t); got != tt.want {
			t.Errorf("EqualFold(%q, %q) = %t, want %t", tt.s, tt.t, got, tt.want)
		}
	}
}

// An asciiScan is a scan that examines eight bytes at a time.
type asciiScan struct {
	name  string
	skip  func(b []byte, i int) int
	pass  func(c byte) bool // whether the scan passes the byte
	fills []byte            // bytes that it passes, next to those that stop it
}

var asciiScans = []asciiScan{
	{"SkipFieldValue", SkipFieldValue, func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }, []byte{'a', ' ', '\t', '~', 0x80, 0xff}},
	{"SkipTarget", SkipTarget, func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' }, []byte{'a', '!', '~', '"', '$'}},
}

func TestSkipEveryByteAtEveryPosition(t *testing.T) {
	for _, scan := range asciiScans {
		for _, fill := range scan.fills {
			for n := range 19 {
				b := bytes.Repeat([]byte{fill}, n)
				for pos := range n {
					for c := range 256 {
						b[pos] = byte(c)
						scan.check(t, b, 0)
					}
					b[pos] = fill
				}
			}
		}
	}
}

// Two bytes in one word: the first byte that stops a scan counts, even if
// borrowing could affect the next.
func TestSkipPairs(t *testing.T) {
	for _, scan := range asciiScans {
		b := bytes.Repeat([]byte("a"), 12)
		for pos := range len(b) - 1 {
			for c := range 256 {
				for d := range 256 {
					b[pos], b[pos+1] = byte(c), byte(d)
					scan.check(t, b, 0)
				}
			}
			b[pos], b[pos+1] = 'a', 'a'
		}
	}
}

func TestSkipRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 64))
	for range 100_000 {
		b := make([]byte, random.IntN(40))
		for i := range b {
			switch random.IntN(16) {
			case 0:
				b[i] = byte(random.IntN(256))
			case 1:
				b[i] = '\t'
			default:
				b[i] = byte('!' + random.IntN('~'-'!'))
			}
		}
		for _, scan := range asciiScans {
			scan.check(t, b, random.IntN(len(b)+1))
		}
	}
}

// check compares the result of the scan with that of a loop over single bytes.
func (scan asciiScan) check(t *testing.T, b []byte, from int) {
	want := from
	for want < len(b) && scan.pass(b[want]) {
		want++
	}
	if got := scan.skip(b, from); got != want {
		t.Helper()
		t.Fatalf("%s(%q, %d) = %d, want %d", scan.name, b, from, got, want)
	}
}

func TestNextMember(t *testing.T) {
	tests := []struct {
		list string
		want []string
		why  string
	}{
		{"", []string{""}, "one empty member"},
		{"a", []string{"a"}, ""},
		{"a,b", []string{"a", "b"}, ""},
		{" \ta \t,\t b ", []string{"a", "b"}, "OWS is trimmed"},
		{"a,", []string{"a", ""}, "a comma is followed by a member, which may be empty"},
		{",a", []string{"", "a"}, ""},
		{" , ,", []string{"", "", ""}, ""},
		{"a b,c", []string{"a b", "c"}, ""},
		{`"a,b",c`, []string{`"a,b"`, "c"}, "commas in a quoted string are not separators (RFC 9110, section 5.6.4)"},
		{`x="a,b";y,c`, []string{`x="a,b";y`, "c"}, ""},
		{`"a\",b",c`, []string{`"a\",b"`, "c"}, "a quoted-pair does not end a quoted string"},
		{`"a\\",b`, []string{`"a\\"`, "b"}, "a quoted backslash quotes nothing"},
		{`a\,b`, []string{`a\`, "b"}, "outside a quoted string a backslash has no meaning"},
		{`a\",b,c"`, []string{`a\",b,c"`}, "outside a quoted string a backslash has no meaning"},
		{`"",a`, []string{`""`, "a"}, ""},
		{`"a,b`, []string{`"a,b`}, "an unterminated quoted string extends to the end"},
		{`"a\`, []string{`"a\`}, "a backslash at the end quotes nothing"},
		{`" a "`, []string{`" a "`}, "blanks in a quoted string are kept"},
		{"\x80,\xff", []string{"\x80", "\xff"}, ""},
		{"\va,\x00", []string{"\va", "\x00"}, "only SP and HTAB are blanks"},
	}
	for _, tt := range tests {
		var got, gotBytes []string
		for list, more := tt.list, true; more; {
			var m string
			m, list, more = NextMember(list)
			got = append(got, m)
		}
		for list, more := []byte(tt.list), true; more; {
			var m []byte
			m, list, more = NextMember(list)
			gotBytes = append(gotBytes, string(m))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("members of %q (-want +got):\n%s\nwhy: %s", tt.list, diff, tt.why)
		}
		if diff := cmp.Diff(got, gotBytes); diff != "" {
			t.Errorf("members of %q (-string +bytes):\n%s", tt.list, diff)
		}
	}
}

func TestHasMember(t *testing.T) {
	for _, tt := range []struct {
		list, token string
		want        bool
	}{
		{"close", "close", true},
		{"CLOSE", "close", true},
		{"a, b ,\tClose", "close", true},
		{"a,close,b", "close", true},
		{"closed", "close", false},
		{"a close", "close", false},
		{`"close"`, "close", false},
		{`"a, close"`, "close", false},
		{`"a", close`, "close", true},
		{"", "close", false},
		{",,", "close", false},
	} {
		if got := HasMember(tt.list, tt.token); got != tt.want {
			t.Errorf("HasMember(%q, %q) = %t, want %t", tt.list, tt.token, got, tt.want)
		}
	}
}

func TestTrimBlanks(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " ": "", "\t \t": "", "a": "a", " a": "a", "a\t": "a", "\t a b \t": "a b", "\r\na\r\n": "\r\na\r\n", "\u00a0a": "\u00a0a", "\va\f": "\va\f",
	} {
		if got := TrimBlanks(in); got != want {
			t.Errorf("TrimBlanks(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsEntityTag(t *testing.T) {
	for s, want := range map[string]bool{
		`""`: true, `"a"`: true, `W/""`: true, `W/"a"`: true, `"!#$%&'()*+,-./09:;<=>?@AZ[\]^_az{|}~"`: true, "\"\x80\xff\"": true, `"W/"`: true,
		``: false, `a`: false, `"`: false, `W/`: false, `W/"`: false, `w/"a"`: false, `W"a"`: false, `/"a"`: false, `W/W/"a"`: false,
		`"a`: false, `a"`: false, `"a"b`: false, `"a""b"`: false, ` "a"`: false, `"a" `: false, `"a b"`: false, "\"a\tb\"": false,
		"\"a\x00\"": false, "\"a\x7f\"": false, "\"a\r\nb\"": false, `*`: false, `"a", "b"`: false,
	} {
		if got := IsEntityTag(s); got != want {
			t.Errorf("IsEntityTag(%q) = %v, want %v", s, got, want)
		}
	}
}
