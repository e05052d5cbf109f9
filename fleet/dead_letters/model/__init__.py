"""What a dead letter is and what a person may ask of it: pure."""
