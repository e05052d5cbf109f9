"""The emulated AWS as a test sees it: clients, the deployed topology, and scratch resources of its own."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import aioboto3
import boto3

from fleet.dev.deploy import session
from fleet.dev.emulators.ministack import Endpoint

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Aws:
    """One deployed stack on one emulator. `names` are the variables a worker reads, from the stack's outputs."""

    endpoint: Endpoint
    project: str
    stage: str
    names: Mapping[str, str]
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _queues: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.endpoint.url

    @property
    def environment(self) -> dict[str, str]:
        """All that a worker process needs to find this stack; a test adds to its own copy."""
        return {**self.endpoint.environment, **self.names}

    @cached_property
    def session(self) -> boto3.Session:
        return session(self.endpoint)

    @cached_property
    def sqs(self) -> "SQSClient":
        return self.session.client("sqs", endpoint_url=self.url)

    @cached_property
    def s3(self) -> "S3Client":
        return self.session.client("s3", endpoint_url=self.url)

    @cached_property
    def events(self) -> "EventBridgeClient":
        return self.session.client("events", endpoint_url=self.url)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self.session.client("dynamodb", endpoint_url=self.endpoint.url_of("dynamodb"))

    @cached_property
    def streams(self) -> "DynamoDBStreamsClient":
        return self.session.client("dynamodbstreams", endpoint_url=self.endpoint.url_of("dynamodbstreams"))

    def open(self, service: str) -> AbstractAsyncContextManager[Any]:
        """An aioboto3 client: `async with aws.open("dynamodb") as dynamodb`."""
        asynchronous = aioboto3.Session(
            aws_access_key_id=self.endpoint.access_key_id,
            aws_secret_access_key=self.endpoint.secret_access_key,
            region_name=self.endpoint.region,
        )
        # The stubs list every service by its literal name; a plain str fits none of the overloads.
        opened: AbstractAsyncContextManager[Any] = asynchronous.client(
            service, endpoint_url=self.endpoint.url_of(service)
        )  # type: ignore[call-overload]
        return opened

    def queue(self, label: str = "scratch", **attributes: str) -> str:
        """Create a queue of the test's own and answer its URL."""
        url = self.sqs.create_queue(QueueName=self._name(label), Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]  # keys are literals in the stubs
        self._queues.append(url)
        return url

    @contextmanager
    def queues_of_a_test(self) -> Iterator[None]:
        """Take away the queues that were created inside: whoever lists every queue would meet them."""
        before = len(self._queues)
        yield
        for url in self._queues[before:]:
            with suppress(self.sqs.exceptions.QueueDoesNotExist):
                self.sqs.delete_queue(QueueUrl=url)
        del self._queues[before:]

    def bucket(self, label: str = "scratch") -> str:
        """Create a bucket of the test's own and answer its name."""
        name = self._name(label)
        self.s3.create_bucket(Bucket=name)
        return name

    def table(self, *keys: str, label: str = "scratch", stream: bool = False) -> str:
        """Create a table of the test's own, with one or two string keys (hash, range), and answer its name."""
        name = self._name(label)
        streams = (
            {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if stream else {"StreamEnabled": False}
        )
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": "HASH" if place == 0 else "RANGE"} for place, key in enumerate(keys)
            ],
            StreamSpecification=streams,  # type: ignore[arg-type]  # a dict of two shapes
        )
        return name

    def table_like(self, logical: str) -> str:
        """Create an empty table with the keys and indexes of a deployed one (`sessions`, `reminders`, ...)."""
        model = self.dynamodb.describe_table(TableName=self.names[f"{logical.upper()}_TABLE_NAME"])["Table"]
        name = self._name(logical)
        indexes = [
            {"IndexName": index["IndexName"], "KeySchema": index["KeySchema"], "Projection": index["Projection"]}
            for index in model.get("GlobalSecondaryIndexes", [])
        ]
        request: dict[str, Any] = {"GlobalSecondaryIndexes": indexes} if indexes else {}
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=model["AttributeDefinitions"],
            KeySchema=model["KeySchema"],
            **request,
        )
        return name

    def bodies(self, queue_url: str) -> list[str]:
        """Take what is visible on a queue off it, up to ten messages, and answer their bodies."""
        received = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in received]

    def _name(self, label: str) -> str:
        return f"{self.project}-{label}-{next(self._numbers)}"
