// Command rawhttp serves a folder over HTTP/1.1, and shows and sends the bytes of conversations.
//
//	usage: rawhttp [flags] [folder]      serve the folder (default: the current one)
//	       rawhttp send HOST:PORT ...    send exact bytes, and show both sides
//	       rawhttp spy HOST:PORT         relay to a server, and show both sides
//	       rawhttp check [file]          check a request, and show its parts
//
//	Listening
//	  -port N                 listen on this port, for this machine only
//	                          (default 8080; 0 chooses a free port)
//	  -addr HOST:PORT         listen on this address; :9000 is for the whole network
//	  -host NAME              also answer requests for this host, or for all hosts
//	                          with '*'. By default, a server that only this machine
//	                          can reach refuses other hosts, so that no web page
//	                          can read the folder (DNS rebinding)
//	  -auth, -auth=FILE       require a password: user:password from the environment
//	                          variable RAWHTTP_AUTH, or from each line of FILE
//
//	Serving
//	  -list FORM              list folders as html, text, or none (default html)
//	  -index NAMES            serve the first of these files in place of a folder;
//	                          comma-separated, "" for none (default index.html)
//	  -dotfiles               also serve names that begin with a dot
//	  -spa                    serve index.html for pages that do not exist
//	  -script EXT[=COMMAND]   run files and send what they print, as in
//	                          .py=python3; without a command, run the file itself
//	  -precompressed CODINGS  serve a.js.br for a.js, and so on: br,zstd,gzip
//	  -type NAME=TYPE         set a media type: .md=text/plain, or TODO=text/plain
//	  -cache PATTERN=VALUE    set Cache-Control, as in '/assets/*=max-age=86400';
//	                          the last pattern that matches wins
//	  -header 'NAME: VALUE'   add a field to responses; for CORS:
//	                          'Access-Control-Allow-Origin: *'. Responses to
//	                          malformed requests do not have it
//	  -server TEXT            send this Server field
//	  -lenient                accept requests from old or hand-written clients, for
//	                          any host
//
//	Output
//	  -log                    log requests, and why they are refused
//	  -trace, -trace=WHAT     show the conversation line by line; WHAT is full, for
//	                          all content, or decoded, for compressed content too
//	  -color WHEN             use colors: auto, always or never
//	  -version                print the version; -h prints this text
//
//	-host, -script, -type, -cache and -header may be repeated. Flags may follow the
//	folder. To serve a folder named like a command, write ./send. ^C lets requests
//	in progress finish; a second ^C stops at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, stopSignals(signal.Ignored)...)
	os.Exit(run(stopped(signals), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// stopSignals returns the signals that stop a server. SIGHUP, which announces the end of the
// terminal, is one of them unless the command was started with it ignored, as nohup does.
func stopSignals(ignored func(os.Signal) bool) []os.Signal {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !ignored(hangup) {
		stops = append(stops, hangup)
	}
	return stops
}

// A stop has two contexts: graceful ends when the server should stop gracefully, atOnce when
// it should stop at once.
type stop struct{ graceful, atOnce context.Context }

// stopped returns a stop whose first signal stops gracefully and whose second stops at once.
// A third signal has its default effect.
func stopped(signals chan os.Signal) stop {
	graceful, stopGracefully := context.WithCancel(context.Background())
	atOnce, stopAtOnce := context.WithCancel(context.Background())
	go func() {
		<-signals
		stopGracefully()
		<-signals
		signal.Stop(signals)
		stopAtOnce()
	}()
	return stop{graceful, atOnce}
}

// run runs the command until it is stopped. It returns the exit status: 0 for success, 1 for a
// failure, or 2 if the command line is wrong.
func run(when stop, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "send":
			context.AfterFunc(when.graceful, func() { signal.Reset() }) // a second signal ends it at once
			return send(when.graceful, args[1:], stdin, stdout, stderr)
		case "spy":
			return spy(when, args[1:], stdout, stderr)
		case "check":
			signal.Reset() // there is nothing to shut down
			return check(args[1:], stdin, stdout, stderr)
		}
	}
	set, err := parseArgs(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, usage)
		return 0
	case err != nil:
		return misused(stderr, "", err)
	case set.version:
		fmt.Fprintln(stdout, version())
		return 0
	}
	if err := serve(when, set, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "rawhttp: %s\n", oneLine(err))
		return 1
	}
	return 0
}
