"""Which version of a deployed worker runs, and the way back to the one before."""
