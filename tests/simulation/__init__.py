"""The container's door in simulated hours: several processes over SQS, DynamoDB and S3 in memory, with faults, all by a seed."""
