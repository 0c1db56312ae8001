//go:build plan9 || js

package main

import "os"

var hangup os.Signal = os.Interrupt // there is no signal of its own

func isInUse(error) bool { return false } // the error has no code
