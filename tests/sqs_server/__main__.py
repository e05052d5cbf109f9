"""`python -m tests.sqs_server`: serves until its standard input closes, that is, as long as its parent lives."""

import argparse
import asyncio
import gc
import json
import os
import ssl
import sys
from functools import partial
from pathlib import Path

from tests.sqs_server.account import Options
from tests.sqs_server.control import Control
from tests.sqs_server.service import Service
from tests.sqs_server.wire import Connection, Serve


async def serve(host: str, port: int, control_port: int, options: Options, tls: Path | None) -> None:
    """Say on standard output, in one line of JSON, where it listens; end when standard input ends. `tls` is a
    certificate with its key: the queues are then served over TLS, the controls are not.
    """
    loop = asyncio.get_running_loop()
    service = Service(options)

    def connection(answer: Serve, connections: set[Connection]) -> Connection:
        return Connection(answer, connections)

    queues = await loop.create_server(
        partial(connection, service.serve, service.connections), host, port, backlog=1_000, ssl=_context(tls)
    )
    control = await loop.create_server(partial(connection, Control(service).serve, set()), host, control_port)
    port, control_port = (server.sockets[0].getsockname()[1] for server in (queues, control))
    service.account.url = f"{'https' if tls else 'http'}://{host}:{port}"
    gc.disable()  # what is kept holds no cycles, and looking through a million messages takes long
    sys.stdout.write(json.dumps({"port": port, "control_port": control_port}) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    own = sys.stdin.fileno()
    loop.add_reader(own, lambda: None if os.read(own, 1_024) else ended.set())
    await ended.wait()


def _context(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sqs_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of the queues; 0 is a free one")
    parser.add_argument("--control-port", type=int, default=0, help="of faults, time and the ledger")
    parser.add_argument("--strict", action="store_true", help="refuse the receipt handles of earlier receives")
    parser.add_argument("--tls", type=Path, help="a certificate with its key: serve the queues over TLS")
    given = parser.parse_args()
    asyncio.run(serve(given.host, given.port, given.control_port, Options(strict=given.strict), given.tls))


if __name__ == "__main__":
    main()
