"""`python -m tests.aws_server`: serves until its standard input closes, that is, as long as its parent lives."""

import argparse
import asyncio
import gc
import json
import os
import ssl
import sys

from tests.aws_server.service import Service
from tests.sqs_server.wire import Connection


async def serve(latency: float, certificate: str | None, pushes_per_second: int | None) -> None:
    """Say on standard output, in one line of JSON, where it listens; end when standard input ends."""
    loop = asyncio.get_running_loop()
    service = Service(latency, pushes_per_second)
    connections: set[Connection] = set()
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await loop.create_server(
        lambda: Connection(service.serve, connections), "127.0.0.1", 0, backlog=1_000, ssl=tls
    )
    gc.disable()  # what is kept holds no cycles
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    own = sys.stdin.fileno()
    loop.add_reader(own, lambda: None if os.read(own, 1_024) else ended.set())
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.aws_server", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--tls", help="a certificate with its key")
    parser.add_argument("--pushes-per-second", type=int, help="recipients that Expo takes, and keeps")
    given = parser.parse_args()
    asyncio.run(serve(given.latency, given.tls, given.pushes_per_second))


if __name__ == "__main__":
    main()
