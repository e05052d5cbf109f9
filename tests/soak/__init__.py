"""The soak: a fleet under kill -9, restarts and faults, and the proof from the server's ledger that nothing was lost."""
