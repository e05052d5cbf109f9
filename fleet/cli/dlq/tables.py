"""Dead letters, and how far a replay is, for people; the words may change, scripts read --json."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from fleet.dead_letters.model import expiry, redaction
from fleet.dead_letters.model.plan.plan import Plan, Step
from fleet.dead_letters.replay.journal import Progress
from shared.message.identity import ATTRIBUTE

STOPPED = "a canary came back"
WORDS = {"stopped": f"stopped, {STOPPED}: find out why, then plan the rest anew;"}
FAULTS = 20
"""Letters that are named with their fault; `--json` names all."""
LONGEST_CELL = 300
"""Characters, more than any ARN has; `--json` prints all."""
FOLDED = ("queue", "worker", "error", "message", "disappears in", "replayable", "goes to")
"""Columns of what may be long; the others are ids, times and counts, which nobody can copy or read in pieces."""
PAGE = 500
"""Rows of one table: a table is laid out in memory as a whole, so a long list becomes several, each with its head."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, overflow="fold", no_wrap=name not in FOLDED)
    for row in rows:
        made.add_row(*(each if isinstance(each, Text) else Text(_cell(each)) for each in row))
    return made


def _cell(text: str) -> str:
    """No letter fills the screen with what somebody wrote on it."""
    shown = redaction.one_line(text)
    return shown if len(shown) <= LONGEST_CELL else f"{shown[: LONGEST_CELL - 3]}..."


def left(seconds: float | None) -> Text:
    """A countdown, in red below a day."""
    if seconds is None:
        return Text("")
    soon = expiry.is_soon(seconds)
    return Text(expiry.spelled(seconds) + (" !" if soon else ""), style="bold red" if soon else "")


def queues(documents: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("queue", "visible", "in flight", "groups", "oldest", "disappears in")
    return table(
        columns,
        (
            (
                each["queue"],
                str(each["visible"]),
                str(each["in_flight"]),
                str(each["groups"]) if each["groups"] is not None else "",
                (each["oldest_sent_at"] or "")[:19],
                left(each["expires_in_s"]),
            )
            for each in documents
        ),
    )


def groups(documents: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("count", "worker", "error", "message", "fingerprint", "last failure", "disappears in", "replayable")
    return table(
        columns,
        (
            (
                str(each["count"]),
                each["worker"] or "",
                each["error_type"] or "reason unknown",
                each["message"] or "",
                each["fingerprint"],
                each["last_failure"][:19],
                left(each["expires_in_s"]),
                f"{each['replayable']} of {each['count']}"
                + (f", {each['replayable_with_to']} with --to" if each["replayable_with_to"] else ""),
            )
            for each in documents
        ),
    )


def letters(documents: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("id", "shape", "worker", "error", "message", "failed at", "disappears in", "goes to")
    return table(
        columns,
        (
            (
                each["id"],
                each["shape"],
                each["worker"] or "",
                each["error_type"] or "reason unknown",
                each["message"] or "",
                each["failed_at"][:19],
                left(each["expires_in_s"]),
                each["destination"] or each["why_not"] or each["note"] or "",
            )
            for each in documents
        ),
    )


def print_report(result: dict[str, Any]) -> None:
    """How far a plan is."""
    names = ("planned", "sent", "deleted", "failed", "gone", "skipped", "uncertain", "returned", "remaining")
    click.echo("  ".join(f"{name} {result[name]}" for name in names))
    for step in result["steps"]:
        verdict = f"verdict {step['verdict'] or 'open'}"
        what = f"canary, {verdict}" if step["canary"] else f"the rest{', ' + verdict if step['verdict'] else ''}"
        click.echo(f"  step {step['step']}: {step['sent']} of {step['letters']} sent ({what})")
    click.echo(f"  {WORDS.get(result['state'], result['state'])} since {result['since'][:19]}Z")
    if result["next"]:
        click.echo(redaction.one_line(f"  next: {result['next']}"))


def tell_left(result: Mapping[str, Any], *, fifo: bool = False) -> None:
    """On stderr: what of a replay is not as it was planned, and what to do about it."""
    if result["vanished"]:
        _say(
            f"{result['vanished']} had been sent before, and were no longer here to be deleted: an earlier run, another plan or somebody did"
        )
    if result["uncertain"]:
        _say("uncertain: the answer to their send was lost, and they are still here; `resume` sends them once more")
    if result["sent_twice"]:
        _say(
            f"{result['sent_twice']} were sent once more, for nobody could say whether they had been: there may be two of each, under one key"
        )
    for each in result["faults"][:FAULTS]:
        _say(f"left: {each['id']}: {redaction.printable(each['why'])}")
    if any(each["canary"] and each["verdict"] == "none" for each in result["steps"]):
        _say("a canary has no verdict yet, and nothing follows it before: `resume` watches again")
    elif result["state"] == "unfinished" and result["remaining"]:
        behind = "stand behind a letter of its group that was left, or " if fifo else ""
        _say(f"what remains may {behind}be in other hands, such as a killed runner's, for a minute")


def _say(words: str) -> None:
    click.echo(redaction.one_line(words), err=True)


@contextmanager
def progress_line(plan: Plan) -> Iterator[Callable[[Step, Progress], None]]:
    """One line that renews itself, on a terminal; elsewhere the journal is what tells."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    begun = False

    def tell(step: Step, progress: Progress) -> None:
        nonlocal begun
        if terminal:
            begun = True
            sent, back = len(progress.sent), len(progress.returned)
            click.echo(f"\rstep {step.number}: {sent} of {len(plan.letters)} sent, {back} back", nl=False, err=True)

    try:
        yield tell
    finally:
        if begun:
            click.echo(err=True)


def one(shown: Mapping[str, Any]) -> None:
    """One letter, name by name; its body last."""
    for name, value in shown.items():
        if name in ("body", "body_in_s3", "attributes", "reason", "version") or value is None:
            continue
        click.echo(f"{name}: {redaction.one_line(str(value))}")
    for section in ("reason", "attributes"):
        for name, value in (shown[section] or {}).items():
            if name == ATTRIBUTE and shown["reason"]:
                continue
            click.echo(redaction.one_line(f"{section}.{name}: {value}"))
    if stored := shown["body_in_s3"]:
        place = f"s3://{stored['bucket']}/{stored['key']}"
        click.echo(redaction.one_line(f"body in S3: {stored['bytes']} bytes at {place}; here is its pointer"))
    click.echo(f"body:\n{redaction.printable(shown['body'])}")


def metric(documents: Sequence[Mapping[str, Any]], *, namespace: str, now: float) -> str:
    """When the oldest letter of each queue disappears, as CloudWatch reads it in a `namespace`, else as Prometheus does."""
    left = {each["queue"]: each["expires_in_s"] for each in documents if each["expires_in_s"] is not None}
    if not namespace:
        return expiry.prometheus(left)
    return expiry.embedded(left, namespace=namespace, now=datetime.fromtimestamp(now, UTC))


def namespace() -> str:
    """That of the stage's other metrics, where its alarms look."""
    stage = click.get_current_context().find_root().obj
    if stage is None:
        raise click.UsageError("--metric emf needs to know whose it is: fleet --stage NAME dlq ls --metric emf")
    return f"{stage.project}/{stage.stage}"
