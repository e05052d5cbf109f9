"""Dead-letter queues and what surrounds them, as AWS has them."""
