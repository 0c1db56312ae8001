package main

import (
	"runtime"
	"runtime/debug"
)

// usage is also the package comment.
const usage = `usage: rawhttp [flags] [folder]      serve the folder (default: the current one)
       rawhttp send HOST:PORT ...    send exact bytes, and show both sides
       rawhttp spy HOST:PORT         relay to a server, and show both sides
       rawhttp check [file]          check a request, and show its parts

Listening
  -port N                 listen on this port, for this machine only
                          (default 8080; 0 chooses a free port)
  -addr HOST:PORT         listen on this address; :9000 is for the whole network
  -host NAME              also answer requests for this host, or for all hosts
                          with '*'. By default, a server that only this machine
                          can reach refuses other hosts, so that no web page
                          can read the folder (DNS rebinding)
  -auth, -auth=FILE       require a password: user:password from the environment
                          variable RAWHTTP_AUTH, or from each line of FILE

Serving
  -list FORM              list folders as html, text, or none (default html)
  -index NAMES            serve the first of these files in place of a folder;
                          comma-separated, "" for none (default index.html)
  -dotfiles               also serve names that begin with a dot
  -spa                    serve index.html for pages that do not exist
  -script EXT[=COMMAND]   run files and send what they print, as in
                          .py=python3; without a command, run the file itself
  -precompressed CODINGS  serve a.js.br for a.js, and so on: br,zstd,gzip
  -type NAME=TYPE         set a media type: .md=text/plain, or TODO=text/plain
  -cache PATTERN=VALUE    set Cache-Control, as in '/assets/*=max-age=86400';
                          the last pattern that matches wins
  -header 'NAME: VALUE'   add a field to responses; for CORS:
                          'Access-Control-Allow-Origin: *'. Responses to
                          malformed requests do not have it
  -server TEXT            send this Server field
  -lenient                accept requests from old or hand-written clients, for
                          any host

Output
  -log                    log requests, and why they are refused
  -trace, -trace=WHAT     show the conversation line by line; WHAT is full, for
                          all content, or decoded, for compressed content too
  -color WHEN             use colors: auto, always or never
  -version                print the version; -h prints this text

-host, -script, -type, -cache and -header may be repeated. Flags may follow the
folder. To serve a folder named like a command, write ./send. ^C lets requests
in progress finish; a second ^C stops at once.
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
