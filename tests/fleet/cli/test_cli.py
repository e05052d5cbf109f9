"""The command line: what it says, how it ends, and that help costs nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from fleet.cli import COMMANDS, fleet
from fleet.cli.command import Command
from fleet.typed import ENV_FILE
from shared.settings import SettingsError
from workers import roster

if TYPE_CHECKING:
    import click

HEAVY = ("aioboto3", "aiobotocore", "boto3", "botocore", "pydantic", "aiohttp", "rich", "opentelemetry")


def called(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(fleet, arguments, env=environment, prog_name="fleet")


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = called("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)
    assert "Exit codes: 0 done" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fleet.cli import fleet; fleet(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_the_list_what_it_says_itself(name: str) -> None:
    module, _, attribute = COMMANDS[name].place.partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    assert command.get_short_help_str(limit=200) == COMMANDS[name].short_help
    assert called(name, "--help").exit_code == 0


def test_the_installed_command_tells_its_version() -> None:
    command = Path(sys.executable).with_name("fleet")
    result = subprocess.run([str(command), "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("fleet, version ")


@pytest.mark.parametrize(
    "wrong",
    [["rn"], ["run", "nobody"], ["run"], ["archive", "verify", "--bucket", "b", "--directory", "."], ["dev", "-x"]],
)
def test_wrong_usage_ends_with_2_and_words_on_stderr(wrong: list[str]) -> None:
    result = called(*wrong)
    assert result.exit_code == 2
    assert (result.stdout, "Usage:" in result.stderr) == ("", True)


@pytest.mark.slow
@pytest.mark.parametrize("worker", roster.WORKERS)
def test_a_worker_without_its_variables_ends_with_2_and_their_names(worker: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_NAME"))}
    environment |= {"AWS_DEFAULT_REGION": "us-east-1", "HEALTH_PORT": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "fleet.cli", "run", worker],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 2
    assert "set or mend these environment variables: " in result.stderr
    app = roster.app(worker)
    missing = [name for model in app.settings for name, field in model.model_fields.items() if field.is_required()]
    queues = [f"{queue.replace('-', '_')}_{kind}_url" for queue in app.queues for kind in ("queue", "dlq")]
    assert all(f"{name.upper()} is not set: " in result.stderr for name in [*missing, *queues])
    assert "Traceback" not in result.stderr


WORKER = {
    "PATH": os.environ["PATH"],
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
    "HEALTH_PORT": "0",
}


@pytest.mark.slow
def test_a_worker_that_is_told_to_leave_before_it_has_started_leaves_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # Secrets Manager does not answer
        port = silent.getsockname()[1]
        environment = {**WORKER, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AUDIT_HASH_KEYS_SECRET_ARN": "keys"}
        process = subprocess.Popen([sys.executable, "-m", "fleet.cli", "run", "audit-archive"], env=environment)
        try:
            silent.settimeout(60)
            asked, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            # As the first process of a container it would not hear of a signal without a handler.
            assert process.wait(5) == 0
            asked.close()
        finally:
            process.kill()


def test_a_worker_that_is_told_to_leave_in_a_callback_of_pythons_own_leaves() -> None:
    program = """
import os, signal
from fleet.cli import _leave_at_once
class Gone:
    def __del__(self):  # what is raised here is printed, and no more
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000): pass
signal.signal(signal.SIGTERM, _leave_at_once)
Gone()
os._exit(7)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_a_worker_that_is_to_fail_without_its_queue_says_so_in_one_line_and_ends_with_1() -> None:
    url = "http://127.0.0.1:1/000000000000/uploads"
    environment = {
        **WORKER,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "STARTUP": "fail",
        "UPLOADS_QUEUE_URL": url,
        "UPLOADS_DLQ_URL": f"{url}-dlq",
        "SESSIONS_TABLE_NAME": "sessions",
        "UPLOAD_BUCKET_NAME": "uploads",
        "EVENT_BUS_NAME": "bus",
        "WS_API_ENDPOINT": "http://127.0.0.1:1",
    }
    command = [sys.executable, "-m", "fleet.cli", "run", "upload-notification"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, "Traceback" in result.stderr + result.stdout) == (1, False)
    last = json.loads((result.stdout + result.stderr).splitlines()[-1])
    assert (last["event"], last["error_type"]) == ("worker_failed", "EndpointConnectionError")


def test_settings_that_cannot_be_are_told_without_a_traceback() -> None:
    def wrong() -> None:
        raise SettingsError("set or mend these environment variables: CONCURRENCY: too much")

    result = CliRunner().invoke(Command("wrong", callback=wrong))
    assert result.exit_code == 2
    assert result.stderr == "Error: set or mend these environment variables: CONCURRENCY: too much\n"


def test_a_variable_that_is_set_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dev.env"
    file.write_text("AUDIT_QUEUE_URL=from-the-file\nSTAND_INS_PORT=a lot\n")
    monkeypatch.setenv("STAND_INS_PORT", "more than there are")
    for name in (
        "AUDIT_QUEUE_URL",
        ENV_FILE,
    ):  # set and unset: what the file sets, and that there is one, is forgotten after this test
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    result = called("stand-ins", "--env-file", str(file))
    assert result.exit_code == 2
    assert "SESSIONS_TABLE_NAME is not set" in result.stderr
    assert "AUDIT_QUEUE_URL" not in result.stderr
    assert "STAND_INS_PORT: must be a whole number" in result.stderr


@pytest.mark.parametrize("content", [None, "this is not a line"])
def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "dev.env"
    if content is not None:
        file.write_text(content)
    result = called("doctor", "--env-file", str(file))
    assert result.exit_code == 2
    assert str(file) in result.stderr


def test_an_unreachable_aws_ends_with_1_and_one_line() -> None:
    result = called(
        "archive",
        "verify",
        "--bucket",
        "somewhere",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_MAX_ATTEMPTS="1",
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: AWS cannot be asked: ")


@pytest.mark.parametrize("command", ["dev", "demo"])
@pytest.mark.parametrize(
    ("url", "reason"),
    [("https://sqs.eu-central-1.amazonaws.com", "is AWS itself"), ("ftp://127.0.0.1", "not a URL of an emulator")],
)
def test_the_local_commands_refuse_what_is_not_an_emulator(command: str, url: str, reason: str) -> None:
    result = called(command, "--endpoint", url)
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize("command", ["dev", "demo"])
def test_an_endpoint_where_nothing_answers_ends_with_1(command: str) -> None:
    result = called(command, "--endpoint", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.stderr
