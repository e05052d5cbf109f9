"""The first door: a process that polls SQS."""
