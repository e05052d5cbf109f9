"""`fleet workers`: who runs, and by which orders."""
