package conformance_test

import "time"

// Limits that the tests approach. TestLimitsOfConformance, at the root, compares them with
// the code.
const (
	outputBuffer   = 64 << 10 // bytes of answers that are collected before they are written
	copyBuffer     = 64 << 10 // bytes of content that are read at once
	sentWithHead   = 14_000   // bytes of large content that leave with the head
	sortedEntries  = 200      // entries of a listing that is made in memory
	listingsAtOnce = 16       // long listings
	idleText       = 1 << 10  // bytes of a head that an idle connection keeps

	sidecarMayLag = 2 * time.Second // how much older than its file a sidecar may be
	stopPause     = time.Second     // minimum idle time of a connection that a graceful stop closes at once
	lingerSilence = 5 * time.Second // of a client, until a lingering connection closes

	firstPause   = 5 * time.Millisecond  // after an error of Accept
	recovered    = time.Second           // without such an error, until it is logged that they are over
	queueQuiet   = 50 * time.Millisecond // without a new connection, until a graceful stop closes the listener
	maxQueueTime = time.Second           // until it does so at the latest
)
