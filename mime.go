package rawhttp

// mediaTypeByExtension returns the media type for the file name extension ext,
// given with its dot and in any case, as in ".html" or ".JPG". It returns "" if
// it does not know the extension; the caller then says
// application/octet-stream. It does not allocate.
//
// The table is our own, so that a file has the same type on every machine. As
// of 2026-11-22 a type is, in this order,
//
//   - what the IANA media types registry has
//     (https://www.iana.org/assignments/media-types);
//   - else what Debian's media-types package has;
//   - else what browsers, Apache httpd, nginx or freedesktop.org's
//     shared-mime-info agree on;
//   - else text/plain for what is text and application/json for what is JSON:
//     both are safe, and browsers show them.
//
// Where an entry departs from that, or the sources disagree, a comment says
// why.
//
// To add an extension, add it to the case of its type: a type has one case.
// The cases of a section are in the order of their first extensions, but for
// text/plain, which closes its own. Every type text/… ends in utf8.
func mediaTypeByExtension(ext string) string {
	// Without a charset the recipient guesses, often windows-1252.
	const utf8 = "; charset=utf-8"

	var lower [len(".webmanifest")]byte // the longest extension below
	if len(ext) > len(lower) {
		return ""
	}
	for i := range len(ext) {
		c := ext[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}

	switch string(lower[:len(ext)]) {

	// Web pages and what they load. X-Content-Type-Options: nosniff makes a
	// browser refuse a script, a module or a style sheet of another type.

	case ".atom":
		return "application/atom+xml"
	case ".css":
		return "text/css" + utf8
	case ".htm", ".html":
		return "text/html" + utf8
	case ".js", ".mjs":
		return "text/javascript" + utf8 // RFC 9239
	case ".rss":
		// Not registered; Debian says application/x-rss+xml. Feed readers and
		// <link rel="alternate"> know this name.
		return "application/rss+xml"
	case ".vtt":
		return "text/vtt" + utf8
	case ".wasm":
		// Exactly this, without parameters, or a browser refuses to compile it
		// while it arrives.
		return "application/wasm"
	case ".webmanifest":
		return "application/manifest+json"
	case ".xhtml":
		return "application/xhtml+xml"

	// Text that is to be read: prose, configuration, source code.
	//
	// Source code has the text/x-… that Debian gives it, else text/plain, and
	// no application type: browsers show the former and download the latter.

	case ".c":
		return "text/x-csrc" + utf8
	case ".cc", ".cpp", ".cxx":
		return "text/x-c++src" + utf8
	case ".diff", ".patch":
		return "text/x-diff" + utf8
	case ".h":
		return "text/x-chdr" + utf8
	case ".hpp":
		return "text/x-c++hdr" + utf8
	case ".hs":
		return "text/x-haskell" + utf8
	case ".java":
		return "text/x-java" + utf8
	case ".markdown", ".md":
		// RFC 7763. Firefox once downloaded it, for which some servers still
		// say text/plain; Firefox 153 and Chromium 156 show it.
		return "text/markdown" + utf8
	case ".pl", ".pm":
		return "text/x-perl" + utf8
	case ".py":
		return "text/x-python" + utf8
	case ".scala":
		return "text/x-scala" + utf8
	case ".sh":
		// Debian has application/x-sh too, which browsers download.
		return "text/x-sh" + utf8
	case ".tex":
		return "text/x-tex" + utf8

	case
		// Prose and notes. An .asc is a key, a signature or a message of PGP,
		// with a registered type for each, or else AsciiDoc. The registry's
		// .org is a file of Lotus Organizer, its .rst one person's own type
		// (text/prs.fallenstein.rst).
		".asc", ".log", ".org", ".rst", ".text", ".txt",
		// Subtitles. Apache httpd says application/x-subrip, which browsers
		// download.
		".srt",
		// Checksums.
		".md5", ".sha1", ".sha256", ".sha512",
		// Configuration and build files.
		".cfg", ".cmake", ".conf", ".ini", ".jsonc", ".mk", ".properties", ".tf",
		// Components and style sheets that are compiled for a browser.
		".jsx", ".less", ".scss", ".svelte", ".tsx", ".vue",
		// TypeScript. The registry's .ts is video/mp2t, an MPEG transport
		// stream, but in a folder that is served it is source code more often.
		// HLS does not suffer: a player goes by the playlist and the bytes
		// (Chromium 156 plays segments sent as text/plain with nosniff).
		".ts",
		// C#, for which the registry and Debian have nothing.
		".cs",
		// Rust. The registry's .rs is application/rls-services+xml, of SIP.
		".rs",
		// Objective-C or MATLAB. Debian's .m is a package of Mathematica.
		".m",
		// PHP that nobody runs must not become a page: not text/html.
		".php",
		// Ruby. Debian says application/x-ruby, which browsers download.
		".rb",
		// Windows scripts. Debian says application/x-msdos-program for .bat.
		".bat", ".cmd", ".ps1",
		// Languages and shells without a type in the registry or in Debian.
		".bash", ".go", ".graphql", ".kt", ".lua", ".ml", ".proto", ".r", ".s",
		".swift", ".wat", ".zig", ".zsh":
		return "text/plain" + utf8

	// Data.

	case ".arrow":
		return "application/vnd.apache.arrow.file"
	case ".cbor":
		return "application/cbor"
	case ".csv":
		return "text/csv" + utf8
	case ".dtd":
		return "application/xml-dtd"
	case ".h5", ".hdf", ".hdf5":
		return "application/x-hdf"
	case ".ipynb":
		return "application/x-ipynb+json"
	case ".json", ".map":
		return "application/json"
	case ".jsonl", ".ndjson":
		// Nothing is registered. The specification of ndjson asks for this
		// name; that of JSON Lines, the same format, has settled on none.
		return "application/x-ndjson"
	case ".jsonld":
		return "application/ld+json"
	case ".msgpack":
		return "application/vnd.msgpack"
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".pcap":
		return "application/vnd.tcpdump.pcap"
	case ".rdf":
		return "application/rdf+xml"
	case ".sql":
		return "application/sql"
	case ".sqlite", ".sqlite3":
		return "application/vnd.sqlite3"
	case ".toml":
		return "application/toml"
	case ".tsv":
		return "text/tab-separated-values" + utf8
	case ".ttl":
		return "text/turtle" + utf8
	case ".xml", ".xsd":
		// Not text/xml: with its charset the field would outvote the encoding
		// that the document declares (RFC 7303, section 3).
		return "application/xml"
	case ".xsl", ".xslt":
		return "application/xslt+xml"
	case ".yaml", ".yml":
		return "application/yaml" // RFC 9512

	// Images.

	case ".apng":
		return "image/apng"
	case ".avif":
		return "image/avif"
	case ".bmp":
		return "image/bmp"
	case ".gif":
		return "image/gif"
	case ".heic":
		return "image/heic"
	case ".heif":
		return "image/heif"
	case ".ico":
		return "image/vnd.microsoft.icon"
	case ".jp2":
		return "image/jp2"
	case ".jpeg", ".jpg":
		return "image/jpeg"
	case ".jxl":
		return "image/jxl"
	case ".ktx2":
		return "image/ktx2"
	case ".png":
		return "image/png"
	case ".psd":
		return "image/vnd.adobe.photoshop"
	case ".svg":
		return "image/svg+xml"
	case ".tga":
		return "image/x-tga"
	case ".tif", ".tiff":
		return "image/tiff"
	case ".webp":
		return "image/webp"

	// Fonts (RFC 8081).

	case ".eot":
		return "application/vnd.ms-fontobject"
	case ".otf":
		return "font/otf"
	case ".ttc":
		return "font/collection"
	case ".ttf":
		return "font/ttf"
	case ".woff":
		return "font/woff"
	case ".woff2":
		return "font/woff2"

	// Audio.

	case ".aac":
		return "audio/aac"
	case ".aif", ".aiff":
		return "audio/x-aiff"
	case ".flac":
		return "audio/flac"
	case ".m3u":
		return "audio/mpegurl"
	case ".m4a":
		return "audio/mp4"
	case ".mid", ".midi":
		// Debian says audio/sp-midi for .mid, a profile that few files keep to.
		return "audio/midi"
	case ".mka":
		return "audio/matroska" // RFC 9559
	case ".mp3":
		return "audio/mpeg"
	case ".oga", ".ogg", ".opus":
		return "audio/ogg"
	case ".wav":
		// The registry's audio/vnd.wave (RFC 2361) is one that neither Firefox
		// nor Chromium says it can play; both know this name and Debian's
		// audio/x-wav.
		return "audio/wav"
	case ".weba":
		return "audio/webm"
	case ".wma":
		return "audio/x-ms-wma"

	// Video, and the manifests and segments of streaming (HLS, DASH).

	case ".3gp":
		return "video/3gpp"
	case ".avi":
		return "video/x-msvideo"
	case ".flv":
		return "video/x-flv"
	case ".m2ts", ".mts":
		// Unlike .ts, an .mts is a camera's film before it is a TypeScript
		// module or the registry's other .mts, model/vnd.mts; and a film shown
		// as text is worse than text downloaded.
		return "video/mp2t"
	case ".m3u8":
		return "application/vnd.apple.mpegurl" // RFC 8216
	case ".m4s":
		return "video/iso.segment"
	case ".m4v", ".mp4":
		return "video/mp4"
	case ".mkv":
		// RFC 9559. Debian still has video/x-matroska; browsers know both.
		return "video/matroska"
	case ".mov":
		return "video/quicktime"
	case ".mpd":
		return "application/dash+xml"
	case ".mpeg", ".mpg":
		return "video/mpeg"
	case ".ogv":
		return "video/ogg"
	case ".ttml":
		return "application/ttml+xml"
	case ".webm":
		return "video/webm"
	case ".wmv":
		return "video/x-ms-wmv"

	// Documents and books.

	case ".cbr":
		return "application/vnd.comicbook-rar"
	case ".cbz":
		return "application/vnd.comicbook+zip"
	case ".doc":
		return "application/msword"
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".eps", ".ps":
		return "application/postscript"
	case ".epub":
		return "application/epub+zip"
	case ".key":
		// Keynote, as registered. Debian says application/pgp-keys, but keys
		// are registered as .asc.
		return "application/vnd.apple.keynote"
	case ".mobi":
		return "application/x-mobipocket-ebook"
	case ".numbers":
		return "application/vnd.apple.numbers"
	case ".odg":
		return "application/vnd.oasis.opendocument.graphics"
	case ".odp":
		return "application/vnd.oasis.opendocument.presentation"
	case ".ods":
		return "application/vnd.oasis.opendocument.spreadsheet"
	case ".odt":
		return "application/vnd.oasis.opendocument.text"
	case ".pages":
		return "application/vnd.apple.pages"
	case ".pdf":
		return "application/pdf"
	case ".ppt":
		return "application/vnd.ms-powerpoint"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case ".rtf":
		// The registry has text/rtf too, but RTF names its character set
		// itself.
		return "application/rtf"
	case ".xls":
		return "application/vnd.ms-excel"
	case ".xlsm":
		return "application/vnd.ms-excel.sheet.macroEnabled.12"
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

	// Archives and compressed files. A compressed archive has the type of its
	// compression, not Debian's application/x-gtar-compressed: the file is sent
	// as it is, without Content-Encoding.

	case ".7z":
		return "application/x-7z-compressed"
	case ".bz2", ".tbz2":
		return "application/x-bzip2"
	case ".gz", ".svgz", ".tgz":
		// The registry's .svgz is image/svg+xml, which holds only together
		// with Content-Encoding: gzip; without that it is broken XML.
		return "application/gzip"
	case ".lz4":
		return "application/x-lz4"
	case ".rar":
		return "application/vnd.rar"
	case ".tar":
		return "application/x-tar"
	case ".txz", ".xz":
		return "application/x-xz"
	case ".tzst", ".zst":
		return "application/zstd"
	case ".zip":
		return "application/zip"

	// Packages, programs, disk images.

	case ".apk":
		return "application/vnd.android.package-archive"
	case ".appimage":
		return "application/vnd.appimage"
	case ".deb":
		return "application/vnd.debian.binary-package"
	case ".dll", ".exe":
		// Debian still has application/x-msdos-program.
		return "application/vnd.microsoft.portable-executable"
	case ".dmg":
		return "application/x-apple-diskimage"
	case ".iso":
		return "application/x-iso9660-image"
	case ".jar", ".war":
		return "application/java-archive"
	case ".msi":
		return "application/x-msi"
	case ".rpm":
		return "application/x-redhat-package-manager"
	case ".torrent":
		return "application/x-bittorrent"
	case ".xpi":
		return "application/x-xpinstall"

	// Certificates, keys and signatures.

	case ".cer":
		return "application/pkix-cert"
	case ".crl":
		return "application/pkix-crl"
	case ".crt", ".der":
		return "application/x-x509-ca-cert" // RFC 8894
	case ".p12", ".pfx":
		return "application/pkcs12"
	case ".pem":
		// RFC 8555. nginx says application/x-x509-ca-cert, which some systems
		// take as a wish to install an authority.
		return "application/pem-certificate-chain"
	case ".sig":
		return "application/pgp-signature"

	// Calendars, contacts, mail.

	case ".eml":
		return "message/rfc822"
	case ".ics":
		return "text/calendar" + utf8
	case ".mbox":
		return "application/mbox"
	case ".pkpass":
		return "application/vnd.apple.pkpass"
	case ".vcard", ".vcf":
		return "text/vcard" + utf8

	// Maps.

	case ".geojson":
		return "application/geo+json"
	case ".gpkg":
		return "application/geopackage+sqlite3"
	case ".gpx":
		return "application/gpx+xml"
	case ".kml":
		return "application/vnd.google-earth.kml+xml"
	case ".kmz":
		return "application/vnd.google-earth.kmz"

	// Models and drawings.

	case ".3mf":
		return "model/3mf" // Debian still has application/vnd.ms-3mfdocument
	case ".dxf":
		return "image/vnd.dxf"
	case ".glb":
		return "model/gltf-binary"
	case ".gltf":
		return "model/gltf+json"
	case ".obj":
		return "model/obj"
	case ".step":
		return "model/step"
	case ".stl":
		return "model/stl"
	case ".usdz":
		return "model/vnd.usdz+zip"
	}
	return ""
}
