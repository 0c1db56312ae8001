// Package peers tests rawhttp against clients and proxies written by others: net/http,
// curl, wget, lynx, git, Python's http.client, Node's http and fetch, nginx and HAProxy. The
// server runs in the test; the peers are its child processes. The command's spy is tested between
// Python's smtplib, poplib and imaplib and the servers aiosmtpd and Dovecot. If a peer is not
// installed, the tests that need it fail. Some tests need a system on which all of 127.0.0.0/8 is
// local, such as Linux. The package has no code other than tests.
//
// Some tests look for races, and repeat their requests:
//
//	go test -race -run TestForward
//	go test -long -timeout 1h
package peers
