"""The demo's report: its numbers, its document and its tables."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.console import Console

from fleet.cli.dev.demo import print_report
from fleet.dev.demo import report
from fleet.dev.demo.tables import render

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "demo.schema.json").read_text())

FULL = report.Report(
    run="abcdef",
    endpoint="http://127.0.0.1:4566",
    started_at="2026-11-21T09:00:00+00:00",
    seconds=12.5,
    uploads=[report.Upload("[bold] ü.bin", "session-uploads/s/[bold] ü.bin", 6_291_456, "s", "REJECTED", "empty", "notified")],
    browser_messages=1,
    webhooks=[report.Endpoint("gone", "http://127.0.0.1/gone", False, 0, {"410": 2}, 0)],
    reminders=[
        report.Reminder("push", "Europe/Berlin", "2026-11-21T10:00:00", "2026-11-21T09:00:00Z", "SENT", 1, None, "receipt: DELIVERED"),
        report.Reminder("email", "Asia/Tokyo", "2026-11-21T18:00:00", "2026-11-21T09:00:00Z", "SENT", None, "2026-11-22T09:00:00Z"),
    ],
    audit=report.Audit(10, 2, 1, True, None),
    dead_letters=[report.DeadLetter("uploads", "upload-notification", "Reject", "body is not JSON", 1)],
    kill=report.Kill("audit-archive", 7, 1.5),
    latency=[report.Latency("upload PUT to browser message", 6, 40.0, 1050.5)],
    missing=[],
)  # fmt: skip
POOR = replace(
    FULL,
    audit=report.Audit(10, 2, 1, False, "hash mismatch: table=x"),
    kill=None,
    dead_letters=[],
    latency=[],
    missing=["browser message for '[red]'"],
)


@pytest.mark.parametrize("given", [FULL, POOR, replace(POOR, audit=None)])
def test_the_document_keeps_to_the_published_schema(given: report.Report) -> None:
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(given.document())))


def test_the_schema_refuses_what_it_does_not_know() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert not Draft202012Validator(SCHEMA).is_valid({**FULL.document(), "surprise": 1})


def test_all_is_well_only_when_nothing_is_missing() -> None:
    assert (FULL.document()["ok"], POOR.document()["ok"]) == (True, False)


def test_the_tables_name_everything_and_take_no_file_name_for_markup() -> None:
    text = shown(FULL)
    for part in (
        "[bold] ü.bin",
        "6,291,456",
        "REJECTED: empty",
        "2 x 410",
        "disabled",
        "10:00:00",
        "2026-11-22 09:00Z",
        "verified",
        "receipt: DELIVERED",
    ):
        assert part in text
    assert "audit-archive was killed with -9 while it had 7 messages in hand" in text
    assert "every effect came" in text


def test_the_tables_name_what_is_missing_and_what_is_broken() -> None:
    text = shown(POOR)
    assert "BROKEN: hash mismatch: table=x" in text
    assert "1 effects missing" in text


@pytest.mark.parametrize("as_json", [True, False])
def test_data_goes_to_stdout_and_what_is_missing_to_stderr(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    assert (print_report(FULL, as_json=as_json), capsys.readouterr().err) == (0, "")
    assert print_report(POOR, as_json=as_json) == 1
    printed = capsys.readouterr()
    assert printed.err == "missing: browser message for '[red]'\n"
    if as_json:
        assert json.loads(printed.out) == POOR.document()


def test_latencies_are_told_in_milliseconds() -> None:
    seconds = [n / 100 for n in range(1, 101)]
    assert report.summarise({"hop": seconds, "silent": []}) == [report.Latency("hop", 100, 500.0, 990.0)]


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_was_measured(values: list[float], percent: float) -> None:
    found = report.percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 50)


def shown(given: report.Report) -> str:
    console = Console(width=120, record=True, file=io.StringIO(), color_system=None)
    for part in render(given):
        console.print(part)
    return console.export_text()
