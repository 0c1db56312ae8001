package rawhttp

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzScriptOutput: whatever a script prints, the parser does not panic; how it comes
// in makes no difference; no field has what would end its line; and a response may be
// made of it.
func FuzzScriptOutput(f *testing.F) {
	for _, out := range []string{
		"", "\n<p>a: b</p>", "\r\n", "Status: 404 Gone fishing\r\nContent-Type: text/plain\r\n\r\nno fish",
		"Location: /a\n\n", "Content-Type: a/b\n c: d\n\n", "Content-Length: 5\nStatus: 200\n\nhello", "A: b\n\n", "A: b\nStatus:\r\r\n\n",
		"Set-Cookie: a=b\nSet-Cookie: c=d\nlocation:x\nDate: now\n\n", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", "Status: 200\nX: \x00\n\n", "Status: 304\nX:\t \xff \n\n",
		"content-type : a/b\n\n", "Status: 200\nX-Content-Type-Options: none\n\n", "Status: 200\nX: " + strings.Repeat("a", maxScriptFields-17) + "\n\nx",
	} {
		for mode := range uint8(3) {
			f.Add([]byte(out), mode, uint16(len(out)/2))
		}
	}
	f.Fuzz(func(t *testing.T, out []byte, mode uint8, split uint16) {
		o := ScriptOutput(mode % 3)
		want, wantErr := parseScriptOutput(out, true, o)
		if wantErr == ErrIncomplete || wantErr != nil && StatusOf(wantErr) != 502 {
			t.Fatalf("parseScriptOutput(%q, true, %v) error %v, want none or a 502", out, o, wantErr)
		}
		splits := []int{min(int(split), len(out)), len(out)}
		for i := range min(len(out), 300) {
			splits = append(splits, i)
		}
		for _, n := range splits {
			got, err := parseScriptOutput(out[:n], false, o)
			if err != ErrIncomplete && (!reflect.DeepEqual(err, wantErr) || err == nil && !reflect.DeepEqual(got, want)) {
				t.Fatalf("parseScriptOutput of the first %d bytes of %q, %v: %+v, %v; of the whole %+v, %v", n, out, o, got, err, want, wantErr)
			}
		}
		if wantErr != nil {
			return
		}
		if want.status < 200 || want.status > 599 || want.size > min(len(out), maxScriptFields) || want.length < -1 || o == ScriptPlain && want.size > 0 {
			t.Fatalf("parseScriptOutput(%q, true, %v) = %+v", out, o, want)
		}
		resp := newResponse(want.status, want.mediaType)
		for _, f := range want.fields {
			if strings.ContainsAny(f.name+f.value, "\r\n\x00") {
				t.Fatalf("parseScriptOutput(%q, true, %v) gives the field %q", out, o, f)
			}
			resp.Add(f.name, f.value)
		}
		if want.mediaType != "" {
			resp.Set("Content-Type", want.mediaType)
		}
		if err := resp.Err(); err != nil {
			t.Fatalf("parseScriptOutput(%q, true, %v) gives what no response may have: %v", out, o, err)
		}
	})
}
