module example.com/rawhttp/examples/systemd

go 1.26.0

require example.com/rawhttp v0.0.0

replace example.com/rawhttp => ../../
