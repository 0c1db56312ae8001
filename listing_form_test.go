package rawhttp

import (
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// listingAsk gives the answer of a resolver to a request line, which may lack the
// version, with the field lines.
func listingAsk(t testing.TB, r Resolver, requestLine string, fieldLines ...string) filesAnswer {
	t.Helper()
	if !strings.Contains(requestLine, " HTTP/") {
		requestLine += " HTTP/1.1"
	}
	lines := append([]string{requestLine, "Host: a"}, fieldLines...)
	req := writeRequest(t, strings.Join(lines, "\r\n")+"\r\n\r\n")
	resp, err := r.Resolve(t.Context(), req)
	if err != nil {
		return filesAnswer{Status: fmt.Sprint(StatusOf(err))}
	}
	var b strings.Builder
	if _, err := WriteResponse(t.Context(), &b, req, resp); err != nil {
		t.Errorf("%s: WriteResponse: %v", requestLine, err)
	}
	a := filesTake(t, b.String())
	delete(a.Fields, "Date")
	if a.Fields["Transfer-Encoding"] == "chunked" {
		content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(a.Content)))
		if err != nil {
			t.Errorf("%s: content: %v", requestLine, err)
		}
		a.Content = string(content)
	}
	return a
}
