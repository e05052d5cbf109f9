"""Real processes, kept: stand-ins' servers that talk to no AWS stand for the fleet's."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from fleet.dev.crew import Crew, CrewFailed, Post
from fleet.dev.emulators.ministack import free_port
from tests.waiting import until

NOWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "SESSIONS_TABLE_NAME": "sessions",
    "REMINDERS_TABLE_NAME": "reminders",
    "WEBHOOKS_TABLE_NAME": "webhooks",
    "AUDIT_QUEUE_URL": "http://127.0.0.1:9/audit",
}


def post(folder: Path, **changes: str) -> Post:
    port = free_port()
    environment: Mapping[str, str] = {**os.environ, **NOWHERE, "STAND_INS_PORT": str(port), **changes}
    return Post("stand-ins", ("stand-ins",), environment, folder / "log", f"http://127.0.0.1:{port}/readyz")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
async def test_a_process_that_is_killed_is_started_again_and_all_are_gone_at_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    kept = post(tmp_path)
    async with Crew([kept], say=said.append, patience=10) as crew:
        await crew.ready(seconds=30)
        killed = crew.kill("stand-ins")
        await crew.ready_again("stand-ins", after=0)
        again = crew.pids["stand-ins"]
        assert again != killed
        async with aiohttp.ClientSession() as client, client.get(kept.ready_url) as answer:
            assert answer.status == 200
    assert said == ["stand-ins ended (by SIGKILL) and is started again"]
    assert not is_alive(again)
    assert "stand_ins_stopping" in kept.log.read_text()


async def test_a_process_that_ends_while_starting_is_named_with_its_last_words(tmp_path: Path) -> None:
    broken = post(tmp_path, STAND_INS_PORT="a lot")
    with pytest.raises(CrewFailed, match=r"(?s)stand-ins ended \(with exit code 2\).*STAND_INS_PORT"):
        async with Crew([broken], say=print) as crew:
            await crew.ready(seconds=30)


@pytest.mark.slow
async def test_a_process_that_cannot_start_is_told_of_and_tried_again_while_the_others_run(tmp_path: Path) -> None:
    said: list[str] = []
    broken = replace(post(tmp_path, STAND_INS_PORT="a lot"), name="broken", log=tmp_path / "broken.log")
    async with Crew([broken, post(tmp_path)], say=said.append, patience=10) as crew:
        missing = await crew.started(seconds=30)
        assert [*missing] == ["broken"]
        assert "STAND_INS_PORT: must be a whole number" in missing["broken"]
        before = crew.pids["stand-ins"]
        await until(lambda: crew.restarts["broken"] > 0, seconds=30, what="another try")
        assert crew.pids["stand-ins"] == before
        crew.renew("stand-ins")
        await crew.ready_again("stand-ins", after=0)
        assert crew.pids["stand-ins"] != before
    assert said[0] == "broken ended (with exit code 2) and is started again"
    assert "stand-ins is started again: its code has changed" in said


async def test_a_process_that_is_never_ready_is_named_with_its_log(tmp_path: Path) -> None:
    silent = Post("silent", ("stand-ins",), post(tmp_path).environment, tmp_path / "log", "http://127.0.0.1:9/readyz")
    with pytest.raises(CrewFailed, match="silent is not ready within 1 s; see "):
        async with Crew([silent], say=print) as crew:
            await crew.ready(seconds=1)


@pytest.mark.slow
async def test_a_process_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    async with Crew([post(tmp_path)], say=said.append, patience=0.3) as crew:
        await crew.ready(seconds=30)
        pid = crew.pids["stand-ins"]
        os.kill(pid, signal.SIGSTOP)  # a stopped process hears no SIGTERM
    assert said == ["stand-ins did not drain within 0 s and is killed"]
    await until(lambda: not is_alive(pid))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_the_crew_ends_with_whoever_keeps_it_even_by_kill_9(tmp_path: Path) -> None:
    keeper = f"""
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.fleet.dev.test_crew import post
from fleet.dev.crew import Crew

async def keep():
    async with Crew([post(Path({str(tmp_path)!r}))], say=print) as crew:
        await crew.ready(seconds=30)
        print(crew.pids["stand-ins"], flush=True)
        await asyncio.Event().wait()

asyncio.run(keep())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", keeper, stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert is_alive(pid)
    process.kill()
    await process.wait()
    await until(lambda: not is_alive(pid))
