"""A new worker, written into the repository: its folder, its test, and its entry in each place that a deployment reads."""
