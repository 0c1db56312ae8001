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
	fmt.Println(get(files, "/greet.sh?Ann"))
	fmt.Println(get(files, "/page.sh"))
	fmt.Println(ask(files, "POST /upper.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nquiet"))
	status, _ := ask(files, "GET /away.sh HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Println(strings.TrimSpace(status))
	fmt.Println(get(files, "/broken.sh"))
	// Output:
	// 200 OK Hello, Ann.
	//
	// 200 OK <h1>Welcome</h1>
	//
	// 200 OK QUIET
	// 302 Found
	// 500 Internal Server Error 500 Internal Server Error
}
