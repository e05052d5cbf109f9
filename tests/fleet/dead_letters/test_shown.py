"""What is shown without --reveal comes from an allow list, and nothing foreign speaks to a terminal."""

import json
from io import StringIO
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fleet.cli.dlq.frame import say
from fleet.cli.dlq.tables import LONGEST_CELL, letters, queues, table
from fleet.cli.shown.tables import fitted, show
from fleet.dead_letters.model import redaction
from shared.message.delivery import Attribute
from shared.message.identity import ATTRIBUTE, REPLAY
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.letters import typed
from tests.traced import allowed

SECRET = "Jane.Doe.tumour"
RAW = "\x1b[31m\x9b31m\u202e"


def upload() -> str:
    return json.dumps(
        {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": f"{SECRET}.pdf", "sequencer": "1"}}}]}
    )


@pytest.mark.slow
def test_file_names_producers_keys_and_displaced_attributes_stay_hidden(ground: Ground, cli: Lines) -> None:
    ground.park(upload())
    ground.put('{"n": 1}', attributes=typed({"idempotency-key": f"{SECRET}"}))
    displaced: dict[str, Any] = {"displaced": {"name": "patient", "type": "String", "value": SECRET}, "unknown": SECRET}
    ground.put('{"n": 2}', attributes=typed({ATTRIBUTE: envelope(**displaced, idempotency_key=SECRET).text or ""}))
    ground.put(
        '{"n": 3}', attributes=typed({REPLAY: json.dumps({"plan_id": "p", "idempotency_key": SECRET, "x": SECRET})})
    )
    ground.put('{"n": 4}', attributes=typed({ATTRIBUTE: f"not JSON: {SECRET}", "fleet-restored": SECRET}))
    ids = [each["id"] for each in cli.json("list", ground.name)]
    assert len(ids) == 5
    looks = [("list", ground.name), ("groups", ground.name), *(("show", ground.name, name) for name in ids)]
    for words in looks:
        for more in ((), ("--json",)):
            shown = cli("dlq", *words, *more)
            assert SECRET not in shown.stdout + shown.stderr, (words, shown.stdout)
    revealed = [cli("dlq", "show", ground.name, name, "--reveal", "--reason", "why").stdout for name in ids]
    assert all(SECRET in each for each in revealed)


def test_a_fingerprint_or_plan_that_is_not_a_plain_identifier_is_hidden(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1}, fingerprint="of Jane Doe")
    [letter] = cli.json("list", ground.name)
    [group] = cli.json("groups", ground.name)
    assert (letter["fingerprint"], group["fingerprint"]) == ("[hidden]", "[hidden]")
    assert redaction.listed({"plan_id": "of Jane Doe"}) == {"plan_id": "[hidden]"}


@pytest.mark.parametrize(
    "time", ["2026-11-20T09:00:00+00:00", "2026-11-20T09:00:00.123456+02:00", "2026-11-20T09:00:00Z"]
)
def test_a_time_with_its_zone_is_shown(time: str) -> None:
    assert redaction.reason({"last_failure": time}) == {"last_failure": time}
    assert redaction.reason({"last_failure": f"{time} jane"}) == {"last_failure": "[hidden]"}
    assert json.loads(redaction.body(json.dumps({"time": time, "phone": time})))["time"] == time


@pytest.mark.parametrize("key", ["body:" + "0" * 32, "stream:c9a3", "event:shop:order.placed:t1:order-42"])
def test_a_key_that_was_derived_is_shown(key: str) -> None:
    assert redaction.key(key) == key


@pytest.mark.parametrize("key", ["s3:bucket/jane.pdf@1", "jane@example.com", "event:shop:o:jane doe", "body:jane"])
def test_of_another_key_only_a_digest_is_shown(key: str) -> None:
    assert redaction.key(key).startswith("sha256:")
    assert redaction.key(key) != redaction.key(key + "x")


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.recursive(st.text(), st.lists)))
def test_json_is_the_same_json_and_printable(document: dict[str, object]) -> None:
    line = redaction.json_line({**document, "raw": RAW})
    assert line.isprintable()
    assert json.loads(line) == orjson.loads(orjson.dumps({**document, "raw": RAW}))


@pytest.mark.slow
def test_no_command_lets_foreign_text_speak_to_the_terminal(ground: Ground, cli: Lines) -> None:
    """SQS itself refuses an escape character in a body, but not the other ones, nor any that JSON spells."""
    hostile = f"{RAW}evil\n0 letters"
    ground.park({RAW: RAW}, error_type=hostile, message=hostile, worker=hostile, stack=[hostile])
    taken = RAW.replace("\x1b", "")
    ground.put(taken, attributes=typed({"ERROR_CODE": taken, "TARGET_ARN": f"arn:aws:sqs:x:y:{taken}"}))
    ids = [each["id"] for each in cli.json("list", ground.name)]
    looks: list[tuple[str, ...]] = [
        ("list", ground.name),
        ("groups", ground.name),
        ("ls", ground.name),
        ("export", ground.name, "--reason", RAW),
        ("plan", ground.name, "-o", cli.plan()),
        ("show", ground.name, RAW),
        ("list", RAW),
        ("purge", ground.name),
        *(("show", ground.name, name) for name in ids),
        *(("show", ground.name, name, "--reveal", "--reason", "why") for name in ids),
    ]
    for words in looks:
        for more in ((), ("--json",)):
            shown = cli("dlq", *words, *more, exits=None)
            for line in (shown.stdout + shown.stderr).splitlines():
                assert line.isprintable(), (words, line)


def test_foreign_text_cannot_write_a_line_of_its_own() -> None:
    assert redaction.one_line("a\nb\x85c") == "a\\nb\\x85c"


def test_words_on_stderr_are_one_line_whatever_they_quote(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"left out: {RAW}\n0 letters")
    assert capsys.readouterr().err == "left out: \\x1b[31m\\x9b31m\\u202e\\n0 letters\n"


def test_a_reason_of_bytes_that_are_no_text_is_kept_as_far_as_it_is(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    cli("dlq", "purge", ground.name, "--confirm", ground.name, "--yes", "--reason", "why \udcff")
    assert cli.audit()[-1]["reason"] == "why ?"


def test_an_attribute_of_the_fleet_that_is_not_json_is_hidden() -> None:
    shown = redaction.attributes({ATTRIBUTE: Attribute("String", SECRET), REPLAY: Attribute("String", SECRET)})
    assert SECRET not in str(shown)


def test_no_letter_fills_the_screen_with_what_somebody_wrote_on_it() -> None:
    long = {"queue": "q" * 5_000, "visible": 1, "in_flight": 0, "groups": 1, "oldest_sent_at": "", "expires_in_s": 1.0}
    [cell, *_] = queues([long]).columns[0].cells
    assert (len(str(cell)), str(cell)[-4:]) == (LONGEST_CELL, "q...")


@pytest.mark.parametrize("width", [60, 80, 120, 180])
def test_what_is_copied_from_a_table_is_never_broken_however_narrow_the_terminal(width: int) -> None:
    told: dict[str, Any] = {
        "id": "d" * 36,
        "shape": "sqs",
        "worker": "reminder-dispatch",
        "error_type": "ValidationError",
    }
    told |= {"message": "dueAt: missing", "failed_at": "2026-11-27T13:11:18", "why_not": None, "note": None}
    shown = Console(file=StringIO(), width=width)
    shown.print(fitted(letters([{**told, "expires_in_s": 9e5, "destination": f"arn:{'a' * 60}"}] * 2), shown.width))
    lines = shown.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert sum("d" * 36 in line for line in lines) == sum(told["failed_at"] in line for line in lines) == 2
    assert len(lines) < 30


def test_a_narrow_terminal_gets_a_line_for_each_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    show(table(("id", "shape"), [("d" * 15, "sqs")]))
    assert capsys.readouterr().out.split() == ["id", "d" * 15, "shape", "sqs"]


@pytest.mark.parametrize("unit", ["x", "'", "`'\"", "x ", "1", "'\n", "@"])
def test_a_reason_of_any_length_and_kind_is_summed_up_in_time_that_grows_with_it(unit: str) -> None:
    """Who may write a letter writes its reason: one that took minutes would keep everybody from the whole queue."""
    began = process_time()
    assert len(redaction.gist(unit * (200_000 // len(unit)) + "x")) <= redaction.LONGEST_GIST
    assert process_time() - began < allowed(0.5)
