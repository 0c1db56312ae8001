package conformance_test

import (
	"strings"

	"example.com/rawhttp"
)

// filesTests has request lines without " HTTP/1.1", and the answers. Only the fields that a
// test names are compared; an empty value means that the field must be absent.
var filesTests = []struct {
	name, request             string
	opts                      []rawhttp.FileOption
	status                    string
	fields                    []string
	content                   string
	strange, backslash, bytes bool // the kind of name that is requested: only sources that have such names are tested
	why                       string
}{{
	name: "file", request: "GET /hello.txt", status: "200 OK",
	fields: []string{"Content-Type: text/plain; charset=utf-8", "Content-Length: 6", "Cache-Control: "}, content: "Hello\n",
}, {
	name: "empty file", request: "GET /empty.txt", status: "200 OK",
	fields: []string{"Content-Type: text/plain; charset=utf-8", "Content-Length: 0"},
}, {
	name: "file without an extension", request: "GET /noext", status: "200 OK",
	fields: []string{"Content-Type: application/octet-stream"}, content: "no extension\n",
}, {
	name: "unknown extension", request: "GET /x.unknown", status: "200 OK",
	fields: []string{"Content-Type: application/octet-stream"}, content: "unknown\n",
}, {
	name: "extension in upper case", request: "GET /picture.PNG", status: "200 OK",
	fields: []string{"Content-Type: image/png"}, content: "\x89PNG\r\n\x1a\n",
}, {
	name: "query", request: "GET /hello.txt?a=/docs/", status: "200 OK", content: "Hello\n",
	why: "a file is the same with any query",
}, {
	name: "absolute-form", request: "GET http://a/hello.txt", status: "200 OK", content: "Hello\n",
}, {
	name: "deep path", request: "GET /deep/1/2/3/4/5/6/7/8/9/deep.txt", status: "200 OK", content: "deep\n",
}, {
	name: "deep path with dot segments", request: "GET /deep/1/./2/x/../3/4/5/6/7/8/9/../9/deep.txt", status: "200 OK", content: "deep\n",
	why: "dot segments are removed from the text, RFC 3986, section 5.2.4, so x need not exist",
}, {
	name: "runs of slashes", request: "GET //deep///1/2/3//4/5/6/7/8/9/deep.txt", status: "200 OK", content: "deep\n",
}, {
	name: "missing", request: "GET /missing.txt", status: "404 Not Found",
	fields: []string{"Content-Type: text/plain; charset=utf-8"}, content: "404 Not Found\n",
}, {
	name: "missing folder", request: "GET /missing/", status: "404 Not Found", content: "404 Not Found\n",
}, {
	name: "missing below a missing folder", request: "GET /missing/a/b", status: "404 Not Found", content: "404 Not Found\n",
}, {
	name: "below a file", request: "GET /hello.txt/a", status: "404 Not Found", content: "404 Not Found\n",
	why: "ENOTDIR means that the name does not exist",
}, {
	name: "file with a slash", request: "GET /hello.txt/", status: "404 Not Found", content: "404 Not Found\n",
	why: "relative references in the file would be resolved against the wrong path",
}, {
	name: "HEAD of a file with a slash", request: "HEAD /hello.txt/", status: "404 Not Found",
}, {
	name: "index file with a slash", request: "GET /site/index.html/", status: "404 Not Found", content: "404 Not Found\n",
}, {
	name: "name of 300 bytes", request: "GET /" + strings.Repeat("n", 300), status: "404 Not Found", content: "404 Not Found\n",
	why: "ENAMETOOLONG means that the name does not exist",
}, {
	name: "path of 7900 bytes", request: "GET " + strings.Repeat("/nnnnnnnnn", 790), status: "404 Not Found", content: "404 Not Found\n",
	why: "the path is longer than any system allows",
}, {
	name: "300 segments", request: "GET " + strings.Repeat("/n", 300), status: "404 Not Found", content: "404 Not Found\n",
},

	// Folders.
	{
		name: "listing", request: "GET /docs/", status: "200 OK",
		fields: []string{"Content-Type: text/plain; charset=utf-8", "Cache-Control: no-cache", "Last-Modified: "}, content: "sub/\na.txt\nb.txt\n",
		why: "the time of a folder does not reflect changes in its files",
	}, {
		name: "listing of a dot segment", request: "GET /docs/sub/..", status: "200 OK", content: "sub/\na.txt\nb.txt\n",
		why: "a path that ends in a dot segment names a folder",
	}, {
		name: "listing with a query", request: "GET /docs/?a=b", status: "200 OK", content: "sub/\na.txt\nb.txt\n",
	}, {
		name: "HEAD of a listing", request: "HEAD /docs/", status: "200 OK",
		fields: []string{"Content-Type: text/plain; charset=utf-8", "Cache-Control: no-cache"},
	}, {
		name: "ListNone", request: "GET /docs/", opts: []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, status: "404 Not Found", content: "404 Not Found\n",
	}, {
		name: "ListNone, root", request: "GET /", opts: []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, status: "404 Not Found", content: "404 Not Found\n",
	}, {
		name: "ListNone, POST", request: "POST /docs/", opts: []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, status: "404 Not Found", content: "404 Not Found\n",
		why: "a missing resource has no methods",
	}, {
		name: "ListNone, index file", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, status: "200 OK",
		content: "<!doctype html><title>Site</title>\n",
	}, {
		name: "folder without a slash", request: "GET /docs", status: "301 Moved Permanently",
		fields: []string{"Location: ./docs/"}, content: "301 Moved Permanently\n",
	}, {
		name: "HEAD of a folder without a slash", request: "HEAD /docs", status: "301 Moved Permanently",
		fields: []string{"Location: ./docs/"},
	}, {
		name: "folder without a slash, with a query", request: "GET /docs?a=b/c?&d=%20", status: "301 Moved Permanently",
		fields: []string{"Location: ./docs/?a=b/c?&d=%20"}, content: "301 Moved Permanently\n", why: "the query is copied unchanged",
	}, {
		name: "folder below a folder", request: "GET /docs/sub", status: "301 Moved Permanently",
		fields: []string{"Location: ./sub/"}, content: "301 Moved Permanently\n", why: "the reference is relative to /docs/",
	}, {
		name: "folder after two slashes", request: "GET //docs", status: "301 Moved Permanently",
		fields: []string{"Location: ./docs/"}, content: "301 Moved Permanently\n", why: "//docs/ would name another host",
	}, {
		name: "folder with an encoded slash", request: "GET /docs/sub%2f?a", status: "301 Moved Permanently",
		fields: []string{"Location: ./sub%2F/?a"}, content: "301 Moved Permanently\n", why: "to the client this is a name in /docs/, so it would resolve relative references in a page against /docs/",
	}, {
		name: "index file of a folder with an encoded slash", request: "GET /site%2F", status: "301 Moved Permanently",
		fields: []string{"Location: ./site%2F/"}, content: "301 Moved Permanently\n",
	}, {
		name: "index file after an encoded slash and a slash", request: "GET /site%2F/", status: "200 OK",
		content: "<!doctype html><title>Site</title>\n", why: "the redirect leads to the folder",
	}, {
		name: "POST to a folder with an encoded slash", request: "POST /docs%2F", status: "405 Method Not Allowed",
		fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n",
	}, {
		name: "folder with a blank", request: "GET /sp%20ace", status: "301 Moved Permanently",
		fields: []string{"Location: ./sp%20ace/"}, content: "301 Moved Permanently\n",
	}, {
		name: "folder with a percent sign", request: "GET /50%25", status: "301 Moved Permanently",
		fields: []string{"Location: ./50%25/"}, content: "301 Moved Permanently\n", why: "decoded once and escaped again",
	}, {
		name: "folder with a colon", request: "GET /c:d", strange: true, status: "301 Moved Permanently",
		fields: []string{"Location: ./c%3Ad/"}, content: "301 Moved Permanently\n", why: "c: would be a scheme",
	}, {
		name: "folder with a question mark", request: "GET /q%3F?x", strange: true, status: "301 Moved Permanently",
		fields: []string{"Location: ./q%3F/?x"}, content: "301 Moved Permanently\n",
	}, {
		name: "folder without a slash, index file", request: "GET /site", status: "301 Moved Permanently",
		fields: []string{"Location: ./site/"}, content: "301 Moved Permanently\n",
	}, {
		name: "folder without a slash, ListNone", request: "GET /site", opts: []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, status: "301 Moved Permanently",
		fields: []string{"Location: ./site/"}, content: "301 Moved Permanently\n",
	},

	// Index files.
	{
		name: "index file", request: "GET /site/", status: "200 OK",
		fields: []string{"Content-Type: text/html; charset=utf-8"}, content: "<!doctype html><title>Site</title>\n",
	}, {
		name: "index file by its name", request: "GET /site/index.html", status: "200 OK",
		fields: []string{"Location: "}, content: "<!doctype html><title>Site</title>\n", why: "served as a file, without a redirect",
	}, {
		name: "first of two index files", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithIndex("other.html", "index.html")}, status: "200 OK",
		content: "<!doctype html><title>Other</title>\n", why: "index files are tried in the order of the option",
	}, {
		name: "second of two index files", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithIndex("missing.html", "index.html")}, status: "200 OK",
		content: "<!doctype html><title>Site</title>\n",
	}, {
		name: "no index files", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithIndex()}, status: "200 OK",
		fields: []string{"Content-Type: text/plain; charset=utf-8"}, content: "index.html\nother.html\n",
	}, {
		name: "index file that is a folder", request: "GET /both/", status: "200 OK",
		content: "index.html/\ndefault.htm\n", why: "only a regular file can be an index file",
	}, {
		name: "index file after one that is a folder", request: "GET /both/", opts: []rawhttp.FileOption{rawhttp.WithIndex("index.html", "default.htm")}, status: "200 OK",
		content: "<!doctype html><title>Default</title>\n",
	}, {
		name: "folder named like an index file", request: "GET /both/index.html", status: "301 Moved Permanently",
		fields: []string{"Location: ./index.html/"}, content: "301 Moved Permanently\n",
	}, {
		name: "hidden index file", request: "GET /", opts: []rawhttp.FileOption{rawhttp.WithIndex(".hidden.txt")}, status: "200 OK",
		content: "hidden\n", why: "the option names it explicitly",
	}, {
		name: "hidden index file by its name", request: "GET /.hidden.txt", opts: []rawhttp.FileOption{rawhttp.WithIndex(".hidden.txt")}, status: "404 Not Found",
		content: "404 Not Found\n",
	},

	// Names that begin with a dot.
	{name: "dot file", request: "GET /.hidden.txt", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "dot file, encoded", request: "GET /%2Ehidden.txt", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "dot folder", request: "GET /.secret/", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "dot folder without a slash", request: "GET /.secret", status: "404 Not Found", fields: []string{"Location: "}, content: "404 Not Found\n"},
	{name: "below a dot folder", request: "GET /.secret/key.txt", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "dot file in a folder", request: "GET /docs/.draft.txt", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "two dots and a letter", request: "GET /..a", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "POST to a dot file", request: "POST /.hidden.txt", status: "404 Not Found", content: "404 Not Found\n", why: "405 would reveal that it exists"},
	{name: "OPTIONS of a dot file", request: "OPTIONS /.hidden.txt", status: "404 Not Found", content: "404 Not Found\n", why: "204 would reveal that it exists"},
	{name: "dot file shown", request: "GET /.hidden.txt", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, status: "200 OK", content: "hidden\n"},
	{name: "below a dot folder shown", request: "GET /.secret/key.txt", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, status: "200 OK", content: "key\n"},
	{name: "two dots and a letter shown", request: "GET /..a", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, status: "200 OK", content: "dots\n"},
	{name: "dot folder listed", request: "GET /.secret/", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, status: "200 OK", content: "key.txt\n"},
	{name: "listing with dot files", request: "GET /docs/", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, status: "200 OK", content: "sub/\n.draft.txt\na.txt\nb.txt\n"},
	{name: "dot files shown and hidden again", request: "GET /.hidden.txt", opts: []rawhttp.FileOption{rawhttp.WithDotFiles(true), rawhttp.WithDotFiles(false)}, status: "404 Not Found", content: "404 Not Found\n", why: "the later option wins"},

	// Methods.
	{name: "HEAD", request: "HEAD /hello.txt", status: "200 OK", fields: []string{"Content-Type: text/plain; charset=utf-8", "Content-Length: 6"}},
	{name: "HEAD of a missing file", request: "HEAD /missing", status: "404 Not Found", fields: []string{"Content-Length: 14"}},
	{name: "POST", request: "POST /hello.txt", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "PUT", request: "PUT /hello.txt", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "DELETE", request: "DELETE /hello.txt", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "PATCH", request: "PATCH /hello.txt", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "POST to a folder", request: "POST /docs/", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "POST to a folder without a slash", request: "POST /docs", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS", "Location: "}, content: "405 Method Not Allowed\n", why: "only GET and HEAD are redirected"},
	{name: "POST to an index file", request: "POST /site/", status: "405 Method Not Allowed", fields: []string{"Allow: GET, HEAD, OPTIONS"}, content: "405 Method Not Allowed\n"},
	{name: "unknown method", request: "BREW /hello.txt", status: "501 Not Implemented", fields: []string{"Allow: "}, content: "501 Not Implemented\n"},
	{name: "method in lower case", request: "get /hello.txt", status: "501 Not Implemented", content: "501 Not Implemented\n", why: "methods are case-sensitive, RFC 9110, section 9.1"},
	{name: "OPTIONS", request: "OPTIONS /hello.txt", status: "204 No Content", fields: []string{"Allow: GET, HEAD, OPTIONS", "Content-Length: ", "Content-Type: "}},
	{name: "OPTIONS of a folder", request: "OPTIONS /docs/", status: "204 No Content", fields: []string{"Allow: GET, HEAD, OPTIONS"}},
	{name: "OPTIONS of a folder without a slash", request: "OPTIONS /docs", status: "204 No Content", fields: []string{"Allow: GET, HEAD, OPTIONS"}},
	{name: "OPTIONS of a missing file", request: "OPTIONS /missing", status: "404 Not Found", fields: []string{"Allow: "}, content: "404 Not Found\n"},
	{name: "POST to a missing file", request: "POST /missing", status: "404 Not Found", fields: []string{"Allow: "}, content: "404 Not Found\n", why: "a missing resource has no methods"},
	{name: "unknown method on a missing file", request: "BREW /missing", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "POST to a file with a slash", request: "POST /hello.txt/", status: "404 Not Found", fields: []string{"Allow: "}, content: "404 Not Found\n", why: "no such file exists"},
	{name: "OPTIONS of a file with a slash", request: "OPTIONS /hello.txt/", status: "404 Not Found", content: "404 Not Found\n", why: "no such file exists"},

	// Options.
	{name: "media type set by an option", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".txt", "text/x-mine; a=\"b\"")}, status: "200 OK", fields: []string{`Content-Type: text/x-mine; a="b"`}, content: "Hello\n", why: "the value is sent verbatim"},
	{name: "media type of an extension in upper case", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".TXT", "text/x-mine")}, status: "200 OK", fields: []string{"Content-Type: text/x-mine"}, content: "Hello\n"},
	{name: "media type of an unknown extension", request: "GET /x.unknown", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".other", "a/b"), rawhttp.WithMediaType(".unknown", "text/x-known")}, status: "200 OK", fields: []string{"Content-Type: text/x-known"}, content: "unknown\n"},
	{name: "media type, the later option wins", request: "GET /picture.PNG", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".png", "a/b"), rawhttp.WithMediaType(".Png", "c/d")}, status: "200 OK", fields: []string{"Content-Type: c/d"}, content: "\x89PNG\r\n\x1a\n"},
	{name: "media type of an index file", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".html", "text/x-mine")}, status: "200 OK", fields: []string{"Content-Type: text/x-mine"}, content: "<!doctype html><title>Site</title>\n"},
	{name: "media type of another extension", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithMediaType(".xt", "a/b"), rawhttp.WithMediaType(".text", "a/b")}, status: "200 OK", fields: []string{"Content-Type: text/plain; charset=utf-8"}, content: "Hello\n"},
	{name: "Cache-Control", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("public, max-age=60")}, status: "200 OK", fields: []string{"Cache-Control: public, max-age=60"}, content: "Hello\n"},
	{name: "Cache-Control of an index file", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("no-store")}, status: "200 OK", fields: []string{"Cache-Control: no-store"}, content: "<!doctype html><title>Site</title>\n"},
	{name: "Cache-Control of a listing", request: "GET /docs/", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("public")}, status: "200 OK", fields: []string{"Cache-Control: no-cache"}, content: "sub/\na.txt\nb.txt\n", why: "a listing has its own"},
	{name: "Cache-Control of a missing file", request: "GET /missing", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("public")}, status: "404 Not Found", fields: []string{"Cache-Control: "}, content: "404 Not Found\n", why: "the option applies to files only"},
	{name: "Cache-Control of a pattern that matches", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/docs/*")}, status: "200 OK", fields: []string{"Cache-Control: x"}, content: "a\n"},
	{name: "Cache-Control of a pattern that does not match", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/docs/*")}, status: "200 OK", fields: []string{"Cache-Control: "}, content: "Hello\n"},
	{name: "Cache-Control of patterns that match only a part of the path", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/*.txt", "/a.txt")}, status: "200 OK", fields: []string{"Cache-Control: "}, content: "a\n", why: "\"*\" matches no slash"},
	{name: "Cache-Control of the second of two patterns", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/none", "/*/a.txt")}, status: "200 OK", fields: []string{"Cache-Control: x"}, content: "a\n"},
	{name: "Cache-Control of all files, pattern does not match", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("no-cache"), rawhttp.WithCacheControl("immutable", "/docs/*")}, status: "200 OK", fields: []string{"Cache-Control: no-cache"}, content: "Hello\n"},
	{name: "Cache-Control of all files, later pattern matches", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("no-cache"), rawhttp.WithCacheControl("immutable", "/docs/*")}, status: "200 OK", fields: []string{"Cache-Control: immutable"}, content: "a\n"},
	{name: "Cache-Control of all files after a pattern that matches", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("immutable", "/docs/*"), rawhttp.WithCacheControl("no-cache")}, status: "200 OK", fields: []string{"Cache-Control: no-cache"}, content: "a\n"},
	{name: "Cache-Control removed by a pattern", request: "GET /docs/a.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x"), rawhttp.WithCacheControl("", "/docs/*")}, status: "200 OK", fields: []string{"Cache-Control: "}, content: "a\n"},
	{name: "Cache-Control of a decoded path", request: "GET /d%6Fcs/%61.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/docs/a.txt")}, status: "200 OK", fields: []string{"Cache-Control: x"}, content: "a\n"},
	{name: "Cache-Control of an index file by its path", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/site/")}, status: "200 OK", fields: []string{"Cache-Control: x"}, content: "<!doctype html><title>Site</title>\n"},
	{name: "Cache-Control of an index file by its name", request: "GET /site/", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/site/index.html")}, status: "200 OK", fields: []string{"Cache-Control: "}, content: "<!doctype html><title>Site</title>\n", why: "patterns are matched with the path of the request"},
	{name: "Cache-Control of a redirect", request: "GET /docs", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("x", "/docs", "/docs/"), rawhttp.WithCacheControl("y")}, status: "301 Moved Permanently", fields: []string{"Cache-Control: "}, content: "301 Moved Permanently\n", why: "the option applies to files only"},
	{name: "Cache-Control of a listing at a pattern", request: "GET /docs/", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("immutable", "/docs/")}, status: "200 OK", fields: []string{"Cache-Control: no-cache"}, content: "sub/\na.txt\nb.txt\n", why: "a listing has its own"},
	{name: "Cache-Control of a missing file that matches a pattern", request: "GET /docs/none", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("immutable", "/docs/*")}, status: "404 Not Found", fields: []string{"Cache-Control: "}, content: "404 Not Found\n", why: "the option applies to files only"},
	{name: "Cache-Control removed", request: "GET /hello.txt", opts: []rawhttp.FileOption{rawhttp.WithCacheControl("public"), rawhttp.WithCacheControl("")}, status: "200 OK", fields: []string{"Cache-Control: "}, content: "Hello\n"},
	{name: "an option that is nil", request: "GET /hello.txt", opts: []rawhttp.FileOption{nil}, status: "200 OK", content: "Hello\n", why: "nil is ignored"},

	// Names that have to be escaped.
	{name: "blank", request: "GET /a%20b.txt", status: "200 OK", content: "space\n"},
	{name: "plus sign for a blank", request: "GET /a+b.txt", status: "404 Not Found", content: "404 Not Found\n", why: "a plus sign means a blank only in queries"},
	{name: "percent sign", request: "GET /100%25.txt", status: "200 OK", content: "percent\n"},
	{name: "percent sign, not encoded", request: "GET /100%.txt", status: "400 Bad Request", content: "400 Bad Request: path has a percent sign without two hexadecimal digits (RFC 3986, section 2.1)\n"},
	{name: "encoded twice", request: "GET /%2568ello.txt", status: "404 Not Found", content: "404 Not Found\n", why: "decoded once: the name is %68ello.txt"},
	{name: "every byte encoded", request: "GET /%68%65%6C%6c%6F%2e%74%78%74", status: "200 OK", fields: []string{"Content-Type: text/plain; charset=utf-8"}, content: "Hello\n"},
	{name: "encoded slash", request: "GET /docs%2Fa.txt", status: "200 OK", content: "a\n", why: "%2F decodes to a slash"},
	{name: "file with an encoded slash", request: "GET /hello.txt%2F", status: "404 Not Found", content: "404 Not Found\n", why: "the path ends in a slash"},
	{name: "other signs", request: "GET /%23&+=@[].txt", status: "200 OK", content: "signs\n"},
	{name: "question mark", request: "GET /what%3F.txt", strange: true, status: "200 OK", content: "question mark\n"},
	{name: "question mark, not encoded", request: "GET /what?.txt", strange: true, status: "404 Not Found", content: "404 Not Found\n", why: "a question mark begins the query"},
	{name: "line feed", request: "GET /line%0Abreak.txt", strange: true, status: "200 OK", content: "line feed\n"},
	{name: "markup", request: "GET /%3Cb%3E%22'.txt", strange: true, status: "200 OK", content: "markup\n"},
	{name: "not ASCII", request: "GET /%C3%BC.txt", strange: true, status: "200 OK", content: "not ASCII\n"},
	{name: "percent signs of dot segments", request: "GET /%252e%252e", strange: true, status: "200 OK", content: "percent signs\n", why: "once decoded, %2e%2e is an ordinary name"},
	{name: "blank and dot at the end", request: "GET /end%20.", strange: true, status: "200 OK", content: "blank and dot\n"},
	{name: "backslash", request: "GET /back%5Cslash.txt", backslash: true, status: "200 OK", content: "backslash\n"},
	{name: "backslash for a slash", request: "GET /docs%5Ca.txt", status: "404 Not Found", content: "404 Not Found\n", why: "a backslash separates nothing, on any system"},
	{name: "backslash, not encoded", request: `GET /docs\a.txt`, status: "400 Bad Request", content: "400 Bad Request: path has a backslash (RFC 3986, section 3.3)\n"},
	{name: "not UTF-8", request: "GET /%FF%FE.txt", bytes: true, status: "200 OK", fields: []string{"Content-Type: text/plain; charset=utf-8"}, content: "not UTF-8\n", why: "a name is any sequence of bytes"},
	{name: "not UTF-8, missing", request: "GET /%80", status: "404 Not Found", content: "404 Not Found\n"},
	{name: "NUL", request: "GET /hello.txt%00", status: "400 Bad Request", content: "400 Bad Request: path has an encoded NUL (RFC 3986, section 7.3)\n"},
	{name: "control bytes", request: "GET /hello.txt%01%0D%0A", status: "404 Not Found", content: "404 Not Found\n"},
}
