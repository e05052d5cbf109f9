"""What people did to dead letters, written down: the log, its mirror, and what can be read from it."""
