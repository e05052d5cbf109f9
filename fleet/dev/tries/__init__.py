"""What `fleet try` does to a running development fleet: one story for each concern, told step by step until its effect."""
