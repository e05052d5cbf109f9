"""One-line mistakes, put into a copy of the runtime: each must turn a test red."""
