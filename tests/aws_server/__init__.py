"""AWS beside SQS, as a worker's clients meet it on the wire: DynamoDB, EventBridge, connections of API Gateway, objects of S3.

`python -m tests.aws_server` is a process of its own that keeps tables in memory, checks every signature, answers after a
latency that is asked for, and counts its calls. It is as right as the fleet's own expressions need it, and as quick as a
benchmark needs it; who tests semantics has the emulator.
"""
