"""What emulators lack, for development only."""
