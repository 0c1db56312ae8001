// Command rawhttp serves a folder over HTTP/1.1.
//
//	rawhttp [flags] [root]
//
// It prints the address it serves on, and stops in order on SIGINT, SIGTERM and
// SIGHUP, at once on a second one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example.com/rawhttp"
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

// settings are what the command line says.
type settings struct {
	addr    string
	options []rawhttp.Option
	log     bool
	trace   bool
	root    string
}

const usage = `usage: rawhttp [flags] [root]
       rawhttp send HOST:PORT [text...]   send exact bytes and show both sides
       rawhttp spy HOST:PORT              relay connections and show both sides
       rawhttp check [file]               show the parts of a request, or its mistake

Serves the folder root, the working directory if it is left out.

  -addr HOST:PORT  listen there; port 0 is any (default 127.0.0.1:8080)
  -list FORM       list folders as text, html, or none: 404 (default text)
  -index NAMES     files that stand for their folder, comma-separated, "" for
                   none (default index.html)
  -dotfiles        serve and list names that begin with a dot
  -script EXT[=INTERPRETER ARGS...]
                   run files with the extension and send what they print, as in
                   .py=python3; without an interpreter, the files themselves;
                   may be given again
  -server TEXT     send this as the Server field
  -log             log each request to standard error
  -trace           show the conversation, each line as it is on the wire, there
`

// run serves until it is stopped and returns the exit status: 0, 1 where it cannot serve,
// 2 where the command line is wrong.
func run(when stop, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "send":
			return send(args[1:], stdin, stdout, stderr)
		case "spy":
			return spy(when, args[1:], stdout, stderr)
		case "check":
			return check(args[1:], stdin, stdout, stderr)
		}
	}
	set, err := parseArgs(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "rawhttp: %s (rawhttp -h shows the usage)\n", oneLine(err))
		return 2
	}
	if err := serve(when, set, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "rawhttp: %s\n", oneLine(err))
		return 1
	}
	return 0
}

func parseArgs(args []string) (set settings, err error) {
	flags := flag.NewFlagSet("rawhttp", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8080", "")
	flags.BoolVar(&set.log, "log", false, "")
	flags.BoolVar(&set.trace, "trace", false, "")
	dotFiles := flags.Bool("dotfiles", false, "")

	// option makes a flag of an option, which says itself what it does not take.
	option := func(name string, parse func(string) (rawhttp.Option, error)) {
		flags.Func(name, "", func(value string) error {
			o, err := parse(value)
			if err != nil {
				return err
			}
			tried, err := rawhttp.New(rawhttp.WithRoot("/"), o)
			if err != nil {
				return errors.New(oneLine(err))
			}
			tried.Close()
			set.options = append(set.options, o)
			return nil
		})
	}
	option("list", parseListing)
	option("server", func(s string) (rawhttp.Option, error) { return rawhttp.WithServerField(s), nil })
	option("index", func(s string) (rawhttp.Option, error) {
		if s == "" {
			return rawhttp.WithIndex(), nil
		}
		return rawhttp.WithIndex(strings.Split(s, ",")...), nil
	})
	option("script", func(s string) (rawhttp.Option, error) {
		ext, command, named := strings.Cut(s, "=")
		words := strings.Fields(command)
		if named && len(words) == 0 {
			return nil, errors.New("no interpreter behind the =")
		}
		return rawhttp.WithScript(ext, words...), nil
	})

	if err := flags.Parse(args); err != nil {
		return set, err
	}
	set.options = append(set.options, rawhttp.WithDotFiles(*dotFiles))
	switch flags.NArg() {
	case 0:
		set.root = "."
	case 1:
		set.root = flags.Arg(0)
	default:
		return set, fmt.Errorf("one folder is served, not %d; flags come before it", flags.NArg())
	}
	switch {
	case set.root == "":
		return set, errors.New(`the folder has no name; "." is the working directory`)
	case set.addr == "":
		return set, errors.New("flag -addr: no address")
	}
	return set, nil
}

func parseListing(s string) (rawhttp.Option, error) {
	switch s {
	case "text":
		return rawhttp.WithListing(rawhttp.ListText), nil
	case "html":
		return rawhttp.WithListing(rawhttp.ListHTML), nil
	case "none":
		return rawhttp.WithListing(rawhttp.ListNone), nil
	}
	return nil, errors.New("want text, html or none")
}

func serve(when stop, set settings, stdout, stderr io.Writer) error {
	opts := append(set.options, rawhttp.WithRoot(set.root), rawhttp.WithLogger(logger{stderr}))
	if set.log {
		opts = append(opts, rawhttp.WithTrace(rawhttp.AccessLog(stderr)))
	}
	if set.trace {
		opts = append(opts, rawhttp.WithTrace(rawhttp.Transcript(stderr)))
	}
	srv, err := rawhttp.New(opts...)
	if err != nil {
		return err
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", set.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "rawhttp: serving %s on http://%s/\n", set.root, ln.Addr())
	defer context.AfterFunc(when.atOnce, func() { srv.Close() })()
	err = srv.Serve(when.inOrder, ln)
	if when.atOnce.Err() != nil {
		return nil // it was asked to
	}
	return err
}

// A logger writes warnings and errors, a line each.
type logger struct{ w io.Writer }

func (logger) Debug(string, ...any)            {}
func (logger) Info(string, ...any)             {}
func (l logger) Warn(msg string, args ...any)  { l.line("warning", msg, args) }
func (l logger) Error(msg string, args ...any) { l.line("error", msg, args) }

func (l logger) line(level, msg string, args []any) {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(msg, "rawhttp: "))
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(&b, " %v=%q", args[i], fmt.Sprint(args[i+1]))
	}
	fmt.Fprintf(l.w, "rawhttp: %s: %s\n", level, b.String())
}
