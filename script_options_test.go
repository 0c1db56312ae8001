package rawhttp

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The defaults, and what later calls do.
func TestScriptOptionsConfig(t *testing.T) {
	type settings struct {
		Commands []scriptCommand
		Output   ScriptOutput
		PathInfo bool
		Methods  []string
		Timeout  time.Duration
		Max      int
		Env      []string
	}
	config := func(opts ...FileOption) settings {
		c, err := newFileConfig(opts)
		if err != nil {
			t.Error(err)
		}
		s := c.script
		return settings{s.commands, s.output, s.pathInfo, s.methods, s.timeout, s.max, s.env}
	}
	most := max(4, 2*runtime.GOMAXPROCS(0))
	compare := func(name string, want, got settings) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(scriptCommand{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	compare("the defaults", settings{Timeout: 30 * time.Second, Max: most}, config())
	compare("later calls", settings{
		Commands: []scriptCommand{{".py", []string{"python3", "-u"}}, {".cgi", nil}, {".PY", []string{"pypy"}}},
		Output:   ScriptCGI, PathInfo: false, Timeout: time.Second, Max: 7, Env: []string{"A", "B", "C"},
		Methods: []string{"PUT", "DELETE", "PUT"},
	}, config(
		WithScript(".py", "python3", "-u"), WithScript(".cgi"), WithScript(".PY", "pypy"),
		WithScriptOutput(ScriptPlain), WithScriptOutput(ScriptCGI), WithScriptPathInfo(true), WithScriptPathInfo(false),
		WithScriptTimeout(0), WithScriptTimeout(time.Second), WithMaxScripts(0), WithMaxScripts(7), WithScriptEnv("A", "B"), nil, WithScriptEnv("C"),
		WithScriptMethods("PUT", "DELETE"), WithScriptMethods(), WithScriptMethods("PUT"),
	))
}
