"""The figures beside the rounds, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench import aws_calls, isolation
from tests.bench.archive import tables as archive
from tests.bench.plan import CONTESTANTS
from tests.bench.reminders import tables as reminders
from tests.bench.uploads import tables as uploads
from tests.bench.webhooks import tables as webhooks
from tests.bench.whole.aims import summed

DOORS = {"fleet": "this runtime's Lambda door", "powertools": "Powertools BatchProcessor, synchronous"}


def tables(extras: Mapping[str, Any]) -> list[str]:
    """One table for each figure that was taken."""
    parts = []
    if found := extras.get("quiet"):
        parts.append(_table("A quiet queue: 100 messages a second, one by one",
            ("contestant", "requests per message", "from send to receive, median ms", "99 of 100, ms"),
            [(CONTESTANTS[each["contestant"]], f"{each['requests_per_message']:.2f}", f"{each['median_ms']:.0f}",
              f"{each['p99_ms']:.0f}") for each in found]))  # fmt: skip
    if found := extras.get("idle"):
        parts.append(_table("An idle queue", ("contestant", "requests per minute"),
            [(CONTESTANTS[each["contestant"]], f"{each['per_minute']:.1f}") for each in found]))  # fmt: skip
    if found := extras.get("slots"):
        parts.append(_table("Slots: handlers that wait 5 ms", ("slots", "messages per second", "core full"),
            [(f"{each['slots']}", f"{each['per_second']:,.0f}", f"{each['core']:.0%}") for each in found]))  # fmt: skip
    if found := extras.get("processes"):
        parts.append(_table("Processes: handlers that compute for 0.3 ms; the server shares the second core",
            ("processes", "messages per second"),
            [(f"{each['processes']}", f"{each['per_second']:,.0f}") for each in found]))  # fmt: skip
    if found := extras.get("memory"):
        parts.append(_table("Memory: peak of one process", ("messages", "MiB", "CPU us per message"),
            [(f"{each['messages']:,}", f"{each['kib'] / 1024:.1f}", f"{each['cpu_us']:.0f}") for each in found]))  # fmt: skip
    if found := extras.get("imports"):
        parts.append(_table("Imports: CPU over an empty interpreter", ("module", "ms", "least to most", "times aiobotocore"),
            [(f"`{each['module']}`", f"{each['ms']:.0f}", f"{each['least_ms']:.0f} to {each['most_ms']:.0f}",
              f"{each['times_aiobotocore']:.2f}") for each in found]))  # fmt: skip
    if found := extras.get("lambda"):
        parts.append(_table("Lambda: CPU for each record, batches of ten, a handler that parses", ("entry", "us per record", "without its reading"),
            [(DOORS[each["contestant"]], f"{each['us_per_record']:.1f}", f"{each.get('own_us_per_record', 0):.1f}") for each in found]))  # fmt: skip
    if found := extras.get("aws_calls"):
        parts.append(_table("AWS calls: CPU of the client for each", aws_calls.HEADS, aws_calls.lines(found)))
    if found := extras.get("proofs"):
        parts.append(_table("Deleted before its handler had ended, by the server's ledger", ("contestant", "messages"),
            [(CONTESTANTS[each["contestant"]], "no valid run" if each["early_deletes"] is None
              else f"{each['early_deletes']} of {each['messages']}") for each in found]))  # fmt: skip
    searched = [*archive.lines(extras.get("archive", {}))]
    beside = [*webhooks.lines(extras.get("webhooks", {}))]
    uploaded = [*uploads.lines(extras.get("uploads", {}))]
    reminded = [*reminders.lines(extras.get("reminders", {}))]
    isolated = isolation.lines(extras.get("isolation", ()))
    return [
        *parts,
        *_whole(extras),
        *([_table("Uploads: keys, shapes, gate, connections", uploads.HEADS, uploaded)] if uploaded else []),
        *([_table("Webhooks beside a bare POST", webhooks.HEADS, beside)] if beside else []),
        *([_table("Reminders: a flood, kills, lateness", reminders.HEADS, reminded)] if reminded else []),
        *([_table("Webhooks beside endpoints that hang", isolation.HEADS, isolated)] if isolated else []),
        *([_table("The audit archive: search and compaction", archive.HEADS, searched)] if searched else []),
    ]


def _whole(extras: Mapping[str, Any]) -> list[str]:
    rows = [(each.concern, each.contestant, f"{each.cpu_us:.0f}", f"{each.least:.0f} to {each.most:.0f}",
             f"{each.per_second:,.0f}", f"{each.calls:.2f}", f"{each.sqs:.2f}", f"{each.runs}")
            for each in summed(extras.get("whole", {}).get("costs", ()))]  # fmt: skip
    heads = (
        "message",
        "process",
        "CPU us, median",
        "least to most",
        "messages per second",
        "AWS calls",
        "SQS calls",
        "runs",
    )
    title = "A message's whole work: the worker's process and a handler by hand, production setting, 5 ms a call"
    return [_table(title, heads, rows)] if rows else []


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"### {title}", "", f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
