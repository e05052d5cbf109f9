"""A container as a process: it says when it is ready, survives kill -9 without loss, and leaves cleanly."""

import asyncio
import json
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from shared.container import process
from shared.message.pointer import MARK, Pointer
from shared.settings import SettingsError
from tests.aws import Aws
from tests.shared.sample_worker import APP
from tests.waiting import until


class Container:
    """One running process; its log lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, object]] = []
        self._reader = asyncio.create_task(self._read())

    async def port(self) -> int:
        started = await until(lambda: self.events("worker_started"), seconds=20, what="worker_started")
        return int(str(started[0]["health_port"]))

    def events(self, name: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line["event"] == name]

    async def ends(self) -> int:
        async with asyncio.timeout(30):
            code = await self.process.wait()
        await self._reader
        return code

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[Container]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.shared.sample_worker", env=environment, stdout=asyncio.subprocess.PIPE
    )
    made = Container(process)
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await made.ends()


class Scene:
    """A queue, the file of effects, and the environment that joins them."""

    def __init__(self, aws: Aws, folder: Path) -> None:
        self.aws = aws
        self.queue_url = aws.queue("uploads")
        self.effects = folder / "effects"
        self.environment = {
            **aws.endpoint.environment,
            "UPLOADS_QUEUE_URL": self.queue_url,
            "UPLOADS_DLQ_URL": aws.queue("uploads-dlq"),
            "EFFECTS": str(self.effects),
            "WORK_SECONDS": "0.05",
            "HEALTH_PORT": "0",
            "POLL_WAIT_SECONDS": "1",
            "VISIBILITY_SECONDS": "5",
            "DRAIN_SECONDS": "10",
            "PATH": "/usr/bin:/bin",
        }

    def send(self, count: int) -> set[str]:
        bodies = [f"message {number}" for number in range(count)]
        for body in bodies:
            self.aws.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)
        return set(bodies)

    def done(self) -> list[str]:
        return self.effects.read_text().splitlines() if self.effects.exists() else []

    def counts(self) -> tuple[int, int]:
        """Messages that are visible, and in flight."""
        found = self.aws.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture
def scene(aws: Aws, tmp_path: Path) -> Scene:
    return Scene(aws, tmp_path)


def asked(port: int, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


async def test_it_handles_what_is_in_the_queue_and_says_that_it_is_alive_and_ready(scene: Scene) -> None:
    expected = scene.send(25)
    async with running(scene.environment) as made:
        port = await made.port()
        await until(lambda: set(scene.done()) == expected, what="every effect")
        await until(lambda: scene.counts() == (0, 0), what="an empty queue")
        assert (await asyncio.to_thread(asked, port, "/livez"))[0] == 200
        assert await asyncio.to_thread(asked, port, "/readyz") == (200, {"ok": True, "faults": []})


async def test_sigterm_ends_it_with_zero_and_nothing_stays_hidden(scene: Scene) -> None:
    sent = scene.send(40)
    async with running({**scene.environment, "WORK_SECONDS": "0.3"}) as made:
        await until(lambda: len(scene.done()) > 4, what="work in full swing")
        made.process.send_signal(signal.SIGTERM)
        made.process.send_signal(signal.SIGTERM)
        assert await made.ends() == 0
        visible, in_flight = scene.counts()
        done = scene.done()
        assert len(done) == len(set(done)), "finished work is deleted, not left for a second run"
        assert (visible + len(done), in_flight) == (len(sent), 0)
        assert made.events("worker_stopped")


@pytest.mark.slow
async def test_kill_9_in_the_middle_of_work_loses_nothing(scene: Scene) -> None:
    expected = scene.send(60)
    async with running({**scene.environment, "WORK_SECONDS": "0.2"}) as first:
        await until(lambda: len(scene.done()) > 8, what="work in full swing")
        first.process.kill()
        await first.ends()
    async with running(scene.environment):
        await until(lambda: set(scene.done()) == expected, seconds=30, what="every effect")
        await until(lambda: scene.counts() == (0, 0), what="an empty queue")


@pytest.mark.slow
async def test_a_log_line_of_a_message_names_it_and_holds_no_payload(scene: Scene) -> None:
    scene.aws.sqs.send_message(QueueUrl=scene.queue_url, MessageBody="canary-in-the-body")
    async with running(scene.environment) as made:
        await until(lambda: made.events("message_done"), what="its line")
        made.process.terminate()
        await made.ends()
        [line] = made.events("message_done")
        assert {"worker", "queue", "message_id", "attempt", "outcome", "duration_ms", "timestamp", "level"} <= set(line)
        assert "canary" not in json.dumps(made.lines)


async def test_a_missing_variable_is_named_before_anything_is_received() -> None:
    with pytest.raises(SettingsError, match="UPLOADS_QUEUE_URL"):
        await process.run(APP, {"EFFECTS": "none", "WORK_SECONDS": "0", "AWS_REGION": "us-east-1"})


@pytest.mark.slow
async def test_a_body_in_s3_reaches_the_worker_of_a_container(aws: Aws, scene: Scene) -> None:
    bucket = aws.bucket("payloads")
    aws.s3.put_object(Bucket=bucket, Key="there", Body=b"from afar")
    pointer = Pointer(bucket, "there", 9)
    aws.sqs.send_message(
        QueueUrl=scene.queue_url,
        MessageBody=pointer.body,
        MessageAttributes={MARK: {"DataType": "Number", "StringValue": "9"}},
    )
    async with running({**scene.environment, "CLAIM_CHECK_BUCKET_NAME": bucket}) as process:
        await until(scene.done, seconds=20, what="the effect")
        process.process.terminate()
        assert await process.ends() == 0
    assert scene.done() == ["from afar"]


BROKEN = """
import sys
from shared.app import App
from shared.container import process

def broken(_environment, _clients):
    raise RuntimeError

sys.exit(process.main(App("sample", ("uploads",), broken), {"HEALTH_PORT": "0"}))
"""


@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
async def test_an_output_that_takes_nothing_does_not_become_the_exit_code(output: str) -> None:
    """A full disk, and a process that was started without an output: Python would end with 120, or not start."""
    shell = ("sh", "-c", f'exec "$@" {output}', "sh", sys.executable, "-c", BROKEN)
    buffered = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": ""}
    ended = await asyncio.create_subprocess_exec(*shell, stderr=asyncio.subprocess.PIPE, env=buffered)
    _, said = await ended.communicate()
    assert (ended.returncode, said) == (1, b"")


READING = """
import os, sys
from shared.app import App
from shared.container import process

sys.exit(process.main(App("sample", ("uploads",), None), os.environ))
"""
IMPORTING = """
import sys, time

class Slow:
    def find_spec(self, name, *_):
        if name == "fleet.cli.run":
            print("importing", flush=True)
            time.sleep(30)

import fleet.cli
sys.meta_path.insert(0, Slow())
sys.argv = ["fleet", "run", "audit-archive"]
fleet.cli.main()
"""


async def told_to_leave(program: str, environment: dict[str, str], *, when: asyncio.Event | None = None) -> int | None:
    """Its exit code. SIGTERM is ignored as long as nobody handles it, as for the first process of a container."""
    shell = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh", sys.executable, "-c", program)
    started = await asyncio.create_subprocess_exec(*shell, stdout=asyncio.subprocess.PIPE, env=environment)
    assert started.stdout is not None
    try:
        async with asyncio.timeout(15):
            await (when.wait() if when is not None else started.stdout.readline())
            started.terminate()
            return await started.wait()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@pytest.mark.slow
async def test_sigterm_while_settings_are_read_ends_the_first_process_of_a_container() -> None:
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        place = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            "SETTINGS_PATH": "/fleet",
        }
        assert await told_to_leave(READING, {**keys, **place, "PATH": "/usr/bin:/bin"}, when=asked) == 0


async def test_sigterm_while_a_worker_is_imported_ends_the_first_process_of_a_container() -> None:
    assert await told_to_leave(IMPORTING, {"PATH": "/usr/bin:/bin"}) == 0
