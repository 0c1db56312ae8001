package testkit

import (
	"strconv"
	"strings"
)

// GetRequest returns a request for the path, with more field lines.
func GetRequest(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: example.test"}, fields...), "\r\n") + "\r\n\r\n"
}

// PostRequest returns a request with content.
func PostRequest(path, content string, fields ...string) string {
	return post(path, append(fields, "Content-Length: "+strconv.Itoa(len(content)))) + content
}

// ChunkedRequest returns a request with content that is already chunked.
func ChunkedRequest(path, content string, fields ...string) string {
	return post(path, append(fields, "Transfer-Encoding: chunked")) + content
}

func post(path string, fields []string) (head string) {
	return "POST" + strings.TrimPrefix(GetRequest(path, fields...), "GET")
}

// BrowserHead is a request head as a browser sends it.
const BrowserHead = "GET /docs/a%20page%20of%20its%20own%2A.html HTTP/1.1\r\n" +
	"Host: localhost:8080\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Priority: u=0, i\r\n\r\n"

// HeadSeeds are inputs for fuzz targets that parse request heads: valid heads, refused ones, and
// bytes of other protocols.
var HeadSeeds = []string{
	"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest",
	"POST /a%20b/../c?q=%zz HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
	"GET http://a.test:8080?x HTTP/1.1\r\nHost: b\r\nConnection: foo, Close\r\n\r\n",
	"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
	"\r\nGET //a/./%2e%2e/b HTTP/1.2\r\nhost: \t a \t\r\nX:\r\nX: \xff\tq\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip;a=\"x,y\", chunked\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n b\n\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01",
	"HEAD /a HTTP/1.1\r\nHost : a\r\nA",
}
