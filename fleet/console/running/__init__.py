"""What runs: pages of workers, queues over time, and of one message's story."""
