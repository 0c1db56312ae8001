package rawhttp

import (
	"strings"
	"testing"

	"example.com/rawhttp/internal/wire"
)

// negotiateHeader returns a header section with a field line for each value.
func negotiateHeader(t testing.TB, name string, values ...string) Header {
	t.Helper()
	head := "GET / HTTP/1.1\r\nHost: a\r\nX-Other: text/html, br\r\n"
	for _, v := range values {
		head += name + ": " + v + "\r\n"
	}
	return requestOf(t, head+"\r\n").Header()
}

// RFC 9110, section 12.4.2: weights are in thousandths; -1 means invalid. Weights that have too
// few or too many digits are accepted, since their meaning is clear.
func TestQuality(t *testing.T) {
	for s, want := range map[string]int{
		"0": 0, "1": 1000, "0.": 0, "1.": 1000, "0.0": 0, "1.0": 1000, "1.00": 1000, "1.000": 1000, "0.000": 0,
		"0.5": 500, "0.8": 800, "0.05": 50, "0.25": 250, "0.125": 125, "0.001": 1, "0.999": 999,
		".5": 500, ".25": 250, ".0": 0, "0.0000": 0, "0.1234": 123, "0.9999": 999, "1.0000": 1000, "0.0001": 1, "0.00001": 1, "0.00010001": 1, "0.3333333333333333333333": 333,
		"": -1, ".": -1, "2": -1, "10": -1, "00": -1, "01": -1, "1.001": -1, "1.1": -1, "1.5": -1, "9": -1,
		"1.0001": -1, ".5.": -1, "0..5": -1, "..5": -1, "-.5": -1, "-0": -1, "-1": -1, "+1": -1, "0,5": -1, "0.5 ": -1, " 0.5": -1, "0. 5": -1, "0.-5": -1,
		"1e0": -1, "0x1": -1, "a": -1, "0.a": -1, "0.5a": -1, "½": -1, `"1"`: -1, "NaN": -1, "\x00": -1,
	} {
		if got := parseQuality(s); got != want {
			t.Errorf("parseQuality(%q) = %d, want %d", s, got, want)
		}
	}
}

// RFC 9110, section 12.5.1: the weight is that of the most specific range that matches.
func TestAcceptMedia(t *testing.T) {
	example := []string{"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"} // of RFC 9110
	tests := []struct {
		name   string
		values []string
		want   map[string]int
		why    string
	}{
		{"no Accept", nil, map[string]int{"text/html": -1}, "any media type is acceptable"},
		{"nothing accepted", []string{""}, map[string]int{"text/html": 0}, ""},
		{"by name", []string{"text/html"}, map[string]int{"text/html": 1000, "text/plain": 0}, ""},
		{"in any case", []string{"TEXT/Html;Q=0.5"}, map[string]int{"text/html": 500}, "RFC 9110, section 8.3.1"},
		{"all subtypes", []string{"text/*"}, map[string]int{"text/html": 1000, "text/plain": 1000, "application/json": 0}, ""},
		{"all", []string{"*/*"}, map[string]int{"text/html": 1000, "application/json": 1000}, ""},
		{"with weights", []string{"text/html;q=0.2, text/plain;q=0.4"}, map[string]int{"text/html": 200, "text/plain": 400}, ""},
		{"with blanks", []string{" text/html \t;\t q=0.2 ,\ttext/plain ; q=0.4 "}, map[string]int{"text/html": 200, "text/plain": 400}, ""},
		{"with empty members", []string{",, text/html;q=0.2,,"}, map[string]int{"text/html": 200}, "RFC 9110, section 5.6.1.2"},
		{"specific after general", []string{"*/*;q=0.9, text/*;q=0.5, text/html;q=0.1"}, map[string]int{"text/html": 100, "text/plain": 500, "application/json": 900}, ""},
		{"specific before general", []string{"text/html;q=0.1, text/*;q=0.5, */*;q=0.9"}, map[string]int{"text/html": 100, "text/plain": 500, "application/json": 900}, ""},
		{"refused by name", []string{"text/html;q=0, */*"}, map[string]int{"text/html": 0, "text/plain": 1000}, ""},
		{"all but a type", []string{"*/*, text/*;q=0"}, map[string]int{"text/html": 0, "application/json": 1000}, ""},
		{"two lines", []string{"text/html;q=0.2", "text/plain;q=0.4, */*;q=0.1"}, map[string]int{"text/html": 200, "text/plain": 400, "application/json": 100}, "several field lines form one list"},
		{"the RFC's example", example, map[string]int{"text/plain": 700, "text/html": 300, "image/jpeg": 500}, ""},
		{"parameter that our type does not have", []string{"text/html;level=1;q=0.3, text/html;q=0.7"}, map[string]int{"text/html": 700}, "the weight 0.3 is for level=1, not for HTML in general"},
		{"only with a parameter", []string{"application/json;profile=x"}, map[string]int{"application/json": 0}, ""},
		{"parameter that our type has", []string{"text/html; charset=UTF-8; q=0.3"}, map[string]int{"text/html": 300}, ""},
		{"parameter in quotes", []string{`text/html;a="x,text/plain;q=1";q=0.3, text/plain;q=0.2`}, map[string]int{"text/plain": 200}, "quoted text is not a list member"},
		{"quoted pair in quotes", []string{`text/html;a="\",text/plain;q=1";q=0.3, text/plain;q=0.2`}, map[string]int{"text/plain": 200}, "quoted text is not a list member"},
		{"parameter after the weight", []string{"text/html;q=0.3;x=1"}, map[string]int{"text/html": 300}, "an accept extension, RFC 7231, section 5.3.2"},
		{"invalid weight", []string{"text/html;q=high, text/plain;q=1.5, image/gif;q=, image/png;q=-1"},
			map[string]int{"text/html": 0, "text/plain": 0, "image/gif": 0, "image/png": 0}, "a member that cannot be understood is ignored"},
		{"blanks around the equals sign", []string{"text/html; q = 0.2, text/plain;q= 0, image/gif;q\t=\t0.4, */*"},
			map[string]int{"text/html": 200, "text/plain": 0, "image/gif": 400}, "not valid, but the meaning is clear"},
		{"quotes around the weight", []string{`text/html;q="0.2", text/plain;q="0", */*`}, map[string]int{"text/html": 200, "text/plain": 0}, "not valid, but the meaning is clear"},
		{"empty parameters", []string{"text/html;;q=0.2, text/plain; ;; q=0.3;, image/gif;, */*;q=0.1"},
			map[string]int{"text/html": 200, "text/plain": 300, "image/gif": 1000}, "parameters = *( OWS \";\" OWS [ parameter ] ), RFC 9110, section 5.6.6"},
		{"parameter that our type has, in quotes", []string{`text/html;charset="utf-8";q=0.3, */*;q=0.1`}, map[string]int{"text/html": 300}, "\"equivalent\", RFC 9110, section 5.6.6"},
		{"another charset", []string{"text/html;charset=latin1, */*;q=0.1"}, map[string]int{"text/html": 100}, ""},
		{"Java", []string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, map[string]int{"text/html": 1000, "text/plain": 200, "application/json": 200}, "what its HttpURLConnection sends"},
		{"parameter whose name ends in q", []string{"text/html;xq=0, */*;q=0.1"}, map[string]int{"text/html": 100}, ""},
		{"part of a name", []string{"text/htm, text/htmls, ext/html, text"}, map[string]int{"text/html": 0}, ""},
		{"a star in place of the type", []string{"*/html, *, text*"}, map[string]int{"text/html": 0}, "not media ranges"},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
			map[string]int{"text/html": 1000, "text/plain": 800, "application/json": 800}, ""},
	}
	for _, tt := range tests {
		for mediaType, want := range tt.want {
			if got := acceptMedia(negotiateHeader(t, "Accept", tt.values...), mediaType); got != want {
				t.Errorf("%s: acceptMedia(Accept: %q, %s) = %d, want %d\nwhy: %s", tt.name, tt.values, mediaType, got, want, tt.why)
			}
		}
	}
}

// RFC 9110, section 12.5.3. The weight of identity is 1 if the list does not name it: it is
// acceptable, but less preferred than the codings named.
func TestAcceptCoding(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   map[string]int
		why    string
	}{
		{"no Accept-Encoding", nil, map[string]int{"gzip": 0, "br": 0, "identity": 1}, "any coding is allowed, but few clients without the field can decode one"},
		{"nothing accepted", []string{""}, map[string]int{"gzip": 0, "identity": 1}, "no coding is acceptable"},
		{"by name", []string{"gzip"}, map[string]int{"gzip": 1000, "br": 0, "identity": 1}, ""},
		{"in any case", []string{"GZip;Q=0.5"}, map[string]int{"gzip": 500}, "content codings are case-insensitive, RFC 9110, section 8.4.1"},
		{"list", []string{"gzip, deflate, br, zstd"}, map[string]int{"gzip": 1000, "br": 1000, "zstd": 1000, "identity": 1}, "what browsers send"},
		{"list with weights", []string{"br;q=0.9 ,\tgzip; q=0.8,identity;q=0.1"}, map[string]int{"br": 900, "gzip": 800, "identity": 100}, ""},
		{"refused", []string{"gzip;q=0, br"}, map[string]int{"gzip": 0, "br": 1000, "identity": 1}, ""},
		{"identity refused", []string{"gzip, identity;q=0"}, map[string]int{"gzip": 1000, "identity": 0}, ""},
		{"identity refused, nothing else", []string{"identity;q=0"}, map[string]int{"gzip": 0, "identity": 0}, ""},
		{"identity", []string{"identity"}, map[string]int{"gzip": 0, "identity": 1000}, ""},
		{"identity preferred", []string{"gzip;q=0.2, identity;q=0.8"}, map[string]int{"gzip": 200, "identity": 800}, ""},
		{"all", []string{"*"}, map[string]int{"gzip": 1000, "br": 1000, "identity": 1}, ""},
		{"all, with a weight", []string{"*;q=0.4"}, map[string]int{"gzip": 400, "identity": 1}, ""},
		{"all others", []string{"gzip;q=0.5, *;q=0.1"}, map[string]int{"gzip": 500, "br": 100, "identity": 1}, ""},
		{"all others, first", []string{"*;q=0.1, gzip;q=0.5"}, map[string]int{"gzip": 500, "br": 100}, ""},
		{"none of the others", []string{"gzip, *;q=0"}, map[string]int{"gzip": 1000, "br": 0, "identity": 0}, "\"*;q=0\" without identity refuses it"},
		{"none of the others, first", []string{"*;q=0, gzip"}, map[string]int{"gzip": 1000, "br": 0, "identity": 0}, ""},
		{"none of the others but identity", []string{"identity;q=0.5, *;q=0"}, map[string]int{"gzip": 0, "identity": 500}, ""},
		{"none of the others but identity, first", []string{"*;q=0, identity;q=0.5"}, map[string]int{"gzip": 0, "identity": 500}, ""},
		{"none", []string{"*;q=0"}, map[string]int{"gzip": 0, "identity": 0}, ""},
		{"all but one", []string{"gzip;q=0, *"}, map[string]int{"gzip": 0, "br": 1000}, ""},
		{"two lines", []string{"gzip;q=0.2", "br;q=0.4"}, map[string]int{"gzip": 200, "br": 400}, "several field lines form one list"},
		{"refused on the second line", []string{"*", "gzip;q=0"}, map[string]int{"gzip": 0, "br": 1000}, ""},
		{"empty members", []string{", ,gzip,,"}, map[string]int{"gzip": 1000, "br": 0}, "RFC 9110, section 5.6.1.2"},
		{"invalid weight", []string{"gzip;q=x, br;q=, zstd;q=1.001"}, map[string]int{"gzip": 0, "br": 0, "zstd": 0, "identity": 1}, "an invalid member is ignored"},
		{"blanks around the equals sign", []string{"gzip; q = 0, br;q =0.5, zstd;\tq=\t0.3"}, map[string]int{"gzip": 0, "br": 500, "zstd": 300}, "not valid, but the meaning is clear"},
		{"blanks around the semicolon", []string{"gzip ; q=0 , br\t;\tq=0.5"}, map[string]int{"gzip": 0, "br": 500}, "weight = OWS \";\" OWS \"q=\" qvalue"},
		{"identity and all others, with blanks", []string{"gzip, identity ; q = 0"}, map[string]int{"gzip": 1000, "identity": 0}, ""},
		{"all, refused with blanks", []string{"gzip, * ; Q = 0.000"}, map[string]int{"gzip": 1000, "br": 0, "identity": 0}, ""},
		{"quotes around the weight", []string{`gzip;q="0", br;q="0.5"`}, map[string]int{"gzip": 0, "br": 500}, "not valid, but the meaning is clear"},
		{"empty parameters", []string{"gzip;;q=0, br; ; q=0.5;"}, map[string]int{"gzip": 0, "br": 500}, ""},
		{"a parameter before the weight", []string{"gzip;level=9;q=0"}, map[string]int{"gzip": 0}, ""},
		{"no digit before the point", []string{"gzip;q=.5, identity;q=.0"}, map[string]int{"gzip": 500, "identity": 0}, ""},
		{"too many digits", []string{"gzip;q=0.33333, br;q=0.0000001, identity;q=0.0000"}, map[string]int{"gzip": 333, "br": 1, "identity": 0}, "a low weight is not a refusal"},
		{"least weight", []string{"gzip;q=0.001"}, map[string]int{"gzip": 1, "identity": 1}, ""},
		{"part of a name", []string{"gzi, gzipp, xgzip"}, map[string]int{"gzip": 0}, ""},
		{"junk", []string{"gzip gzip, =, ;q=1, \"gzip\""}, map[string]int{"gzip": 0, "identity": 1}, ""},
	}
	for _, tt := range tests {
		for coding, want := range tt.want {
			if got := acceptCoding(negotiateHeader(t, "Accept-Encoding", tt.values...), coding); got != want {
				t.Errorf("%s: acceptCoding(Accept-Encoding: %q, %s) = %d, want %d\nwhy: %s", tt.name, tt.values, coding, got, want, tt.why)
			}
		}
	}
}

// Reading a long list does not allocate.
func TestAcceptAllocs(t *testing.T) {
	media := negotiateHeader(t, "Accept", strings.Repeat("text/x;q=0.1, ", 500)+"text/html")
	codings := negotiateHeader(t, "Accept-Encoding", strings.Repeat("x;q=0.1, ", 500)+"gzip")
	if n := testing.AllocsPerRun(10, func() { acceptMedia(media, "text/html"); acceptCoding(codings, "gzip") }); n != 0 {
		t.Errorf("acceptMedia and acceptCoding allocate %v times, want 0", n)
	}
}

// For every list, weights are from 0 to 1000, and a member for something else
// changes nothing.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{
		"", "*/*", "*", "gzip", "gzip, deflate, br, zstd", "br;q=0.9 ,\tgzip; q=0.8,identity;q=0", "*;q=0", "gzip;q=0, *",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "text/*;q=0.3, text/html;level=1;q=0.4",
		`text/html;a="x,text/plain;q=1";q=0.3`, `"`, `\`, ";", ";;q", "a;q=1;q=0", "gzip;q=1.0001", "text/html;charset=utf-8", "identity;Q=0.001,,",
	} {
		f.Add(s, "text/plain;q=0.3")
	}
	f.Fuzz(func(t *testing.T, list, second string) {
		tests := []struct {
			name      string
			weight    func(Header) int
			unrelated string
			least     int
		}{
			{"acceptMedia, text/html", func(h Header) int { return acceptMedia(h, "text/html") }, "unrelated/type;q=0.5", -1},
			{"acceptMedia, application/json", func(h Header) int { return acceptMedia(h, "application/json") }, "unrelated/type", -1},
			{"acceptCoding, gzip", func(h Header) int { return acceptCoding(h, "gzip") }, "unrelated;q=0.5", 0},
			{"acceptCoding, br", func(h Header) int { return acceptCoding(h, "br") }, "unrelated;q=0", 0},
			{"acceptCoding, identity", func(h Header) int { return acceptCoding(h, "identity") }, "unrelated", 0},
		}
		for _, tt := range tests {
			got := tt.weight(fuzzHeader(list, second))
			if got < tt.least || got > 1000 || got < 0 { // -1 would mean that there is no field
				t.Errorf("%s: weight %d in the lists %q and %q, want 0 to 1000", tt.name, got, list, second)
			}
			for _, lists := range [][]string{
				{tt.unrelated, list, second}, {list, second, tt.unrelated}, {list, tt.unrelated, second},
				{tt.unrelated + "," + list, second}, {list, tt.unrelated + " , " + second},
				{tt.unrelated + ",," + tt.unrelated + ";x=\"y,z\"," + list, second},
			} {
				if more := tt.weight(fuzzHeader(lists...)); more != got {
					t.Errorf("%s: weight %d in the lists %q and %q, but %d with an unrelated member, in %q", tt.name, got, list, second, more, lists)
				}
			}
		}
		if got := acceptMedia(fuzzHeader(), "text/html"); got != -1 {
			t.Errorf("acceptMedia without a field = %d, want -1", got)
		}
	})
}

// fuzzHeader makes a header section with a line of each value under both names.
func fuzzHeader(values ...string) (h Header) {
	for _, v := range values {
		for _, name := range []string{"Accept", "Accept-Encoding"} {
			i := len(h.text)
			h.text += name + v
			h.fields = append(h.fields, wire.FieldLine{Name: wire.NewSpan(i, i+len(name)), Value: wire.NewSpan(i+len(name), len(h.text))})
		}
	}
	return h
}
