"""AWS on this machine: MiniStack, LocalStack and DynamoDB Local, each a process of its own."""
