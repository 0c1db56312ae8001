package rawhttp

import (
	"io"
	"strings"
)

// contentRanges are Range fields for contentText, which is 20 bytes, with what they
// ask for: "" if they are to be ignored, "416" if there is nothing in them, else the
// ranges.
var contentRanges = []struct {
	name, field, want, why string
}{
	{"first byte", "bytes=0-0", "0-0", ""},
	{"some", "bytes=3-7", "3-7", ""},
	{"last byte", "bytes=19-19", "19-19", ""},
	{"all", "bytes=0-19", "0-19", "206 all the same: the client joins it with what it has"},
	{"one more than all", "bytes=0-20", "0-19", "the remainder, RFC 9110, section 14.1.2"},
	{"open", "bytes=12-", "12-19", ""},
	{"open from the first", "bytes=0-", "0-19", ""},
	{"open from the last", "bytes=19-", "19-19", ""},
	{"suffix of one", "bytes=-1", "19-19", ""},
	{"suffix", "bytes=-5", "15-19", ""},
	{"suffix of all", "bytes=-20", "0-19", ""},
	{"suffix of more", "bytes=-21", "0-19", "the entire representation, RFC 9110, section 14.1.2"},
	{"leading zeros", "bytes=000000000000000000000000000003-0000000007", "3-7", "first-pos = 1*DIGIT"},

	{"suffix of none", "bytes=-0", "416", "RFC 9110, section 14.1.2"},
	{"suffix of none, in zeros", "bytes=-000", "416", ""},
	{"behind the end", "bytes=20-", "416", ""},
	{"behind the end, closed", "bytes=20-20", "416", ""},
	{"far behind the end", "bytes=500-999", "416", ""},
	{"several behind the end", "bytes=20-,-0,30-40", "416", ""},

	{"2^31", "bytes=3-2147483648", "3-19", "recipients must anticipate large numbers, RFC 9110, section 14.1.2"},
	{"2^63-1", "bytes=3-9223372036854775807", "3-19", ""},
	{"2^63", "bytes=3-9223372036854775808", "3-19", ""},
	{"2^64-1", "bytes=3-18446744073709551615", "3-19", ""},
	{"2^64", "bytes=3-18446744073709551616", "3-19", "2^64 is 0 where it wraps"},
	{"2^64+5", "bytes=3-18446744073709551621", "3-19", ""},
	{"40 digits", "bytes=3-" + strings.Repeat("9", 40), "3-19", ""},
	{"suffix of 2^64", "bytes=-18446744073709551616", "0-19", ""},
	{"suffix of 40 digits", "bytes=-" + strings.Repeat("9", 40), "0-19", ""},
	{"from 2^64", "bytes=18446744073709551616-", "416", ""},
	{"from 2^64+1 to 2^64+2", "bytes=18446744073709551617-18446744073709551618", "416", ""},
	{"from 2^64+2 to 2^64+1", "bytes=18446744073709551618-18446744073709551617", "", "last-pos is less than first-pos"},
	{"from 30 to 2^64", "bytes=30-18446744073709551616", "416", ""},

	{"two", "bytes=0-1,5-6", "0-1 5-6", ""},
	{"two with blanks", "bytes=0-1 , \t5-6", "0-1 5-6", ""},
	{"two with empty members", "bytes=,,0-1, ,5-6,", "0-1 5-6", "RFC 9110, section 5.6.1.2"},
	{"two in descending order", "bytes=5-6,0-1", "5-6 0-1", "in the order that was asked for"},
	{"two that touch", "bytes=0-9,10-19", "0-9 10-19", "20 bytes in all"},
	{"three kinds", "bytes=0-0,10-,-1", "0-0 10-19 19-19", ""},
	{"the same twice", "bytes=0-0,0-0", "0-0 0-0", "no more bytes than there are"},
	{"overlapping", "bytes=0-5,4-9", "0-5 4-9", ""},
	{"overlapping, a byte too much", "bytes=0-10,4-13", "", "more bytes than there are"},
	{"all and one", "bytes=0-,0-0", "", "more bytes than there are"},
	{"all twice", "bytes=0-,0-", "", "more bytes than there are"},
	{"one that is there, one that is not", "bytes=0-1,20-", "0-1", "a single part: there is one range to send"},
	{"one that is not there, one that is", "bytes=-0,3-4", "3-4", ""},
	{"two that are there, one that is not", "bytes=0-1,99-,3-4", "0-1 3-4", ""},
	{"16", "bytes=" + strings.Repeat("0-0,", 15) + "1-1", strings.Repeat("0-0 ", 15) + "1-1", ""},
	{"17", "bytes=" + strings.Repeat("0-0,", 16) + "1-1", "", "more than 16"},
	{"17, of which one is there", "bytes=" + strings.Repeat("20-,", 16) + "1-1", "", "more than 16"},
	{"17 that are not there", "bytes=" + strings.Repeat("20-,", 16) + "20-", "", "more than 16"},
	{"1 KiB", "bytes=3-7" + strings.Repeat(",", 1024-9), "3-7", ""},
	{"more than 1 KiB", "bytes=3-7" + strings.Repeat(",", 1025-9), "", ""},
	{"more than 1 KiB in zeros", "bytes=3-" + strings.Repeat("0", 1025-9) + "7", "", ""},

	{"unit in capitals", "BYTES=0-1", "0-1", "range units are case-insensitive, RFC 9110, section 14.1"},
	{"unit in any case", "Bytes=0-1", "0-1", ""},
	{"other unit", "items=0-1", "", "RFC 9110, section 14.2"},
	{"unit that begins alike", "bytes2=0-1", "", ""},
	{"unit cut short", "byte=0-1", "", ""},
	{"unit with a blank", "bytes =0-1", "", ""},
	{"no unit", "=0-1", "", ""},
	{"no unit and no sign", "0-1", "", ""},
	{"no sign", "bytes", "", ""},
	{"blank for a sign", "bytes 0-1", "", "that is Content-Range"},
	{"colon for a sign", "bytes:0-1", "", ""},
	{"two signs", "bytes==0-1", "", ""},
	{"nothing", "bytes=", "", ""},
	{"empty field", "", "", ""},
	{"only empty members", "bytes=, ,", "", "1#range-spec: at least one"},
	{"only a hyphen", "bytes=-", "", ""},
	{"a position alone", "bytes=5", "", ""},
	{"three positions", "bytes=1-2-3", "", ""},
	{"minus", "bytes=--1", "", ""},
	{"minus at the end", "bytes=0--1", "", ""},
	{"plus", "bytes=+0-+1", "", ""},
	{"letters", "bytes=a-b", "", ""},
	{"hexadecimal", "bytes=0x0-0x1", "", ""},
	{"underscore", "bytes=0-1_0", "", ""},
	{"decimal point", "bytes=0.0-1.0", "", ""},
	{"exponent", "bytes=1e1-", "", ""},
	{"digits that are not ASCII", "bytes=٠-١", "", ""},
	{"blank before the hyphen", "bytes=0 -1", "", ""},
	{"blank behind the hyphen", "bytes=0- 1", "", ""},
	{"blank for a comma", "bytes=0-1 5-6", "", ""},
	{"semicolon for a comma", "bytes=0-1;5-6", "", ""},
	{"length behind it", "bytes=0-1/20", "", ""},
	{"quotes", `bytes="0-1"`, "", ""},
	{"last before first", "bytes=5-4", "", "invalid, RFC 9110, section 14.1.1"},
	{"one of two is junk", "bytes=0-1,x", "", "a range that is junk makes the field so"},
	{"the first of two is junk", "bytes=x,0-1", "", ""},
	{"one of two is invalid", "bytes=0-1,5-4", "", ""},
	{"junk behind what is not there", "bytes=20-,x", "", ""},
	{"a unit in the second", "bytes=0-1,bytes=5-6", "", ""},
}

// A contentReaderAt is an io.ReaderAt that must not be read from where it stands.
type contentReaderAt struct{ io.ReaderAt }

func (contentReaderAt) Read([]byte) (int, error) {
	panic("an io.ReaderAt is read from where it stands")
}
