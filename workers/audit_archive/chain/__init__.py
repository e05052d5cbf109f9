"""The chain of digests over the archive, and its verification."""
