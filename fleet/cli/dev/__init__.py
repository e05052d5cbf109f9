"""Commands for development: the whole fleet on this machine, the demo, the stand-ins."""
