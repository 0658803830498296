-- What wrk measured, one "name value" a line: its own summary rounds, and has no 99.9th percentile.

function done(summary, latency, requests)
    local values = {
        requests = summary.requests,
        duration_us = summary.duration,
        p50_us = latency:percentile(50),
        p99_us = latency:percentile(99),
        p999_us = latency:percentile(99.9),
        connect_errors = summary.errors.connect,
        read_errors = summary.errors.read,
        write_errors = summary.errors.write,
        status_errors = summary.errors.status,
        timeout_errors = summary.errors.timeout,
    }
    for name, value in pairs(values) do
        io.write(string.format("measured %s %.0f\n", name, value))
    end
end
