"""What an uploaded file is, found from its first bytes, and whether its session takes it; pure."""
