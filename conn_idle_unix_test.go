//go:build unix && !race

package rawhttp

import (
	"io"
	"runtime"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

// A parked connection has a stack of 2 KB. Whatever it calls before it parks again, when its early
// deadline fires for example, must not grow that stack.
func TestParkedStack(t *testing.T) {
	_, addr := listen(t, WithResolver(answerText("hi")), WithMaxConns(1000))
	stacks := func() int {
		runtime.GC() // also shrinks what has grown
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.StackInuse)
	}
	const conns = 300
	before := stacks()
	for range conns {
		c := dial(t, addr)
		io.WriteString(c, getRequest("/"))
		c.Read(make([]byte, 1000))
	}
	testkit.Await(t, "parked connections have at most 3 KB of stack each", func() bool { return stacks()-before < conns*3<<10 })
}
