"""Door one: a long-polling process."""
