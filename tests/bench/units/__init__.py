"""What a business message costs in AWS calls, DynamoDB units and SQS requests: counted, priced, and compared with what it may cost."""
