"""The fast calls: a signer that is botocore's to the byte, and a client that answers and fails as aioboto3 does."""
