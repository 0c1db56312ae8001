package scripts_test

// Limits of the implementation, which tests approach. TestLimitsOfConformance, in the root,
// compares them with the code.
const (
	copyBuffer = 64 << 10 // bytes of content per Read

	scriptOutputMost = 64 << 20 // bytes
	scriptErrorMost  = 64 << 10 // bytes
	scriptHeld       = 64 << 10 // maximum number of bytes of output held to determine the length
	scriptsWaiting   = 64       // maximum number of requests that wait for a script to end
)
