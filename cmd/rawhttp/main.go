// Command rawhttp serves a folder over HTTP/1.1, and shows and sends the bytes of conversations.
//
//	usage: rawhttp [flags] [folder]      serve it, or else the working directory
//	       rawhttp send HOST:PORT ...    send exact bytes, and show both sides
//	       rawhttp spy HOST:PORT         relay to a server, and show both sides
//	       rawhttp check [file]          show the parts of a request, or its mistake
//
//	Where it listens
//	  -port N                 on this machine alone (default 8080; 0 is any)
//	  -addr HOST:PORT         on this address; :9000 shares it with the network
//	  -host NAME              answer to this name too, or to any with '*'. Who
//	                          listens on this machine alone refuses other names,
//	                          or web pages could read the folder (DNS rebinding)
//	  -auth, -auth=FILE       ask for a user:password: that in the environment
//	                          variable RAWHTTP_AUTH, or one of the lines of FILE
//
//	What it serves
//	  -list FORM              folders as html, text, or none: 404 (default html)
//	  -index NAMES            files that stand for their folder, comma-separated,
//	                          "" for none (default index.html)
//	  -dotfiles               names that begin with a dot, too
//	  -spa                    index.html where a page does not exist
//	  -script EXT[=COMMAND]   run these files and send what they print, as in
//	                          .py=python3; without a command, the files themselves
//	  -precompressed CODINGS  a.js.br for a.js, and so on: br,zstd,gzip
//	  -type .EXT=TYPE         this media type, as in .wasm=application/wasm
//	  -cache PATTERN=VALUE    Cache-Control, as in '/assets/*=max-age=86400'
//	  -header 'NAME: VALUE'   this field with each response; for CORS:
//	                          'Access-Control-Allow-Origin: *'
//	  -server TEXT            this Server field
//	  -lenient                requests as old or hand-written clients send them,
//	                          to any host
//
//	What it shows
//	  -log                    each request, and why one is refused
//	  -trace, -trace=WHAT     the conversation, line by line; full: all content;
//	                          decoded: what is compressed, too
//	  -color WHEN             auto, always or never
//	  -version                the version; -h this text
//
//	-host, -script, -type, -cache and -header may be repeated. Flags may follow the
//	folder. A folder named as a command is ./send. ^C lets requests in progress end,
//	a second one does not.
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
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(stopped(signals), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// A stop has the channels that say when to stop gracefully, and when to stop at once.
type stop struct{ inOrder, atOnce context.Context }

// stopped returns a stop whose first signal stops gracefully and whose second stops at once.
// A third signal has its default effect.
func stopped(signals chan os.Signal) stop {
	inOrder, cancel := context.WithCancel(context.Background())
	atOnce, cancelToo := context.WithCancel(context.Background())
	go func() {
		<-signals
		cancel()
		<-signals
		signal.Stop(signals)
		cancelToo()
	}()
	return stop{inOrder, atOnce}
}

// run runs the command until it is stopped and returns the exit status: 0, 1 where it cannot
// do what it is asked for, 2 where the command line is wrong.
func run(when stop, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "send":
			signal.Reset() // nothing is stopped gracefully: the first one ends it
			return send(args[1:], stdin, stdout, stderr)
		case "spy":
			return spy(when, args[1:], stdout, stderr)
		case "check":
			signal.Reset()
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
