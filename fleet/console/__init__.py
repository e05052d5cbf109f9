"""The fleet in a browser: `fleet console`, a second face of the command line that adds no power to it."""
