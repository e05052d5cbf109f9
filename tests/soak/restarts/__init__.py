"""Restarts under load with nothing else wrong: no dead letter, no loss, and no receipt that no restart explains."""
