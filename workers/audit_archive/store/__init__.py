"""The archive in S3, and the claims that keep two writers apart."""
