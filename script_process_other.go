//go:build !unix || aix

package rawhttp

import (
	"errors"
	"os"
)

const hasProcessGroups = false

// A process is never started on this system.
type process struct{ in, out, err *os.File }

func startProcess(string, []string, []string, scriptInput) (*process, error) {
	return nil, errors.ErrUnsupported
}

func inheritNothing() {}

func (p *process) wait() (fault string)     { return "" }
func (p *process) end(exited chan struct{}) {}

func readNow(*os.File, []byte) (n int, err error) { return 0, errors.ErrUnsupported }
