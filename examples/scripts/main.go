// Command scripts serves the folder site, and runs the scripts in it: Python and shell
// scripts with their interpreters, compiled programs directly, and PHP with php-cgi if
// it is installed.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	srv, err := newServer("site")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on http://%s/", ln.Addr())
	if err := srv.Serve(ctx, ln); err != nil {
		log.Fatal(err)
	}
}

// newServer makes the server for a folder with scripts.
func newServer(root string) (*rawhttp.Server, error) {
	options := []rawhttp.Option{
		rawhttp.WithRoot(root),
		rawhttp.WithListing(rawhttp.ListHTML),
		rawhttp.WithScript(".py", "python3"),
		rawhttp.WithScript(".sh", "sh"),
		rawhttp.WithScript(".cgi"), // run directly: a compiled program, or a script with a #! line
	}
	if _, err := exec.LookPath("php-cgi"); err == nil {
		// php-cgi refuses to run unless the variable says that a web server started it.
		// It finds the file in SCRIPT_FILENAME.
		options = append(options, rawhttp.WithScript(".php", "env", "REDIRECT_STATUS=200", "php-cgi"))
	}
	return rawhttp.New(options...)
}
