module example.com/rawhttp/examples/websocket

go 1.26.0

require (
	example.com/rawhttp v0.0.0
	example.com/rawhttp/examples/nethttp v0.0.0
	github.com/coder/websocket v1.8.15
	github.com/google/go-cmp v0.7.0
)

replace (
	example.com/rawhttp => ../../
	example.com/rawhttp/examples/nethttp => ../nethttp
)
