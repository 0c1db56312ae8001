package scripts_test

import (
	"example.com/rawhttp/internal/conformance/servetest"
	"example.com/rawhttp/internal/testkit"
)

// Short names of helpers that several packages of tests use.
var (
	dial           = testkit.Dial
	talk           = testkit.Talk
	splitHead      = testkit.SplitHead
	getRequest     = testkit.GetRequest
	postRequest    = testkit.PostRequest
	chunkedRequest = testkit.ChunkedRequest

	newServer       = servetest.New
	listen          = servetest.Listen
	filesOfDir      = servetest.Dir
	say             = servetest.Say
	requestOf       = servetest.Request
	waits           = servetest.Waits
	noNewGoroutines = servetest.NoNewGoroutines
	goroutines      = servetest.Goroutines
)
