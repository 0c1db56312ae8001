// Command rawhttp serves a folder over HTTP/1.1.
//
//	rawhttp [flags] [root]
//
// It prints the address it serves on, and stops in order on SIGINT and SIGTERM.
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are what the command line says.
type settings struct {
	addr     string
	list     rawhttp.Listing
	index    []string
	dotFiles bool
	server   string
	log      bool
	root     string
}

const usage = `usage: rawhttp [flags] [root]

Serves the folder root, the working directory if it is left out.

  -addr HOST:PORT  listen there; port 0 is any (default 127.0.0.1:8080)
  -list FORM       list folders as text, or none: 404 (default text)
  -index NAMES     files that stand for their folder, comma-separated, "" for
                   none (default index.html)
  -dotfiles        serve and list names that begin with a dot
  -server TEXT     send this as the Server field
  -log             log each request to standard error
`

// run serves until ctx ends and gives the exit status: 0, 1 where it cannot serve,
// 2 where the command line is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parseArgs(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "rawhttp: %v (rawhttp -h shows the usage)\n", err)
		return 2
	}
	if err := serve(ctx, set, stdout, stderr); err != nil {
		message := strings.TrimPrefix(err.Error(), "rawhttp: ")
		fmt.Fprintf(stderr, "rawhttp: %s\n", strings.ReplaceAll(message, "\n", "; "))
		return 1
	}
	return 0
}

func parseArgs(args []string) (set settings, err error) {
	flags := flag.NewFlagSet("rawhttp", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8080", "")
	index := flags.String("index", "index.html", "")
	flags.BoolVar(&set.dotFiles, "dotfiles", false, "")
	flags.StringVar(&set.server, "server", "", "")
	flags.BoolVar(&set.log, "log", false, "")
	flags.Func("list", "", func(s string) error {
		switch s {
		case "text":
			set.list = rawhttp.ListText
		case "none":
			set.list = rawhttp.ListNone
		default:
			return errors.New("want text or none")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	if *index != "" {
		set.index = strings.Split(*index, ",")
	}
	switch flags.NArg() {
	case 0:
		set.root = "."
	case 1:
		set.root = flags.Arg(0)
	default:
		return set, fmt.Errorf("one folder is served, not %d: flags come before it", flags.NArg())
	}
	return set, nil
}

func serve(ctx context.Context, set settings, stdout, stderr io.Writer) error {
	opts := []rawhttp.Option{
		rawhttp.WithRoot(set.root),
		rawhttp.WithListing(set.list),
		rawhttp.WithIndex(set.index...),
		rawhttp.WithDotFiles(set.dotFiles),
		rawhttp.WithServerField(set.server),
		rawhttp.WithLogger(logger{stderr}),
	}
	if set.log {
		opts = append(opts, rawhttp.WithTrace(rawhttp.AccessLog(stderr)))
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
	return srv.Serve(ctx, ln)
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
