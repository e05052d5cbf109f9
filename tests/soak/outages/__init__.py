"""An outage of each dependency, real processes: nothing is buried, health says so, and the backlog is gone soon after it."""
