package conformance_test

import "time"

// Limits of the implementation, which tests approach. TestLimitsOfConformance, in the root,
// compares them with the code.
const (
	outputBuffer   = 64 << 10 // bytes of answers that are collected before they are written
	copyBuffer     = 64 << 10 // bytes of content per Read
	sentWithHead   = 14_000   // bytes of large content that are written with the head
	sortedEntries  = 200      // maximum number of entries of a listing made in memory
	listingsAtOnce = 16       // maximum number of long listings at once
	idleText       = 1 << 10  // maximum number of bytes of a head that an idle connection retains

	sidecarMayLag = 2 * time.Second // how much older than its file a sidecar may be
	stopPause     = time.Second     // minimum idle time of a connection that a graceful stop closes at once
	lingerSilence = 5 * time.Second // silence of the client after which a lingering connection closes

	firstPause   = 5 * time.Millisecond  // pause after the first error of Accept
	recovered    = time.Second           // time without errors of Accept after which their end is logged
	queueQuiet   = 50 * time.Millisecond // time without a new connection after which a graceful shutdown closes the listener
	maxQueueTime = time.Second           // time after which a graceful shutdown closes the listener in any case
)
