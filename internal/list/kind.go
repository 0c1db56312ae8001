package list

import (
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// kinds maps prefixes of application subtypes to kinds. The first that matches decides.
// Prefixes cover families, as "vnd.oasis.opendocument." does, and playlists count as video, since
// players open them.
var kinds = []struct{ subtype, kind string }{
	{"pdf", "document"},
	{"rtf", "document"},
	{"postscript", "document"},
	{"msword", "document"},
	{"epub", "document"},
	{"x-mobipocket-ebook", "document"},
	{"vnd.comicbook", "document"},
	{"vnd.oasis.opendocument.", "document"},
	{"vnd.openxmlformats-", "document"},
	{"vnd.ms-excel", "document"},
	{"vnd.ms-powerpoint", "document"},
	{"vnd.apple.keynote", "document"},
	{"vnd.apple.numbers", "document"},
	{"vnd.apple.pages", "document"},

	{"zip", "archive"},
	{"gzip", "archive"},
	{"zstd", "archive"},
	{"x-tar", "archive"},
	{"x-7z-compressed", "archive"},
	{"x-bzip2", "archive"},
	{"x-lz4", "archive"},
	{"x-xz", "archive"},
	{"vnd.rar", "archive"},
	{"java-archive", "archive"},
	{"vnd.android.package-archive", "archive"},
	{"vnd.debian.binary-package", "archive"},
	{"x-redhat-package-manager", "archive"},
	{"x-apple-diskimage", "archive"},
	{"x-iso9660-image", "archive"},

	{"json", "code"},
	{"javascript", "code"},
	{"sql", "code"},
	{"toml", "code"},
	{"wasm", "code"},
	{"xml", "code"},
	{"xslt", "code"},
	{"x-ndjson", "code"},
	{"yaml", "code"},
	{"vnd.apple.mpegurl", "video"},
	{"dash+xml", "video"},
}

// kindOf returns the kind of file with the media type: image, video, audio, text,
// document, archive, code or other. Kinds are class names in the style sheet.
func kindOf(mediaType string) string {
	mediaType, _ = ascii.CutParam(mediaType)
	top, subtype, _ := strings.Cut(strings.ToLower(mediaType), "/")
	switch top {
	case "image", "video", "audio":
		return top
	case "text":
		if strings.HasPrefix(subtype, "x-") || subtype == "html" || subtype == "css" || subtype == "javascript" {
			return "code"
		}
		return "text"
	case "application":
		for _, k := range kinds {
			if strings.HasPrefix(subtype, k.subtype) {
				return k.kind
			}
		}
		if strings.HasSuffix(subtype, "+json") || strings.HasSuffix(subtype, "+xml") {
			return "code"
		}
	}
	return "other"
}
