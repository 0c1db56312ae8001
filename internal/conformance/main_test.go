package conformance_test

import (
	"testing"

	"example.com/rawhttp/internal/conformance/servetest"
)

func TestMain(m *testing.M) { servetest.Main(m) }
