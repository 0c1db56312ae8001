// Package browser tests the HTML listing in the programs that people read it with: headless
// Chromium, with axe-core, and lynx, w3m and links. The server runs in the test. Chromium also
// opens the pages of examples/websocket, whose programs it builds and runs. A missing
// browser fails the tests that need it; so does npm, which fetches axe-core into a
// temporary folder. The package has no code other than tests.
//
// To take screenshots of the pages:
//
//	go test -run TestListingLooks -screenshots /tmp
package browser
