"""The fleet behind Lambda's door: the zip that ships, one function for each worker, one mapping for each queue."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3

from fleet.dev.bundle import bundle
from shared.clients import variable
from workers import roster

TIMEOUT = 25
"""Seconds a function may run; each queue's visibility timeout is at least six times that."""


@contextmanager
def functions(
    session: boto3.Session, endpoint_url: str, environment: Mapping[str, str], folder: Path
) -> Iterator[None]:
    """Deploy every worker as a function with an event source mapping for each of its queues; delete them at the end."""
    client: Any = session.client("lambda", endpoint_url=endpoint_url)
    code = bundle(folder / "fleet-lambda.zip").read_bytes()
    project = environment["UPLOADS_QUEUE_URL"].rsplit("/", 1)[-1].removesuffix("-uploads-dev")
    mappings = [
        mapping
        for worker in roster.WORKERS
        for mapping in _deployed(client, worker, name=f"{project}-{worker}-dev", environment=environment, code=code)
    ]
    try:
        yield
    finally:
        for mapping in mappings:
            with suppress(client.exceptions.ResourceNotFoundException):  # the client tries a slow delete again
                client.delete_event_source_mapping(UUID=mapping)
        for worker in roster.WORKERS:
            with suppress(client.exceptions.ResourceNotFoundException):
                client.delete_function(FunctionName=f"{project}-{worker}-dev")


def _deployed(client: Any, worker: str, *, name: str, environment: Mapping[str, str], code: bytes) -> Iterator[str]:
    client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler=f"{roster.WORKERS[worker]}.lambda_handler",
        Code={"ZipFile": code},
        Timeout=TIMEOUT,
        MemorySize=512,
        Environment={"Variables": dict(environment)},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    for queue in roster.app(worker).queues:
        arn = f"arn:aws:sqs:us-east-1:000000000000:{environment[f'{variable(queue)}_QUEUE_URL'].rsplit('/', 1)[-1]}"
        mapping = client.create_event_source_mapping(
            EventSourceArn=arn,
            FunctionName=name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        yield mapping["UUID"]
