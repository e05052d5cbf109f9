"""`fleet trace`."""
