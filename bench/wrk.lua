-- The argument is the name of a file with the requests that are sent at once. Prints one line of
-- figures: requests, bytes, errors, duration in microseconds, p50, p99.

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local batch = file:read("*a")
   file:close()
   wrk.format = function() return batch end -- wrk calls it once, after init
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, summary.bytes,
      e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
      latency:percentile(50), latency:percentile(99)))
end
