"""LocalStack's entry in host mode, run by the interpreter of its own environment: three faults mended, then its main.

Not imported by the fleet, and not part of its packages' world: `localstack` and `twisted` live in that environment only.
"""

import os
import sys
from typing import Any

from localstack.runtime import main
from localstack.services.dynamodb import server
from localstack.services.dynamodbstreams.v2 import provider as streams
from localstack.services.s3 import provider as s3
from twisted.internet import endpoints

_ORIGINAL_ENDPOINT = endpoints.TCP4ServerEndpoint
_ORIGINAL_ARN = streams.DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local


def _loopback(reactor: Any, port: int, backlog: int = 50, interface: str = "127.0.0.1") -> Any:
    """Its gateway ignores the host of GATEWAY_LISTEN and would listen on every interface."""
    return _ORIGINAL_ENDPOINT(reactor, port, backlog, interface)


def _whole_iterator(self: Any, stream_arn: str) -> str:
    """A shard iterator of DynamoDB Local 1.x is `000|` and an ARN; LocalStack would cut the beginning off."""
    beginning, found, rest = stream_arn.partition("arn:")
    return f"{beginning}{_ORIGINAL_ARN(self, found + rest)}"


def _use_the_dynamodb_that_runs() -> None:
    """Where DynamoDB Local cannot run, another emulator already answers at DYNAMODB_LOCAL_PORT; its ARNs are AWS's own."""
    server.DynamodbServer.start_dynamodb = lambda _server: True
    streams.DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local = lambda _provider, stream_arn: stream_arn


if __name__ == "__main__":
    endpoints.TCP4ServerEndpoint = _loopback
    streams.DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local = _whole_iterator
    if "DYNAMODB_LOCAL_PORT" in os.environ:
        _use_the_dynamodb_that_runs()
    s3.DEFAULT_S3_TMP_DIR = os.path.join(os.environ["FILESYSTEM_ROOT"], "s3")  # noqa: PTH118 - they join strings to it
    sys.exit(main.main())
