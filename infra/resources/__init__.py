"""What the stacks are made of: queues, the bus and its rules, pipes, tables and buckets, and the statements of their policies."""
