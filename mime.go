package rawhttp

import (
	"strings"
	"sync"

	"example.com/rawhttp/internal/ascii"
)

// mediaTypes lists media types, each with its extensions, in the format of a mime.types
// file, and with whole file names in lower case. The package has its own table so that a
// file has the same type on every machine. As of 2026-11-22, the type of an extension is
// the first of these:
//
//   - the type in the IANA media types registry (https://www.iana.org/assignments/media-types);
//   - the type in Debian's media-types package;
//   - the type that browsers, Apache httpd, nginx or freedesktop.org's shared-mime-info agree on;
//   - text/plain for text and application/json for JSON: both are safe, and browsers show them.
//
// If a row departs from this, or the sources disagree, the comment above it says why.
//
// To add an extension, add it to the row of its type. Each type has one row, except
// text/plain, which has one row per subject. The rows of a section are sorted by their
// first extension; those of text/plain come last.
var mediaTypes = []string{
	// Web pages and the files they load. With X-Content-Type-Options: nosniff, browsers
	// reject a script, a module or a style sheet of any other type.
	"application/atom+xml .atom",
	// RFC 9239. The registry also has application/node for .cjs and .js, and calls them
	// ambiguous; browsers do not run that type.
	"text/javascript .cjs .js .mjs",
	"text/css .css",
	"text/html .htm .html .shtml",
	// Not registered; Debian has application/x-rss+xml. Feed readers and <link
	// rel="alternate"> use this name.
	"application/rss+xml .rss",
	"text/vtt .vtt",
	// Without parameters: otherwise browsers do not compile it while it arrives.
	"application/wasm .wasm",
	"application/manifest+json .webmanifest",
	"application/xhtml+xml .xhtml",

	// Text for reading: prose, configuration, source code.
	//
	// Source code has the text/x-… type of Debian, or else text/plain, but no unregistered
	// application type: browsers show the former and download the latter.
	"text/x-bibtex .bib",
	"text/x-csrc .c",
	"text/x-c++src .cc .cpp .cxx",
	"application/vnd.dart .dart",
	"text/x-diff .diff .patch",
	"text/x-chdr .h",
	"text/x-c++hdr .hpp",
	"text/x-haskell .hs",
	"text/x-java .java",
	// RFC 7763. Some servers still send text/plain because Firefox once downloaded this
	// type; Firefox 153 and Chromium 156 show it.
	"text/markdown .markdown .md",
	"text/x-perl .pl .pm",
	"text/x-python .py",
	"text/x-scala .scala",
	// Debian also has application/x-sh, which browsers download.
	"text/x-sh .sh",
	"text/x-tex .tex",
	"text/wgsl .wgsl",
	// Prose and notes. An .asc file is either a PGP key, signature or message, each with a
	// registered type of its own, or AsciiDoc. The registry's .org is a Lotus Organizer
	// file, and its .rst is a personal type (text/prs.fallenstein.rst).
	"text/plain .adoc .asc .log .org .rst .text .txt",
	// Subtitles. Apache httpd sends application/x-subrip, which browsers download.
	"text/plain .srt",
	// Checksums.
	"text/plain .md5 .sha1 .sha256 .sha512",
	// Configuration and build files.
	"text/plain .cfg .cmake .conf .ini .json5 .jsonc .mk .properties .tf",
	// Project files without an extension, or with one that has no meaning.
	"text/plain authors bugs changelog changes codeowners contributing contributors copying copyright history install licence license maintainers manifest news notice patents readme thanks todo unlicense version",
	"text/plain brewfile caddyfile containerfile dockerfile gemfile gnumakefile jenkinsfile justfile kbuild kconfig makefile podfile procfile rakefile sconscript sconstruct vagrantfile",
	"text/plain go.mod go.sum go.work go.work.sum",
	"text/plain md5sums sha1sums sha256sums sha512sums",
	// Components and style sheets that are compiled for browsers.
	"text/plain .jsx .less .scss .svelte .tsx .vue",
	// TypeScript. The registry's .ts is video/mp2t, an MPEG transport stream, but served
	// folders contain source code more often. HLS still works: players go by the playlist
	// and the bytes (Chromium 156 plays segments sent as text/plain with nosniff).
	"text/plain .ts",
	// C#. The registry and Debian have no type for it.
	"text/plain .cs",
	// Rust. The registry's .rs is application/rls-services+xml, used in SIP.
	"text/plain .rs",
	// Objective-C or MATLAB. Debian's .m is a Mathematica package.
	"text/plain .m",
	// PHP that is not run must not become a page, so not text/html.
	"text/plain .php",
	// Ruby. Debian has application/x-ruby, which browsers download.
	"text/plain .rb",
	// Windows scripts. Debian has application/x-msdos-program for .bat.
	"text/plain .bat .cmd .ps1",
	// Languages and shells without a type in the registry or in Debian.
	"text/plain .bash .go .graphql .kt .lua .ml .proto .r .s .swift .wat .zig .zsh",

	// Data.
	"application/vnd.apache.arrow.file .arrow",
	"application/cbor .cbor",
	"text/csv .csv",
	"application/xml-dtd .dtd",
	"application/x-hdf .h5 .hdf .hdf5",
	"application/x-ipynb+json .ipynb",
	// TopoJSON has no registered type. Apple requires this type for the file of universal
	// links.
	"application/json .json .map .topojson apple-app-site-association",
	// Not registered. The ndjson specification asks for this name; JSON Lines, the same
	// format, has not settled on one.
	"application/x-ndjson .jsonl .ndjson",
	"application/ld+json .jsonld",
	"application/vnd.msgpack .msgpack",
	// Not text/xml: the charset in its field would override the encoding that the document
	// declares (RFC 7303, section 3). The same holds for text/x-opml, which is not
	// registered. Property lists have no registered type.
	"application/xml .opml .plist .xml .xsd",
	"application/vnd.apache.parquet .parquet",
	// Map tiles and other data. The registry lists no extension for this name, and calls
	// application/x-protobuf its deprecated alias.
	"application/protobuf .pbf",
	"application/vnd.tcpdump.pcap .pcap",
	"application/rdf+xml .rdf",
	"application/sql .sql",
	"application/vnd.sqlite3 .sqlite .sqlite3",
	"application/toml .toml",
	"text/tab-separated-values .tsv",
	"text/turtle .ttl",
	"application/xslt+xml .xsl .xslt",
	"application/yaml .yaml .yml", // RFC 9512

	// Images.
	"image/apng .apng",
	"image/avif .avif",
	"image/bmp .bmp",
	"image/vnd.microsoft.icon .cur .ico",
	"image/gif .gif",
	"image/heic .heic",
	"image/heif .heif",
	"image/jp2 .jp2",
	"image/jpeg .jpeg .jpg",
	"image/jxl .jxl",
	"image/ktx2 .ktx2",
	"image/png .png",
	"image/vnd.adobe.photoshop .psd",
	"image/svg+xml .svg",
	"image/x-tga .tga",
	"image/tiff .tif .tiff",
	"image/webp .webp",

	// Fonts (RFC 8081).
	"application/vnd.ms-fontobject .eot",
	"font/otf .otf",
	"font/collection .ttc",
	"font/ttf .ttf",
	"font/woff .woff",
	"font/woff2 .woff2",

	// Audio.
	"audio/aac .aac",
	"audio/x-aiff .aif .aiff",
	"audio/flac .flac",
	"audio/mpegurl .m3u",
	"audio/mp4 .m4a",
	// Debian has audio/sp-midi for .mid, a profile that few files follow.
	"audio/midi .mid .midi",
	"audio/matroska .mka", // RFC 9559
	"audio/mpeg .mp3",
	"audio/ogg .oga .ogg .opus",
	// Neither Firefox nor Chromium claims to play the registry's audio/vnd.wave (RFC 2361);
	// both know this name and Debian's audio/x-wav.
	"audio/wav .wav",
	"audio/webm .weba",
	"audio/x-ms-wma .wma",

	// Video, and the manifests and segments of streaming (HLS, DASH).
	"video/3gpp .3gp",
	"video/x-msvideo .avi",
	"video/x-flv .flv",
	// Unlike .ts, an .mts file is more likely a camera recording than a TypeScript module
	// or the registry's other .mts, model/vnd.mts. Besides, video shown as text is worse
	// than text downloaded.
	"video/mp2t .m2ts .mts",
	"application/vnd.apple.mpegurl .m3u8", // RFC 8216
	"video/iso.segment .m4s",
	"video/mp4 .m4v .mp4",
	// RFC 9559. Debian still has video/x-matroska; browsers know both.
	"video/matroska .mkv",
	"video/quicktime .mov",
	"application/dash+xml .mpd",
	"video/mpeg .mpeg .mpg",
	"video/ogg .ogv",
	"application/ttml+xml .ttml",
	"video/webm .webm",
	"video/x-ms-wmv .wmv",

	// Documents and books.
	"application/vnd.comicbook-rar .cbr",
	"application/vnd.comicbook+zip .cbz",
	"application/msword .doc",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document .docx",
	"application/postscript .eps .ps",
	"application/epub+zip .epub",
	// Keynote, as registered. Debian has application/pgp-keys, but the registered extension
	// of keys is .asc.
	"application/vnd.apple.keynote .key",
	"application/x-mobipocket-ebook .mobi",
	"application/vnd.apple.numbers .numbers",
	"application/vnd.oasis.opendocument.graphics .odg",
	"application/vnd.oasis.opendocument.presentation .odp",
	"application/vnd.oasis.opendocument.spreadsheet .ods",
	"application/vnd.oasis.opendocument.text .odt",
	"application/vnd.apple.pages .pages",
	"application/pdf .pdf",
	"application/vnd.ms-powerpoint .ppt",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation .pptx",
	// The registry also has text/rtf, but RTF declares its own character set.
	"application/rtf .rtf",
	"application/vnd.ms-excel .xls",
	"application/vnd.ms-excel.sheet.macroEnabled.12 .xlsm",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet .xlsx",

	// Archives and compressed files. A compressed archive has the type of its compression
	// rather than Debian's application/x-gtar-compressed, since the file is sent as it is,
	// without Content-Encoding.
	"application/x-7z-compressed .7z",
	"application/x-bzip2 .bz2 .tbz2",
	// The registry's .svgz is image/svg+xml, which is valid only with Content-Encoding:
	// gzip; without that it is broken XML.
	"application/gzip .gz .svgz .tgz",
	"application/x-lz4 .lz4",
	"application/vnd.rar .rar",
	"application/x-tar .tar",
	"application/x-xz .txz .xz",
	"application/zstd .tzst .zst",
	"application/zip .zip",

	// Packages, programs, disk images.
	"application/vnd.android.package-archive .apk",
	"application/vnd.appimage .appimage",
	"application/vnd.debian.binary-package .deb",
	// Debian still has application/x-msdos-program.
	"application/vnd.microsoft.portable-executable .dll .exe",
	"application/x-apple-diskimage .dmg",
	"application/x-iso9660-image .iso",
	"application/java-archive .jar .war",
	"application/x-apple-aspen-config .mobileconfig", // installed as a profile by Apple's systems
	"application/x-msi .msi",
	"application/x-redhat-package-manager .rpm",
	"application/x-bittorrent .torrent",
	"application/x-xpinstall .xpi",

	// Certificates, keys and signatures.
	"application/pkix-cert .cer",
	"application/pkix-crl .crl",
	"application/x-x509-ca-cert .crt .der", // RFC 8894
	"application/pkcs12 .p12 .pfx",
	// RFC 8555. nginx sends application/x-x509-ca-cert, which makes some systems offer to
	// install the file as an authority.
	"application/pem-certificate-chain .pem",
	"application/pgp-signature .sig",

	// Calendars, contacts, mail.
	"message/rfc822 .eml",
	"text/calendar .ics",
	"application/mbox .mbox",
	"application/vnd.apple.pkpass .pkpass",
	"text/vcard .vcard .vcf",

	// Maps.
	"application/geo+json .geojson",
	"application/geopackage+sqlite3 .gpkg",
	"application/gpx+xml .gpx",
	"application/vnd.google-earth.kml+xml .kml",
	"application/vnd.google-earth.kmz .kmz",

	// Models and drawings.
	"model/3mf .3mf", // Debian still has application/vnd.ms-3mfdocument
	"image/vnd.dxf .dxf",
	"model/gltf-binary .glb",
	"model/gltf+json .gltf",
	"model/obj .obj",
	"model/step .step",
	"model/stl .stl",
	"model/vnd.usdz+zip .usdz",
}

// mediaTypeOf returns mediaTypes as a map from extension or name to media type. The map is
// built on first use, so programs that serve no files do not pay for it.
var mediaTypeOf = sync.OnceValue(func() map[string]string {
	m := make(map[string]string)
	for _, row := range mediaTypes {
		mediaType, extensions, _ := strings.Cut(row, " ")
		if strings.HasPrefix(mediaType, "text/") {
			// Without a charset, recipients guess one, often windows-1252.
			mediaType += "; charset=utf-8"
		}
		for ext := range strings.SplitSeq(extensions, " ") {
			m[ext] = mediaType
		}
	}
	return m
})

// mediaTypeByName returns the media type of a file name, given without folders: the type of
// the whole name if the table has it, or else that of the extension, ignoring case. It
// returns "" if the table has neither. Only the first call allocates.
func mediaTypeByName(name string) string {
	if !strings.HasPrefix(name, ".") {
		if t := mediaTypeInTable(name); t != "" {
			return t
		}
	}
	return mediaTypeInTable(extension(name))
}

// extension returns the file name extension with its dot. A name whose only dot is its
// first byte has none.
func extension(name string) string {
	if i := strings.LastIndexAny(name, "./"); i > 0 && name[i] == '.' && name[i-1] != '/' {
		return name[i:]
	}
	return ""
}

// mediaTypeInTable returns the media type of an extension with its dot, or of a whole name,
// ignoring the case of ASCII letters only. In contrast, strings.ToLower makes the Kelvin sign a k.
func mediaTypeInTable(key string) string {
	var folded [len("apple-app-site-association")]byte // the longest key
	if len(key) > len(folded) {
		return ""
	}
	for i := range len(key) {
		folded[i] = ascii.Lower(key[i])
	}
	return mediaTypeOf()[string(folded[:len(key)])]
}
