"""The sessions table: each of the rules' steps as one conditional update of one row."""
