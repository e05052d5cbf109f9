"""Files, folders and ports that will not do: one line, exit code 2, no traceback."""

import asyncio
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.dev.stand_ins.edge import Edge
from fleet.dev.stand_ins.server import StandInSettings, serving
from shared.settings import SettingsError, read_settings
from tests.fleet.dev.test_crew import NOWHERE

BROKEN = {"nul": b"A=x\0y\n", "binary": b"\xff\xfe\0\1", "missing": None, "no folder": None}


@pytest.mark.parametrize(
    "command",
    [
        ("archive", "head", "--env-file"),
        ("planner", "--file"),
        ("planner", "--uploads", "1/day", "--benchmark"),
        ("webhooks", "endpoint", "add", "--tenant", "t", "--url", "https://x.example/", "--secret-file"),
        ("archive", "verify", "--directory", ".", "--keys"),
    ],
)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_will_not_do_is_told_of_in_a_line(tmp_path: Path, command: tuple[str, ...], kind: str) -> None:
    file = tmp_path / "nothing" / "file" if kind == "no folder" else tmp_path / "file"
    if content := BROKEN[kind]:
        file.write_bytes(content)
    result = CliRunner().invoke(fleet, [*command, str(file)], env={"WEBHOOKS_TABLE_NAME": "t"}, prog_name="fleet")
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", [("archive", "new-key"), ("dev", "--endpoint", "http://127.0.0.1:9", "--env-file")])
def test_a_place_that_cannot_be_written_is_told_of_in_a_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(fleet, [*command, str(tmp_path / "file" / "below")], prog_name="fleet")
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, f"{tmp_path / 'file'}" in result.stderr) == (2, True)


def test_a_port_that_is_taken_is_told_of_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = read_settings(StandInSettings, {**NOWHERE, "STAND_INS_PORT": port})

        async def serve() -> None:
            async with serving(settings, pipes=(), edge=Edge(None)):  # type: ignore[arg-type]  # nobody comes so far
                raise AssertionError("listens where somebody else does")

        with pytest.raises(SettingsError, match="STAND_INS_PORT: cannot listen there"):
            asyncio.run(serve())
