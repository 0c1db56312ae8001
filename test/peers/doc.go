// Package peers has no code but tests, of rawhttp against clients and proxies
// that others wrote: net/http, curl, Python's http.client, Node's http and fetch,
// nginx and HAProxy. The server runs in the test, the peers are its child processes.
// A peer that is not installed fails the tests that need it. Some tests need a
// system on which all of 127.0.0.0/8 is the machine's own, as on Linux.
//
// Some tests are about races, and repeat what they do:
//
//	go test -race -run TestForward
//	go test -long -timeout 1h
package peers
