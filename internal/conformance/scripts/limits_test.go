package scripts_test

// Limits that the tests approach. TestLimitsOfConformance, at the root, compares them with
// the code.
const (
	copyBuffer = 64 << 10 // bytes of content that are read at once

	scriptOutputMost = 64 << 20 // bytes
	scriptErrorMost  = 64 << 10 // bytes
	scriptHeld       = 64 << 10 // bytes of output that are held to learn the length
	scriptsWaiting   = 64       // requests that wait for a script to end
)
