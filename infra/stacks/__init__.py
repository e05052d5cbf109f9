"""The stacks that run the fleet on what `messaging` declares."""
