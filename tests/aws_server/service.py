"""From a request's bytes to an answer's: whose service is asked, whether the signature is right, what it costs in calls."""

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from zlib import crc32

import orjson

from tests.aws_server.expo import Expo
from tests.aws_server.tables import Refused, Tables
from tests.sqs_server.errors import SqsError
from tests.sqs_server.running import ACCESS_KEY, SECRET
from tests.sqs_server.signatures import check_signature
from tests.sqs_server.wire import Connection, header, response

KEYS = {ACCESS_KEY: SECRET}
DYNAMO, BUS = b"DynamoDB_20120810.", b"AWSEvents."
PLAIN = b"Content-Type: application/json\r\n"
XML = b"Content-Type: application/xml\r\n"


class Service:
    """Every service behind one address; `latency` in seconds stands before each answer of AWS and of an endpoint. Expo takes
    `pushes_per_second` recipients.
    """

    def __init__(self, latency: float, pushes_per_second: int | None = None) -> None:
        self._latency = latency
        self._expo = Expo(pushes_per_second)
        self._tables = Tables()
        self._objects: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()
        self.posted: dict[str, float] = {}
        self.hooked: dict[str, float] = {}
        self._hooks: set[int] = set()

    def serve(self, connection: Connection, head: bytes, lower: bytes, body: bytes) -> None:
        """Carry the request out now, and answer it after the latency."""
        method, path, _ = head.partition(b"\r\n")[0].decode().split(" ")
        if path.startswith("/-/"):
            connection.reply(self._control(path))
            return
        try:
            if path.startswith("/hook/"):
                self._meet(connection)
            answer = self._answer(method, path, head, lower, body)
        except SqsError:
            self.calls["refused signature"] += 1
            answer = _error(403, "InvalidSignatureException", "The signature does not match")
        asyncio.get_running_loop().call_later(self._latency, connection.reply, answer)

    def _answer(self, method: str, path: str, head: bytes, lower: bytes, body: bytes) -> bytes:
        if path.startswith(("/hook/", "/push", "/v1/")):
            return self._beside(path, head, lower, body)
        check_signature(head, lower, body, KEYS)
        target = header(head, lower, b"x-amz-target")
        if target.startswith(DYNAMO):
            return self._dynamo(target.removeprefix(DYNAMO).decode(), body)
        if target.startswith(BUS):
            return self._bus(body)
        if "/@connections/" in path:
            self.calls["PostToConnection"] += 1
            self.posted[str(orjson.loads(body).get("sessionId"))] = time.time()
            return response(200, b"")
        if "list-type=2" in path:
            self.calls["ListObjectsV2"] += 1
            return response(200, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>", XML)
        return self._object(method, unquote(path.partition("?")[0]), head, lower, body)

    def _meet(self, connection: Connection) -> None:
        """Count an endpoint's connections, each once."""
        name = id(connection)
        if name not in self._hooks:
            self.calls["hook connection"] += 1
            self._hooks.add(name)
            connection.on_gone = lambda: self._hooks.discard(name)

    def _dynamo(self, action: str, body: bytes) -> bytes:
        self.calls[action] += 1
        try:
            return _json(self._tables.answer(action, orjson.loads(body)))
        except Refused as refused:
            return _error(400, f"com.amazonaws.dynamodb.v20120810#{refused.code}", refused.message, **refused.more)

    def _bus(self, body: bytes) -> bytes:
        entries = orjson.loads(body)["Entries"]
        self.calls["PutEvents"] += 1
        self.calls["entries"] += len(entries)
        return _json(
            {"FailedEntryCount": 0, "Entries": [{"EventId": f"{place:036d}"} for place in range(len(entries))]}
        )

    def _object(self, method: str, path: str, head: bytes, lower: bytes, body: bytes) -> bytes:
        """S3: whole puts, gets of a range that begins at 0, and listings, in which nothing is."""
        self.calls["PutObject" if method == "PUT" else "GetObject"] += 1
        if method == "PUT":
            self._objects[path] = body
            return response(200, b"", b'ETag: "e"\r\n')
        if path not in self._objects and method == "HEAD":
            return response(404, b"")
        if path not in self._objects:
            return response(404, b"<Error><Code>NoSuchKey</Code></Error>", XML)
        asked = header(head, lower, b"range").decode().rpartition("-")[2]
        part = self._objects[path][: int(asked) + 1 if asked else None]
        return response(206 if asked else 200, part, b'ETag: "e"\r\n')

    def _beside(self, path: str, head: bytes, lower: bytes, body: bytes) -> bytes:
        """A customer's endpoint, a collector of telemetry, or Expo, which answers each notification with a ticket."""
        if path.startswith("/v1/"):
            self.calls["telemetry"] += 1
            return response(200, b"", b"Content-Type: application/x-protobuf\r\n")
        if path.startswith("/hook/"):
            self.calls["hook"] += 1
            self.hooked.setdefault(header(head, lower, b"webhook-id").decode(), time.time())
            return response(200, b"ok", PLAIN)
        notes = orjson.loads(gzip.decompress(body) if b"\r\ncontent-encoding: gzip" in lower else body)
        self.calls["push"] += 1
        status, answer = self._expo.answer(notes)
        if status == 200:
            self.calls["tickets"] += sum(len(note["to"]) if isinstance(note["to"], list) else 1 for note in notes)
        return response(status, answer, PLAIN)

    def _control(self, path: str) -> bytes:
        _, _, what, *rest = path.split("/")
        answers: dict[str, Callable[[], Any]] = {
            "calls": lambda: self.calls,
            "posted": lambda: self.posted,
            "hooked": lambda: self.hooked,
            "values": lambda: Counter(self._tables.values(*rest)),
            "pushes": lambda: {"taken": self._expo.taken, "pushed": self._expo.pushed, "refused": self._expo.refused},
            "archived": lambda: sum(
                gzip.decompress(body).count(b"\n") for path, body in self._objects.items() if "/table=" in path
            ),
        }
        return response(200, orjson.dumps(answers[what]()), PLAIN)


def _json(answer: Any) -> bytes:
    body = orjson.dumps(answer)
    return response(
        200,
        body,
        b"Content-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: %b\r\nx-amz-crc32: %d\r\n"
        % (b"R" * 52, crc32(body)),
    )


def _error(status: int, kind: str, message: str, **more: Any) -> bytes:
    body = orjson.dumps({"__type": kind, "message": message, **more})
    return response(
        status,
        body,
        b"Content-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: R\r\nx-amz-crc32: %d\r\n" % crc32(body),
    )
