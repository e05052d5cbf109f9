"""The command that runs another one beside LocalStack."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

import pytest

from fleet.dev.emulators.localstack import main
from fleet.dev.emulators.ministack import Endpoint

TELLS_ITS_ENDPOINT = (
    "import os; print(os.environ['FLEET_TEST_ENDPOINT'], [n for n in os.environ if n == 'AWS_PROFILE'])"
)


async def driven(*arguments: str, **environment: str) -> tuple[int | None, str]:
    """Run the driver as a process and answer its exit code and its standard output."""
    driver = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fleet.dev.emulators.localstack",
        *arguments,
        env={**os.environ, **environment},
        stdout=PIPE,
    )
    said, _ = await driver.communicate()
    return driver.returncode, said.decode()


async def test_a_command_runs_beside_the_emulator_that_already_answers(emulator: Endpoint) -> None:
    code, said = await driven(
        "--", sys.executable, "-c", TELLS_ITS_ENDPOINT, AWS_PROFILE="mine", **emulator.environment
    )
    assert (code, said) == (0, f"{emulator.url} []\n")


async def test_its_exit_code_is_the_commands(emulator: Endpoint) -> None:
    code, _ = await driven("--", sys.executable, "-c", "raise SystemExit(3)", **emulator.environment)
    assert code == 3


def test_no_command_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--"]) == 2
    assert "usage" in capsys.readouterr().err
