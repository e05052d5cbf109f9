"""A worker that lives outside of this repository, on the installed package: a new environment with what the lock names, and nothing of ours beside it."""

import asyncio
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fleet.dev.environments import PROJECT
from tests.aws import Aws
from tests.fleet.cli.test_run_foreign import POINTS
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def newest() -> str | None:
    """The newest Python on the PATH that is newer than this one, and runs."""
    for minor in range(20, sys.version_info.minor, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


@pytest.fixture(params=["this", "newest"])
def python(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment that holds the wheel and what it needs."""
    interpreter = sys.executable if request.param == "this" else newest()
    if interpreter is None:
        pytest.skip("there is no newer Python here")
    home = tmp_path / "environment"
    lock = PROJECT / "requirements" / "runtime.txt"
    subprocess.run([interpreter, "-m", "fleet.dev.environments", str(home), str(lock)], cwd=PROJECT, check=True)
    made = home / "bin" / "python"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    [site] = (tmp_path / "environment").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return made


def test_a_worker_of_somebody_elses_runs_on_the_installed_package(python: Path, tmp_path: Path, aws: Aws) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "points.py").write_text(POINTS)
    queue, letters = aws.queue("points"), aws.queue("points-dlq")
    environment = {
        **aws.environment,
        "POINTS_QUEUE_URL": queue,
        "POINTS_DLQ_URL": letters,
        "POINTS_TABLE_NAME": "points",
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "1",
    }
    command = [str(python), "-m", "fleet.cli", "run", "--app", "points:APP"]
    said = tmp_path / "said"
    with said.open("w") as output:
        running = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        aws.sqs.send_message(QueueUrl=queue, MessageBody="hello")
        asyncio.run(until(lambda: "handled hello" in said.read_text(), seconds=60, what="the message"))
        running.terminate()
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()
