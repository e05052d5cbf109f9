"""Audit: every row that changed, once, without personal data, in write-once files that a hash chain names."""
