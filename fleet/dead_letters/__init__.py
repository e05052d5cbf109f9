"""Dead letters, read, understood and sent back by hand: `fleet dlq`."""
