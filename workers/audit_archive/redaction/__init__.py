"""What is taken out of a row before it is kept: personal data."""
