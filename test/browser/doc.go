// Package browser has no code but tests, of the HTML listing in what people look
// at it with: Chromium without a window, with axe-core inside, lynx, w3m and links. The server
// runs in the test. A browser that is not installed fails the tests that need it, and
// so does npm, which fetches axe-core into a temporary folder.
//
// To see the pages:
//
//	go test -run TestListingLooks -screenshots /tmp
package browser
