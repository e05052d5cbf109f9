"""What one AWS call costs the process that makes it: `python -m tests.bench.aws_calls`, all clients in one run.

A server of its own process gives each call one fixed answer; each client makes its calls in twenty lanes. Rounds are
interleaved, so that a busy moment of the machine hits everybody; the least of a client's rounds counts. Clients that cannot be
installed beside aioboto3 take part where `.bench-calls` is built (`make setup-bench`).
"""

import asyncio
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from zlib import crc32

import aioboto3
import aiohttp
import orjson
from aiobotocore.config import AioConfig
from botocore.credentials import ReadOnlyCredentials

from shared.aws.fast_client import FastClient
from shared.aws.objects import FastObjects
from shared.aws.signer import Signer
from tests.bench.cpu import LANES, cost
from tests.bench.files import ROOT

REGION = "eu-west-1"
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "secret", None)
ITEM = {"status": {"S": "done"}, "attempts": {"N": "1"}, "until": {"N": "1764160000"}, "owner": {"S": "a" * 36}}
ANSWERS: dict[str, Any] = {
    "DynamoDB_20120810.UpdateItem": {"Attributes": ITEM},
    "DynamoDB_20120810.GetItem": {"Item": ITEM},
    "AWSEvents.PutEvents": {"FailedEntryCount": 0, "Entries": [{"EventId": "e" * 36}]},
    "AmazonSQS.ReceiveMessage": {
        "Messages": [{"MessageId": "m" * 36, "ReceiptHandle": "h" * 180, "Body": "b" * 400, "MD5OfBody": ""}] * 10
    },
    "AmazonSQS.DeleteMessageBatch": {"Successful": [{"Id": str(each)} for each in range(10)], "Failed": []},
    "": {"MessageId": "m" * 60},
}
UPDATE: dict[str, Any] = {
    "TableName": "sessions",
    "Key": {"id": {"S": "u" * 36}},
    "UpdateExpression": "SET #s = :s, #a = :a, #u = :u, #o = :o REMOVE #r",
    "ConditionExpression": "attribute_not_exists(#s) OR #u < :now",
    "ExpressionAttributeNames": {"#s": "status", "#a": "attempts", "#u": "until", "#o": "owner", "#r": "reason"},
    "ExpressionAttributeValues": {f":{name}": each for name, each in zip("sauo", ITEM.values(), strict=True)}
    | {":now": {"N": "1764150000"}},
    "ReturnValues": "ALL_NEW",
}
BYTES = b"x" * 10_000
URL = "http://127.0.0.1/123456789012/orders"


@dataclass(frozen=True)
class Call:
    """A method of a client, and what it is asked."""

    name: str
    service: str
    method: str
    asked: dict[str, Any]

    @property
    def action(self) -> str:
        return "".join(part.title() for part in self.method.split("_"))


CALLS = (
    Call("DynamoDB UpdateItem, a condition and five values", "dynamodb", "update_item", UPDATE),
    Call("DynamoDB GetItem", "dynamodb", "get_item", {"TableName": "sessions", "Key": UPDATE["Key"]}),
    Call("EventBridge PutEvents, one entry", "events", "put_events",
         {"Entries": [{"Source": "uploads", "DetailType": "d", "Detail": "x" * 300, "EventBusName": "bus"}]}),
    Call("SQS ReceiveMessage, ten of 400 bytes", "sqs", "receive_message", {"QueueUrl": URL, "MaxNumberOfMessages": 10}),
    Call("SQS DeleteMessageBatch, ten", "sqs", "delete_message_batch",
         {"QueueUrl": URL, "Entries": [{"Id": str(each), "ReceiptHandle": "h" * 180} for each in range(10)]}),
    Call("API Gateway PostToConnection, 300 bytes", "apigatewaymanagementapi", "post_to_connection",
         {"ConnectionId": "L0SM9cOFvHcCIhw=", "Data": b"x" * 300}),
    Call("SES v2 SendEmail", "sesv2", "send_email",
         {"FromEmailAddress": "a@b.example", "Destination": {"ToAddresses": ["c@d.example"]},
          "Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t" * 200}}}}}),
    Call("S3 PutObject, 10 kB with its SHA-256", "s3", "put_object",
         {"Bucket": "ledgers", "Key": "a/b", "Body": BYTES, "ChecksumSHA256": b64encode(sha256(BYTES).digest()).decode()}),
    Call("S3 GetObject, 4 KiB by their range, without reading its body", "s3", "get_object",
         {"Bucket": "ledgers", "Key": "a/b", "Range": "bytes=0-4095"}),
)  # fmt: skip


class Fixed(asyncio.Protocol):
    """A connection of the server: the same answer to the same kind of call."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                if b"\r\nexpect:" in head and len(self._buffer) == end + 4:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._buffer = self._buffer[end + 4 + length :]
            target = head.partition(b"\r\nx-amz-target:")[2].partition(b"\r\n")[0].strip()
            self._transport.write(OBJECTS.get(head[:4]) or _PREPARED[target])


def _prepared(answer: Any) -> bytes:
    body = orjson.dumps(answer)
    return (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: keep-alive\r\n"
        b"x-amzn-RequestId: %s\r\nx-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n" % (b"R" * 52, crc32(body), len(body))
    ) + body


STORED = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nx-amz-request-id: r\r\nContent-Length: 0\r\n\r\n'
READ = b'HTTP/1.1 206 Partial Content\r\nETag: "e"\r\nx-amz-request-id: r\r\nContent-Length: 4096\r\n\r\n' + b"x" * 4096
OBJECTS = {b"put ": STORED, b"get ": READ}
_PREPARED = {name.lower().encode(): _prepared(answer) for name, answer in ANSWERS.items()}


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Fixed, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.aws_calls", "serve", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


Made = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Request:
    """What a call is on the wire, for those that say all in their body."""

    headers: dict[str, str]
    path: str
    segment: str = ""


def request_of(call: Call) -> Request:
    names = {"dynamodb": "DynamoDB_20120810", "events": "AWSEvents", "sqs": "AmazonSQS"}
    match call.service:
        case "apigatewaymanagementapi":
            return Request({}, "/@connections/", quote(call.asked["ConnectionId"], safe=""))
        case "sesv2":
            return Request({"content-type": "application/json"}, "/v2/email/outbound-emails")
    target = f"{names[call.service]}.{call.action}"
    return Request({"content-type": "application/x-amz-json-1.0", "x-amz-target": target}, "/")


def raw(session: aiohttp.ClientSession, url: str, call: Call) -> Made:
    """Plain aiohttp with our signer: what is left when botocore is."""
    request = request_of(call)
    signer = Signer(f"{url}{request.path}", request.headers, region=REGION, service=call.service)
    whole = f"{url}{request.path}{request.segment}"

    async def make() -> Any:
        body = call.asked.get("Data") or orjson.dumps(call.asked)
        signed = signer.sign(body, KEYS, now=time.time(), segment=request.segment)
        async with session.post(whole, data=body, headers=request.headers | signed) as response:
            return orjson.loads(await response.read())

    return make


class Peers:
    """The process of those that have an environment of their own."""

    def __init__(self, process: asyncio.subprocess.Process | None) -> None:
        self._process = process

    async def times(self, count: int) -> dict[str, float]:
        """CPU microseconds for one call, by client; empty where there are none."""
        if self._process is None:
            return {}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % count)
        found: dict[str, float] = orjson.loads(await self._process.stdout.readline())
        return found


@asynccontextmanager
async def open_peers(url: str, call: Call) -> AsyncIterator[Peers]:
    python = ROOT / ".bench-calls" / "bin" / "python"
    if not python.exists() or call.service in {"s3", "apigatewaymanagementapi"}:
        yield Peers(None)
        return
    request = request_of(call)
    asked = {"url": url, "service": call.service, "action": call.action, "body": call.asked,
             "headers": request.headers, "path": request.path}  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        python, "-m", "tests.bench.aws_calls_peers", cwd=ROOT, stdin=pipe, stdout=pipe
    )
    try:
        assert process.stdin is not None
        process.stdin.write(orjson.dumps(asked) + b"\n")
        yield Peers(process)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def open_clients(url: str, call: Call) -> AsyncIterator[dict[str, Made]]:
    """The clients, by name, each ready to make this call."""
    session: Any = aioboto3.Session(KEYS.access_key, KEYS.secret_key, region_name=REGION)
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=100)
    async with (
        session.client(call.service, endpoint_url=url, config=config) as plain,
        session.client(call.service, endpoint_url=url, config=config) as under,
        aiohttp.ClientSession(skip_auto_headers={"Content-Type"}) as own,
    ):
        fast: Any = FastObjects(under) if call.service == "s3" else FastClient(under)
        methods = {"aioboto3": getattr(plain, call.method), "fast": getattr(fast, call.method)}
        found: dict[str, Made] = {name: partial(method, **call.asked) for name, method in methods.items()}
        yield found if call.service == "s3" else {**found, "aiohttp": raw(own, url, call)}


async def measure(*, count: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each call: microseconds by client."""
    found = []
    async with serving() as url:
        for call in CALLS:
            async with open_clients(url, call) as clients, open_peers(url, call) as peers:
                for make in clients.values():
                    await cost(make, 2 * LANES)  # connections, patterns, caches
                times = {name: [each] for name, each in (await peers.times(2 * LANES)).items()}
                for _ in range(rounds):
                    for name, make in clients.items():
                        times.setdefault(name, []).append(await cost(make, count))
                    for name, each in (await peers.times(count)).items():
                        times[name].append(each)
            found.append({"call": call.name, **{name: min(each) for name, each in times.items()}})
    return found


def take(*, quick: bool) -> list[dict[str, Any]]:
    return asyncio.run(measure(count=400 if quick else 2_000, rounds=2 if quick else 3))


COLUMNS = {
    "aioboto3": "aioboto3, us",
    "aiodynamo": "aiodynamo, us",
    "awscrt": "awscrt, us",
    "aiohttp": "plain aiohttp and our signer, us",
    "fast": "fast, us",
}
HEADS = ("call", *COLUMNS.values(), "fast to aioboto3")


def lines(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of a table."""
    return [
        (
            row["call"],
            *(f"{row[name]:.0f}" if name in row else "-" for name in COLUMNS),
            f"{row['fast'] / row['aioboto3']:.3f}",
        )
        for row in rows
    ]


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    for line in [HEADS, *lines(take(quick="--quick" in sys.argv))]:
        sys.stdout.write(f"| {' | '.join(line)} |\n")


if __name__ == "__main__":
    main()
