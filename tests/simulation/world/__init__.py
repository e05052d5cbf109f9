"""What the simulated processes live in: time, processes that freeze and die, and three services with faults."""
