"""`fleet sessions`, as an operator types it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Ended

from fleet.cli import fleet
from tests.aws import Aws


class Lines:
    """`fleet sessions ...` in this process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *words: str, exits: int = 0) -> Ended:
        result = CliRunner().invoke(fleet, ["sessions", *words], env=self.environment, prog_name="fleet")
        assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
        assert "Traceback" not in result.stderr
        return result

    def document(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*words, "--json").stdout)
        return found


@pytest.fixture
def lines(aws: Aws) -> Lines:
    named = {"SESSIONS_TABLE_NAME": aws.table_like("sessions"), "UPLOAD_BUCKET_NAME": "fleet-uploads-dev"}
    return Lines({**aws.environment, **named})


def test_a_session_is_opened_shown_given_a_form_and_closed(lines: Lines) -> None:
    opened = lines.document("open", "--tenant", "acme", "--type", "image/*", "--max-bytes", "1000", "--scan")
    session = opened["session_id"]
    shown = lines.document("show", session)
    assert (shown["status"], shown["tenantId"], shown["allowedTypes"]) == ("AWAITING_SCAN", "acme", ["image/*"])
    assert opened["secret"] not in lines("show", session).stdout
    form = lines.document("form", session, "my photo.png", "--type", "image/png")
    assert form["fields"]["key"] == form["key"] == f"session-uploads/{session}/my photo.png"
    assert "policy" in lines("form", session, "a.png").stdout
    assert lines.document("close", session)["reason"] == "closed"
    assert lines("watch", session).stdout == f"{session} EXPIRED closed\n"
    assert lines.document("watch", session)["status"] == "EXPIRED"
    assert f"{session} EXPIRED" in lines("close", session).stdout


def test_what_is_printed_for_people_is_what_was_made(lines: Lines) -> None:
    first, second = lines("open", "--id", "mine").stdout.splitlines()
    assert (first, second.partition(" ")[0]) == ("session mine", "secret")


def test_every_fault_is_a_line_and_an_exit_code(lines: Lines) -> None:
    lines("open", "--id", "mine")
    for words, code, said in (
        (("open", "--id", "mine"), 5, "leave the id out"),
        (("open", "--type", "photos"), 2, "allowedTypes: "),
        (("open", "--seconds", "0"), 2, "seconds: "),
        (("show", "nobody"), 3, "no session nobody"),
        (("watch", "nobody"), 3, "no session nobody"),
        (("close", "nobody"), 3, "no session nobody"),
        (("form", "mine", "a/"), 2, "name: "),
        (("form", "mine", "a", "--sha256", "abc"), 2, "sha256: "),
    ):
        assert said in lines(*words, exits=code).stderr
    lines.environment.pop("UPLOAD_BUCKET_NAME")
    assert "UPLOAD_BUCKET_NAME is not set: " in lines("form", "mine", "a", exits=2).stderr
    lines.environment.pop("SESSIONS_TABLE_NAME")
    assert "SESSIONS_TABLE_NAME" in lines("show", "mine", exits=2).stderr
