"""What runs the workers: their table, their roles, their Lambda functions and Fargate services."""
