"""Receive webhooks: verify each, store it once, answer, and work on it afterwards. Needs Python alone.

    WEBHOOK_SECRET=whsec_... python receive_webhooks.py [PORT] [INBOX.sqlite]

An event is stored under its `webhook-id` before it is answered: what comes twice is stored once, and a crash loses nothing that was
answered with 204. One that was being worked on in a crash is worked on again. Behind it belongs a proxy that speaks TLS.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGEST = 900_000
"""Bytes of a body; the sender makes none larger."""
TOLERANCE = 300
"""Seconds that a timestamp may be off."""


def verify(key: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether `body` was signed with the shared secret `whsec_...` within the last five minutes; `now` in Unix seconds."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (webhook_id and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    shared = base64.b64decode(key.removeprefix("whsec_") + "==")  # its own padding may be missing
    right = b"v1," + base64.b64encode(hmac.digest(shared, signed, hashlib.sha256))
    tokens = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(token.encode(errors="replace"), right) for token in tokens)


class Inbox:
    """Events in a file, each once. Safe for threads: every call has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.filled = threading.Event()
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(
                "CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB NOT NULL, done INTEGER NOT NULL)"
            )

    def put(self, webhook_id: str, body: bytes) -> None:
        """Store it, unless it is there already."""
        with closing(sqlite3.connect(self._path)) as file, file:
            file.execute("INSERT OR IGNORE INTO events VALUES (?, ?, 0)", (webhook_id, body))
        self.filled.set()

    def work(self, handle: Callable[[bytes], None]) -> None:
        """Call `handle` with the body of each event that is not done; one that raises stays for the next call."""
        with closing(sqlite3.connect(self._path)) as file:
            for webhook_id, body in file.execute(
                "SELECT id, body FROM events WHERE NOT done ORDER BY rowid"
            ).fetchall():
                try:
                    handle(body)
                except Exception as error:  # noqa: BLE001 - one event must not stop those behind it
                    print(f"{webhook_id}: {type(error).__name__}, tried again later", file=sys.stderr)
                    continue
                with file:
                    file.execute("UPDATE events SET done = 1 WHERE id = ?", (webhook_id,))


def receiver(port: int, key: str, inbox: Inbox) -> ThreadingHTTPServer:
    """A server on this computer that is not serving yet; port 0 takes a free one."""

    class Receiver(BaseHTTPRequestHandler):
        timeout = 15  # seconds; a client that says nothing holds no thread for longer

        def do_POST(self) -> None:
            self.send_response(self._status())
            self.end_headers()

        def _status(self) -> int:
            length = self.headers.get("content-length", "")
            if not (length.isascii() and length.isdigit()):
                return 411
            if len(length) > len(str(LARGEST)) or int(length) > LARGEST:
                return 413
            body = self.rfile.read(int(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not verify(key, headers, body, time.time()):
                return 401
            inbox.put(headers["webhook-id"], body)
            return 204

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


def handle(body: bytes) -> None:
    """Your own work stands here."""
    print(json.loads(body)["type"], flush=True)


def main(port: str = "8000", inbox_path: str = "inbox.sqlite") -> None:
    """Serve until it is interrupted."""
    if not os.environ.get("WEBHOOK_SECRET", "").startswith("whsec_"):
        sys.exit("WEBHOOK_SECRET is not set: give it the secret of your endpoint, whsec_...")
    inbox = Inbox(Path(inbox_path))
    server = receiver(int(port), os.environ["WEBHOOK_SECRET"], inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"receiving at http://127.0.0.1:{server.server_port}/", flush=True)
    while True:
        inbox.filled.clear()
        inbox.work(handle)
        inbox.filled.wait(60)  # what raised is tried again after a minute


if __name__ == "__main__":
    main(*sys.argv[1:])
