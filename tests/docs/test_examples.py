"""The folder examples/: each of its files is run by a test, and the receiver takes what this fleet signs."""

import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_webhooks_page import cases
from tests.workers.webhook_delivery.fakes import PRIVATE_KEY, SECRET, endpoint
from workers.webhook_delivery.signing.request import signed

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "receive_webhooks.py"
RECEIVER: dict[str, Any] = runpy.run_path(str(FILE))
BODY = b'{"type": "order.placed", "timestamp": "2026-11-21T09:00:00Z", "data": {"id": "order-42"}}'


def headers(webhook_id: str, body: bytes = BODY) -> dict[str, str]:
    """As the worker signs it now, while its key is being rotated."""
    at = datetime.now(UTC)
    return dict(signed(endpoint(secrets=(PRIVATE_KEY, SECRET)), message_id=webhook_id, at=at, body=body).headers)


@contextmanager
def serving(inbox: Any) -> Iterator[int]:
    """The port of a receiver that serves."""
    server = RECEIVER["receiver"](0, SECRET, inbox)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(port: int, given: dict[str, str], body: bytes = BODY) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", body, given)
        return connection.getresponse().status
    finally:
        connection.close()


def worked(inbox: Any) -> list[bytes]:
    found: list[bytes] = []
    inbox.work(found.append)
    return found


@pytest.mark.parametrize("name", ["produce", "trace_message", "verify_proof"])
def test_an_example_without_its_arguments_says_how_it_is_run(name: str) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, f"python {name}.py" in run.stderr) == (1, "", True)
    assert "Traceback" not in run.stderr


def test_every_example_is_named_in_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    files = [path.name for path in (ROOT / "examples").iterdir() if path.is_file()]
    assert "receive_webhooks.py" in files
    assert [name for name in files if name not in tests] == []


def test_the_receiver_s_verify_takes_what_is_genuine_and_nothing_else() -> None:
    asked = [(genuine, case) for genuine, case in cases() if case["key"].startswith("whsec_")]
    assert {genuine for genuine, _ in asked} == {True, False}
    for genuine, case in asked:
        assert RECEIVER["verify"](**{**case, "body": case["body"].encode()}) is genuine, case


def test_the_receiver_works_once_on_an_event_that_comes_twice(tmp_path: Path) -> None:
    inbox = RECEIVER["Inbox"](tmp_path / "inbox.sqlite")
    with serving(inbox) as port:
        assert [post(port, headers(each)) for each in ("msg_1", "msg_1", "msg_2")] == [204, 204, 204]
    assert worked(inbox) == [BODY, BODY]
    assert worked(inbox) == []


def test_the_receiver_stores_nothing_that_is_forged_or_too_large(tmp_path: Path) -> None:
    inbox = RECEIVER["Inbox"](tmp_path / "inbox.sqlite")
    with serving(inbox) as port:
        assert post(port, headers("msg_1"), b"{}") == 401
        assert post(port, {}) == 401
        assert post(port, headers("msg_1") | {"content-length": "900001"}, b"") == 413
        assert post(port, headers("msg_1") | {"content-length": "many"}, b"") == 411
    assert worked(inbox) == []


def test_what_the_receiver_could_not_work_on_stays_and_stops_nothing_behind_it(tmp_path: Path) -> None:
    inbox = RECEIVER["Inbox"](tmp_path / "inbox.sqlite")
    inbox.put("msg_1", b"not JSON")
    inbox.put("msg_2", BODY)
    inbox.work(RECEIVER["handle"])
    assert worked(RECEIVER["Inbox"](tmp_path / "inbox.sqlite")) == [b"not JSON"]


def command(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """The file, run as its first lines say, at a free port."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-I", FILE, "0"], cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def test_the_command_receives_and_works(tmp_path: Path) -> None:
    with command(tmp_path, WEBHOOK_SECRET=SECRET) as run:
        try:
            assert run.stdout is not None
            address = run.stdout.readline()
            assert post(int(address.rpartition(":")[2].strip("/\n")), headers("msg_1")) == 204
            assert run.stdout.readline() == "order.placed\n"
        finally:
            run.kill()


def test_the_command_says_which_variable_is_missing(tmp_path: Path) -> None:
    with command(tmp_path) as run:
        _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert said == "WEBHOOK_SECRET is not set: give it the secret of your endpoint, whsec_...\n"
    assert list(tmp_path.iterdir()) == []
