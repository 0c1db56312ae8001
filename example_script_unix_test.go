//go:build unix

package rawhttp_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"example.com/rawhttp"
)

// A script prints fields, an empty line, and content; or content alone.
func ExampleWithScript() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, source := range map[string]string{
		"greet.sh":  "echo Content-Type: text/plain; echo; echo Hello, $QUERY_STRING.",
		"upper.sh":  "echo Content-Type: text/plain; echo; exec tr a-z A-Z",
		"page.sh":   "echo '<h1>Welcome</h1>'",
		"away.sh":   "echo Location: https://example.test/; echo",
		"broken.sh": "exit 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			log.Fatal(err)
		}
	}

	files, err := rawhttp.Dir(dir, rawhttp.WithScript(".sh", "sh"))
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	for _, request := range []string{ // in HTTP/1.0 no answer is chunked, however long a script takes
		"GET /greet.sh?Ann HTTP/1.0\r\n\r\n",
		"GET /page.sh HTTP/1.0\r\n\r\n",
		"POST /upper.sh HTTP/1.0\r\nContent-Length: 5\r\n\r\nquiet",
		"GET /away.sh HTTP/1.0\r\n\r\n",
		"GET /broken.sh HTTP/1.0\r\n\r\n",
	} {
		answer := rawhttp.Answer(files, request)
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %q\n", statusLine, content)
	}
	// Output:
	// HTTP/1.1 200 OK: "Hello, Ann.\n"
	// HTTP/1.1 200 OK: "<h1>Welcome</h1>\n"
	// HTTP/1.1 200 OK: "QUIET"
	// HTTP/1.1 302 Found: ""
	// HTTP/1.1 500 Internal Server Error: "500 Internal Server Error\n"
}
