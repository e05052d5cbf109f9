"""Dead letters in a browser: `fleet console`, a second face of `fleet dlq` that adds no power to it."""
