"""What happens to one message, from its receipt to its end. Start with `pipeline`."""
