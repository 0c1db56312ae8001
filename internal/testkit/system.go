package testkit

import "runtime"

// RunsScripts says whether the system has process groups, without which there are no scripts.
const RunsScripts = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js" && runtime.GOOS != "wasip1" && runtime.GOOS != "aix"
