"""What becomes of a due occurrence: what is decided, claimed, sent and written of it."""
