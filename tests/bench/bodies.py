"""What is in the queue: a job of 400 bytes, or an S3 event of 900. Each carries a number of its own."""

import random
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict

Kind = Literal["job", "s3"]
QUEUE = "orders"


class Line(BaseModel):
    sku: str
    count: int


class Job(BaseModel):
    nonce: int
    tenant: str
    kind: str
    lines: list[Line]
    note: str


class S3Object(BaseModel):
    model_config = ConfigDict(extra="ignore")
    key: str
    size: int
    eTag: str  # noqa: N815  # AWS's name
    sequencer: str


class S3Bucket(BaseModel):
    name: str
    arn: str


class S3Entity(BaseModel):
    bucket: S3Bucket
    object: S3Object


class S3Record(BaseModel):
    eventName: str  # noqa: N815  # AWS's name
    eventTime: str  # noqa: N815  # AWS's name
    s3: S3Entity


class S3Event(BaseModel):
    Records: list[S3Record]


def nonces(count: int) -> list[int]:
    """As many numbers as messages; who handles each message once knows their sum."""
    dice = random.Random(count)
    return [dice.randrange(1, 10**12) for _ in range(count)]


def body(kind: Kind, nonce: int) -> str:
    """The text of one message."""
    return _s3(nonce) if kind == "s3" else _job(nonce)


def nonce_of(kind: Kind, text: str | bytes) -> int:
    """Read with pydantic, as an application would, and tell the number."""
    if kind == "s3":
        return int(S3Event.model_validate_json(text).Records[0].s3.object.sequencer, 16)
    return Job.model_validate_json(text).nonce


def bare_nonce_of(kind: Kind, text: str | bytes) -> int:
    """Read with nothing but a JSON parser."""
    content = orjson.loads(text)
    return int(content["Records"][0]["s3"]["object"]["sequencer"], 16) if kind == "s3" else int(content["nonce"])


def _job(nonce: int) -> str:
    lines = [{"sku": f"SKU-{nonce % 9973 + place}", "count": place + 1} for place in range(4)]
    content = {"nonce": nonce, "tenant": "tenant-17", "kind": "order.placed", "lines": lines, "note": ""}
    content["note"] = "x" * (400 - len(orjson.dumps(content)))
    return orjson.dumps(content).decode()


def _s3(nonce: int) -> str:
    content = {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventTime": "2026-11-21T04:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AROAEXAMPLE:uploader"},
                "requestParameters": {"sourceIPAddress": "203.0.113.7"},
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "m" * 158},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {
                        "name": "fleet-uploads-dev",
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": "arn:aws:s3:::fleet-uploads-dev",
                    },
                    "object": {
                        "key": f"sessions/{nonce:032x}/report-2026.pdf",
                        "size": 482_113,
                        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                        "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                        "sequencer": f"{nonce:018X}",
                    },
                },
            }
        ]
    }
    return orjson.dumps(content).decode()
