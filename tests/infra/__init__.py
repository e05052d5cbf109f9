"""What the deployment files say, read as data."""
