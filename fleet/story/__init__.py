"""What became of one message: what tables, dead letters, archive and logs say of it, in the order of time."""
