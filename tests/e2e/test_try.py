"""`fleet try` on a running fleet: each effect comes, and the README shows what it says."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleet.cli import env_file
from tests.kept import kept

README = (Path(__file__).parents[2] / "README.md").read_text()

pytestmark = pytest.mark.e2e

TRIES = 20


def tried(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "fleet.cli", "try", "--env-file", str(file), *words)
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    env_file.write(tmp_path / "dev.env", kept("container"))
    return tmp_path / "dev.env"


def shape(text: str) -> list[str]:
    """The lines without what is new each time: ids, seconds, ports, names of the stack, and the file's place."""
    text = re.sub(r"table=[\w-]+/", "table=T/", re.sub(r"--env-file \S+", "--env-file F", text))
    return [
        re.sub(r"[0-9a-f]{8,}", "ID", re.sub(r"\d+T\d+Z|\d+\.\d s|:\d+/|=\d+", "N", line.strip()))
        for line in text.splitlines()
    ]


@pytest.mark.slow
def test_all_four_concerns_have_their_effect_and_the_readme_shows_what_is_said(file: Path) -> None:
    run = tried(file)
    assert run.returncode == 0, run.stdout + run.stderr
    shown = re.search(r"<!-- executed by tests/e2e/test_try.py -->\n```text\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shape(run.stdout) == shape(shown[1])


@pytest.mark.slow
def test_what_the_readme_does_over_the_same_fleet_answers_as_it_says() -> None:
    block = re.search(r"^\$ set -a; \. \.fleet/dev\.env; set \+a.*?\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert block
    lines = [shlex.split(line, comments=True)[2:] for line in block[1].splitlines()]
    told = "EVENT_ID"

    def run(words: list[str], *more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "fleet.cli", *(told if word == "EVENT_ID" else word for word in words), *more]
        environment = {**os.environ, **kept("container")}
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=environment)

    for words in lines:
        done, tries = run(words), 1
        while tries < TRIES and (done.returncode or (words[:2] == ["archive", "find"] and not done.stdout.strip())):
            time.sleep(2)
            done, tries = run(words), tries + 1
        assert done.returncode == 0, done.stdout + done.stderr
        if words[:2] == ["archive", "find"]:
            told = json.loads(run(words, "--as", "json").stdout.splitlines()[0])["event_id"]
    assert told != "EVENT_ID", "its row was found"


@pytest.mark.long
def test_an_endpoint_that_is_gone_ends_its_delivery(file: Path) -> None:
    run = tried(file, "webhook", "--answers", "gone")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "attempt 1 was answered 410" in run.stdout
    assert "the delivery is CANCELLED" in run.stdout


@pytest.mark.long
def test_what_the_form_refuses_is_said_and_ends_with_1(file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    run = tried(file, "upload", str(tmp_path / "empty.txt"))
    assert (run.returncode, "EntityTooSmall" in run.stderr, "Traceback" in run.stderr) == (1, True, False)
