"""The table of `fleet archive find`: what is copied from it stays whole, also in a narrow place."""

import pytest

from fleet.archive.searched import Answer
from fleet.cli.archive.searched import show

EVENT_ID = "51ea25a2-c844-47b7-ab0f-2e7e6724d91f"
KEYS = '{"sessionId":{"S":"s_982d473876ec541210dbb69ab417d0a2"}}'
COLUMNS = ("event_time", "table_name", "activity", "actor", "event_id", "keys", "line")
ROW = ("2026-11-28 09:53:05", "fleet-sessions-dev", "create", "unknown", EVENT_ID, KEYS, "for machines")


@pytest.mark.parametrize("columns", [None, "80"])
def test_an_event_s_id_is_whole(
    columns: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", columns)
    show(Answer(COLUMNS, [ROW]), "table")
    said = capsys.readouterr().out
    assert EVENT_ID in said
    assert "fleet-sessions-dev" in said
    assert "for machines" not in said


def test_what_goes_into_a_pipe_is_folded_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    long = '{"PK":{"S":"DELIVERY#msg_' + "d" * 200 + '"}}'
    show(Answer(COLUMNS, [(*ROW[:5], long, "")]), "table")
    assert long in capsys.readouterr().out
