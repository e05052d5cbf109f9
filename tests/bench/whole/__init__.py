"""A message's whole work, beside a handler by hand that makes the same calls: real processes, AWS on loopback with latency."""
