"""The wire: queues read, written and settled, and bodies that lie in S3."""
