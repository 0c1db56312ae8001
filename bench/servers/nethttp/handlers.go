package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/rawhttp/bench/servers/contract"
)

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "Hello, World!\n")
}

// sidecars serves name.gz for name to clients that accept gzip.
func sidecars(files http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Content-Encoding", "gzip")
			r.URL.Path += ".gz"
		}
		files.ServeHTTP(w, r)
	})
}

// An entry is an entry of a listing in JSON.
type entry struct {
	Name  string    `json:"name"`
	Dir   bool      `json:"dir"`
	Size  int64     `json:"size"`
	MTime time.Time `json:"mtime"`
}

func listingJSON(folder string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names, err := os.ReadDir(filepath.Join(folder, filepath.Clean("/"+r.URL.Path)))
		if err != nil {
			http.Error(w, http.StatusText(404), 404)
			return
		}
		entries := make([]entry, 0, len(names))
		for _, name := range names {
			if info, err := name.Info(); err == nil { // otherwise it is gone by now
				entries = append(entries, entry{name.Name(), name.IsDir(), info.Size(), info.ModTime()})
			}
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(entries)
	})
}

func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(contract.Sink{}, r.Body)
	if err != nil {
		http.Error(w, http.StatusText(400), 400)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, contract.Received(n))
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(contract.EventInterval)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, contract.Event); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func proxy(origin string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: origin})
			r.SetXForwarded()
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
	}
}
