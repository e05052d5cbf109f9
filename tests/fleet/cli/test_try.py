"""`fleet try` where there is nothing to try."""

from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.dev.tries.ground import NoEffect, Tried
from tests.virtual_time import virtual


def said(*words: str, exits: int) -> str:
    result = CliRunner().invoke(fleet, ["try", *words], prog_name="fleet")
    assert result.exit_code == exits, result.output
    assert "Traceback" not in result.stderr
    return result.stderr


def test_without_a_fleet_in_this_folder_it_says_how_to_start_one(tmp_path: Path) -> None:
    assert "start `fleet dev` in this folder" in said("--env-file", str(tmp_path / "dev.env"), "upload", exits=2)


def test_a_file_of_something_else_drives_nothing(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text("SESSIONS_TABLE_NAME=fleet-sessions-prod\n")
    assert "is not of a `fleet dev`" in said("--env-file", str(tmp_path / "prod.env"), "webhook", exits=2)


def test_a_reminder_is_not_due_before_it_can_be_written() -> None:
    assert "'--seconds'" in said("reminder", "--seconds", "0", exits=2)


def test_a_fleet_that_has_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"STAND_INS_HOST": "127.0.0.1", "STAND_INS_PORT": "1"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)  # what the command sets is taken back with them
    (tmp_path / "dev.env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    assert "no development fleet answers" in said("--env-file", str(tmp_path / "dev.env"), "reminder", exits=1)


def test_what_does_not_come_is_named_with_the_log_to_look_at() -> None:
    async def look() -> None:
        return None

    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            await Tried({}, Path(".fleet/dev.env"), http, 60.0).until(
                look, what="the push", worker="reminder-dispatch", due=5.0
            )

    with pytest.raises(
        NoEffect, match=r"the push did not come within 65 s: look at \.fleet/logs/reminder-dispatch\.log"
    ):
        virtual(run())
