"""How fast the server is: raw connections, one request in flight on each, ten messages in each call."""

import argparse
import os
import selectors
import socket
import time
from collections.abc import Callable

import orjson

from tests.sqs_server.running import SqsServer, sqs_server

Next = Callable[[socket.socket, bytes], bytes | None]
"""Given a connection and the body of its last answer: the next request, or None where it has had enough."""

SIGNED = (
    "X-Amz-Date: 20261121T040000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAFLEETTEST0000001/20261121/us-east-1/"
    f"sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={'0' * 64}\r\n"
)


def request(action: str, **params: object) -> bytes:
    """As long as the requests of real clients are."""
    body = orjson.dumps(params)
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AmazonSQS.{action}\r\n{SIGNED}"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Load:
    """Connections that ask as fast as they are answered."""

    def __init__(self, server: SqsServer, connections: int) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._open = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(connections)]
        for each in self._open:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(each, selectors.EVENT_READ)

    def run(self, name: str, ask: Next) -> None:
        """Ask until every connection has had enough, and say how many calls there were and what they cost."""
        active = dict.fromkeys(self._open, b"")
        calls = len(self._open)
        cpu, started = self._server.control.stats()["cpu"], time.perf_counter()
        for each in self._open:
            each.sendall(ask(each, b"") or b"")
        while active:
            for key, _ in self._selector.select():
                calls += self._read(key.fileobj, active, ask)  # type: ignore[arg-type]  # sockets were registered
        seconds, cpu = time.perf_counter() - started, self._server.control.stats()["cpu"] - cpu
        print(f"{name}: {calls / seconds:,.0f} calls/s, {cpu / calls * 1e6:.1f} us of the server's CPU each")  # noqa: T201  # speaks to a terminal

    def _read(self, connection: socket.socket, active: dict[socket.socket, bytes], ask: Next) -> int:
        data = active[connection] + connection.recv(262_144)
        head, end, body = data.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            active[connection] = data
            return 0
        active[connection] = b""
        following = ask(connection, body)
        if following is None:
            del active[connection]
            return 0
        connection.sendall(following)
        return 1


def sending(url: str, calls: int) -> Next:
    whole = request(
        "SendMessageBatch",
        QueueUrl=url,
        Entries=[{"Id": str(place), "MessageBody": "x" * 400} for place in range(10)],
    )
    left = iter(range(calls))
    return lambda _connection, _answer: whole if next(left, None) is not None else None


def consuming(url: str) -> Next:
    """Receive ten, delete ten, in turns, until a receive brings nothing."""
    receive = request(
        "ReceiveMessage",
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    received: set[socket.socket] = set()

    def following(connection: socket.socket, answer: bytes) -> bytes | None:
        if connection not in received:
            received.add(connection)
            return receive
        received.discard(connection)
        handles = [part.partition(b'"')[0].decode() for part in answer.split(b'"ReceiptHandle":"')[1:]]
        if not handles:
            return None
        entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
        return request("DeleteMessageBatch", QueueUrl=url, Entries=entries)

    return following


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sqs_server.load", description=__doc__)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--no-ledger", action="store_true")
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with sqs_server(prefix=("taskset", "-c", str(cores[0]))) as server:
        os.sched_setaffinity(0, {cores[-1]})
        server.control.keep_ledger(on=not given.no_ledger)
        url = server.make("load", VisibilityTimeout=120)
        load = Load(server, given.connections)
        load.run("send 10", sending(url, given.messages // 10))
        load.run("receive 10, delete 10", consuming(url))
        counts = {row["kind"]: row["count"] for row in server.control.stats()["messages"]}
        print(f"messages: {counts}; memory {server.control.stats()['memory'] // 1024} MiB")  # noqa: T201  # as above


if __name__ == "__main__":
    main()
