"""The fault-injecting SQS server for all tests of this folder."""

from tests.sqs_server.conftest import server, server_process

__all__ = ["server", "server_process"]
