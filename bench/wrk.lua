-- The first argument is the number of requests sent at once, the second "true" if they must
-- differ. Prints one line of figures: requests, bytes, errors, duration in microseconds, p50, p99.

function init(args)
   local depth = tonumber(args[1])
   if depth > 1 then
      local batch = ""
      for i = 1, depth do
         local query = args[2] == "true" and "?" .. i or ""
         batch = batch .. wrk.format(nil, wrk.path .. query)
      end
      request = function() return batch end
      wrk.request = request
   end
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, summary.bytes,
      e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
      latency:percentile(50), latency:percentile(99)))
end
