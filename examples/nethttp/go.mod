module example.com/rawhttp/examples/nethttp

go 1.26.0

require (
	example.com/rawhttp v0.0.0
	github.com/go-chi/chi/v5 v5.5.0
	github.com/google/go-cmp v0.7.0
)

replace example.com/rawhttp => ../../
