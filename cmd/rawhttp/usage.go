package main

import (
	"runtime"
	"runtime/debug"
)

// usage is the package comment, too.
const usage = `usage: rawhttp [flags] [folder]      serve it, or else the working directory
       rawhttp send HOST:PORT ...    send exact bytes, and show both sides
       rawhttp spy HOST:PORT         relay to a server, and show both sides
       rawhttp check [file]          show the parts of a request, or its mistake

Where it listens
  -port N                 on this machine alone (default 8080; 0 is any)
  -addr HOST:PORT         on this address; :9000 shares it with the network
  -host NAME              answer to this name too, or to any with '*'. Who
                          listens on this machine alone refuses other names,
                          or web pages could read the folder (DNS rebinding)
  -auth, -auth=FILE       ask for a user:password: that in the environment
                          variable RAWHTTP_AUTH, or one of the lines of FILE

What it serves
  -list FORM              folders as html, text, or none: 404 (default html)
  -index NAMES            files that stand for their folder, comma-separated,
                          "" for none (default index.html)
  -dotfiles               names that begin with a dot, too
  -spa                    index.html where a page does not exist
  -script EXT[=COMMAND]   run these files and send what they print, as in
                          .py=python3; without a command, the files themselves
  -precompressed CODINGS  a.js.br for a.js, and so on: br,zstd,gzip
  -type .EXT=TYPE         this media type, as in .wasm=application/wasm
  -cache PATTERN=VALUE    Cache-Control, as in '/assets/*=max-age=86400'
  -header 'NAME: VALUE'   this field with each response; for CORS:
                          'Access-Control-Allow-Origin: *'
  -server TEXT            this Server field
  -lenient                requests as old or hand-written clients send them,
                          to any host

What it shows
  -log                    each request, and why one is refused
  -trace, -trace=WHAT     the conversation, line by line; full: all content;
                          decoded: what is compressed, too
  -color WHEN             auto, always or never
  -version                the version; -h this text

-host, -script, -type, -cache and -header may be repeated. Flags may follow the
folder. A folder named as a command is ./send. ^C lets requests in progress end,
a second one does not.
`

// version returns what -version prints.
func version() string {
	v, revision := "(unknown version)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && v == "(devel)" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return "rawhttp " + v + revision + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
