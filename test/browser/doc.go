// Package browser tests the HTML listing in the programs that people read it with: headless
// Chromium, with axe-core, and lynx, w3m and links. The server runs in the test. Chromium also
// opens the pages of the programs in examples/websocket, which the tests build and run. If a
// browser, or npm, which fetches axe-core into a temporary folder, is not installed, the tests
// that need it fail. The package has no code other than tests.
//
// To take screenshots of the pages:
//
//	go test -run TestListingLooks -screenshots /tmp
package browser
