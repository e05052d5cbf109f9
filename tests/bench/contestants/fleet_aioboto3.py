"""This runtime with SQS_CLIENT=aioboto3: all calls through botocore."""

import os

from tests.bench.contestants import fleet
from tests.bench.work import Work


def consume(work: Work) -> None:
    os.environ["SQS_CLIENT"] = "aioboto3"
    fleet.consume(work)
