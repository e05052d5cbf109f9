"""Door two: an AWS Lambda function behind an SQS event source mapping."""
