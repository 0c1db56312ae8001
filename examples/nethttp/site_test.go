package nethttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

// changed is the modification time of the files of the site.
var changed = time.Date(2026, 11, 2, 8, 15, 0, 0, time.UTC)

// writeFiles writes the files of the site into a folder.
func writeFiles(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	files := map[string]string{
		"index.html":   "<!doctype html><title>index</title>",
		"a.txt":        "a text\n",
		"big.bin":      long(300_000),
		"sub/page.txt": "below\n",
		"a b.txt":      "a blank in the name\n",
	}
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644), os.Chtimes(path, changed, changed)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// site returns a handler with one path for each feature of handlers.
func site(root string) http.Handler {
	mux := http.NewServeMux()
	files := http.FileServerFS(os.DirFS(root))
	mux.Handle("/files/", http.StripPrefix("/files", files))
	mux.HandleFunc("GET /request/{id}/{rest...}", showRequest)
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Type", "application/octet-stream")
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/body", showBody)
	mux.HandleFunc("/limited", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, fmt.Sprint("at most ", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprint(w, "ok ", err)
	})
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/html", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<!doctype html><p>guess") })
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte{0, 1, 2, 0xff}) })
	mux.HandleFunc("/notype", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "no type")
	})
	mux.HandleFunc("/coded", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "x")
		io.WriteString(w, "no guess")
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", Secure: true, SameSite: http.SameSiteLaxMode})
		for _, c := range r.Cookies() {
			fmt.Fprintln(w, c.Name, c.Value)
		}
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.Header().Set("Etag", `"v1"`)
		w.WriteHeader(code)
		if _, err := io.WriteString(w, "content"); err != nil && err != http.ErrBodyNotAllowed {
			panic(err)
		}
	})
	mux.HandleFunc("/length/{declared}/{written}", func(w http.ResponseWriter, r *http.Request) {
		var written int
		fmt.Sscan(r.PathValue("written"), &written)
		w.Header().Set("Content-Length", r.PathValue("declared"))
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, long(written))
	})
	mux.HandleFunc("/content/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.PathValue("n"), &n)
		w.Header().Set("Content-Type", "text/plain")
		for text := long(n); len(text) > 0; {
			part := text[:min(len(text), 1000)]
			io.WriteString(w, part)
			text = text[len(part):]
		}
	})
	mux.HandleFunc("/flush", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for i := range 3 {
			fmt.Fprintln(w, i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			w.Header().Set("X-Late", "is not sent")
		}
	})
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Count")
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, long(5000))
		w.Header().Set("X-Sum", "abc")
		w.Header().Set("X-Count", "5000")
	})
	mux.HandleFunc("/trailer/short", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "short")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "1")
	})
	mux.HandleFunc("/trailer/late", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "flushed")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "1")
	})
	mux.HandleFunc("/abort", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/abort/late", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) { panic("a mistake") })
	mux.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "final")
	})
	mux.HandleFunc("/deadline", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		fmt.Fprintln(w, rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{}))
	})
	mux.HandleFunc("/close", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "the last")
	})
	mux.HandleFunc("/date", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		io.WriteString(w, "no date")
	})
	mux.Handle("/timeout", http.TimeoutHandler(http.HandlerFunc(showRequest), time.Minute, "late"))
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "to?q=1", http.StatusFound) })
	mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
		r.ParseMultipartForm(1 << 20)
		fmt.Fprint(w, r.Form.Encode(), " ", r.PostForm.Encode())
	})
	mux.Handle("/chi/", http.StripPrefix("/chi", chiRouter()))
	return mux
}

// chiRouter returns a router with parameters, groups and middleware.
func chiRouter() http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Middleware", "1")
			next.ServeHTTP(w, r)
		})
	})
	r.Get("/item/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "item %q of %s", chi.URLParam(r, "id"), chi.RouteContext(r.Context()).RoutePattern())
	})
	r.Route("/group", func(r chi.Router) {
		r.Post("/", showBody)
		r.Put("/{name:[a-z]+}", showBody)
	})
	return r
}

// showRequest answers with a description of the request as a handler sees it.
func showRequest(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	user, password, _ := r.BasicAuth()
	h := r.Header.Clone()
	for _, name := range []string{"X-Forwarded-For", "User-Agent", "Accept-Encoding"} {
		h.Del(name) // proxies add these
	}
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "proto": r.Proto, "host": r.Host, "uri": r.RequestURI, "path": r.URL.Path,
		"raw": r.URL.RawPath, "query": r.URL.RawQuery, "form": r.Form, "header": h, "length": r.ContentLength,
		"coding": r.TransferEncoding, "close": r.Close, "tls": r.TLS != nil, "id": r.PathValue("id"),
		"rest": r.PathValue("rest"), "pattern": r.Pattern, "user": user + ":" + password,
		"local": r.Context().Value(http.LocalAddrContextKey) != nil, "server": r.Context().Value(http.ServerContextKey) != nil,
		"remote": r.RemoteAddr != "", "url": r.URL.Scheme + "|" + r.URL.Host,
	})
}

// showBody answers with the content of the request and its trailer fields.
func showBody(w http.ResponseWriter, r *http.Request) {
	before := slices.Sorted(maps.Keys(r.Trailer))
	content, err := io.ReadAll(r.Body)
	fmt.Fprintln(w, r.ContentLength, len(content), string(content[:min(len(content), 20)]), err, before, r.Trailer)
	_, err = r.Body.Read(make([]byte, 1))
	fmt.Fprintln(w, err, r.Body.Close())
	_, err = r.Body.Read(make([]byte, 1))
	fmt.Fprintln(w, err)
}

// proxyTo returns a reverse proxy for the server at addr.
func proxyTo(t *testing.T, addr string) http.Handler {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		ErrorLog:  log.New(t.Output(), "", 0),
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: addr})
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(t.Output(), strings.TrimSpace(err.Error())+"\n")
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex() // otherwise net/http stops reading when it begins to write
		proxy.ServeHTTP(w, r)
	})
}
