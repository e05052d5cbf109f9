"""What a successful answer must have, over both roads."""
