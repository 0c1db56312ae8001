// Command counter counts the bytes and lines of its content. Built as
// site/counter.cgi it is a script that needs no interpreter.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

func main() {
	if os.Getenv("REQUEST_METHOD") != "POST" {
		fmt.Print("Status: 405 Method Not Allowed\nAllow: POST\nContent-Type: text/plain\n\nsend something\n")
		return
	}
	bytes, lines := 0, 0
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		bytes += len(line)
		if err != nil {
			if err != io.EOF {
				os.Exit(1) // answered with 500: nothing was printed
			}
			break
		}
		lines++
	}
	fmt.Printf("Content-Type: text/plain\n\n%d bytes, %d lines\n", bytes, lines)
}
