"""The road a message takes from an SQS queue to its end; it knows no worker."""
