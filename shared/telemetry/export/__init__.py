"""How what is measured and traced leaves the process."""
