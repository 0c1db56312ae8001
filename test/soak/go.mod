module example.com/rawhttp/test/soak

go 1.26.0

require example.com/rawhttp v0.0.0

replace example.com/rawhttp => ../../
