"""The referee: this runtime and its peers, on one core, over the same messages with the same work."""
