"""What was found beside what is aimed at: of a message's whole work, with what it was before, and of each concern."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench import isolation
from tests.bench.archive import tables as archive
from tests.bench.lambda_start import FIRST
from tests.bench.plan import Row
from tests.bench.uploads import tables as uploads
from tests.bench.webhooks import tables as webhooks
from tests.bench.whole.play import OURS, THEIRS

BEFORE = {"upload": 3.7, "webhook delivered": 6.2, "reminder sent": 4.8, "audit row": 1.0}
"""Milliseconds of CPU when every call was botocore's, on the emulator."""
AIMED = {"upload": 0.40, "webhook delivered": 0.70, "reminder sent": 0.45}
UPLOAD = "workers.upload_notification.app"
OF_PEER, PER_SECOND, P99 = 0.25, 2_000, 50.0

Line = tuple[str, str, str, str]


@dataclass(frozen=True)
class Summed:
    """All runs of one process: medians."""

    concern: str
    contestant: str
    cpu_us: float
    least: float
    most: float
    per_second: float
    calls: float
    sqs: float
    runs: int


def summed(costs: Sequence[Mapping[str, Any]]) -> list[Summed]:
    """One for each process, in the order in which they came first."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in costs:
        found.setdefault((each["concern"], each["contestant"]), []).append(each)
    return [_summed(*name, runs) for name, runs in found.items()]


def _summed(concern: str, contestant: str, runs: Sequence[Mapping[str, Any]]) -> Summed:
    cpu = sorted(each["cpu_us"] for each in runs)
    per_second, calls, sqs = (median(each[name] for each in runs) for name in ("per_second", "calls", "sqs"))
    return Summed(concern, contestant, median(cpu), cpu[0], cpu[-1], per_second, calls, sqs, len(runs))


def aims(rows: Mapping[str, Sequence[Row]], extras: Mapping[str, Any]) -> list[str]:
    """The table of the first page; nothing where there are no figures."""
    found = [
        *_of_calls(extras.get("aws_calls", ())),
        *_of_work(extras.get("whole", {"costs": ()})),
        *_of_road(rows),
        *_of_lambda(extras),
    ]
    lines = [f"| {' | '.join(each)} |" for each in found]
    return lines and [
        "",
        "A message's whole work, each ratio within one run:",
        "",
        "| what | before | goal | found |",
        "|---|---:|---:|---:|",
        *lines,
    ]


def concerns(extras: Mapping[str, Any]) -> list[str]:
    """The second table of the first page: of what each concern was measured at, that which has a goal."""
    parts = {
        "webhooks": webhooks.lines(extras.get("webhooks", {})),
        "uploads": uploads.lines(extras.get("uploads", {})),
        "archive": archive.lines(extras.get("archive", {})),
    }
    found = [(name, *line) for name, lines in parts.items() for line in lines if line[1]]
    for what, without, beside, times in isolation.lines(extras.get("isolation", ())):
        goal = "" if "no bulkhead" in what else "1.2 x"
        found.append(("webhooks", f"healthy endpoints' p99: {what}", goal, f"{without}, {beside}: {times}"))
    lines = [f"| {' | '.join(each)} |" for each in found]
    return lines and [
        "",
        "Each concern by itself:",
        "",
        "| concern | what | goal | found |",
        "|---|---|---:|---:|",
        *lines,
    ]


def _of_calls(rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    by_service = [row for row in rows if row["call"].startswith(("DynamoDB", "EventBridge"))]
    if not by_service:
        return
    yield "CPU of a DynamoDB or EventBridge call, of aioboto3's", "1", "0.08", _span(by_service, "aioboto3")
    for peer, goal in (("aiodynamo", "0.2"), ("awscrt", "-")):
        with_peer = [row for row in by_service if peer in row]
        if with_peer:
            yield f"the same, of {peer}'s", "", goal, _span(with_peer, peer)


def _span(rows: Sequence[Mapping[str, Any]], peer: str) -> str:
    ratios = sorted(row["fast"] / row[peer] for row in rows)
    return " to ".join(dict.fromkeys(f"{each:.2f}" for each in (ratios[0], ratios[-1])))


def _of_work(found: Mapping[str, Any]) -> Iterator[Line]:
    costs = {(each.concern, each.contestant): each for each in summed(found["costs"])}
    ours = {name: costs[name, OURS] for name in BEFORE if (name, OURS) in costs}
    theirs = {name: costs[name, THEIRS] for name in ours if (name, THEIRS) in costs}
    for name, each in ours.items():
        goal = f"{AIMED[name]:.2f} ms" if name in AIMED else ""
        yield f"CPU of the worker, {name}", f"{BEFORE[name]} ms", goal, f"{each.cpu_us / 1e3:.2f} ms"
    for name, each in theirs.items():
        yield f"the same, of aioboto3 by hand, {name}", "", f"{OF_PEER}", f"{ours[name].cpu_us / each.cpu_us:.2f}"
    if "upload" in ours:
        most = max(
            each["per_second"] for each in found["costs"] if (each["concern"], each["contestant"]) == ("upload", OURS)
        )
        could = 1e6 / ours["upload"].cpu_us
        yield "uploads a second, one core", "200", f"{PER_SECOND:,}", f"{most:,.0f} ({could:,.0f} by its CPU)"
    if "waits" in found:
        waits = found["waits"]
        yield (
            f"receipt to browser, p99 at {waits['per_second']:.0f} uploads/s",
            "",
            f"{P99:.0f} ms",
            f"{waits['p99_ms']:.0f} ms",
        )


def _of_road(rows: Mapping[str, Sequence[Row]]) -> Iterator[Line]:
    cpu = {row.contestant: row.cpu_us for row in rows.get("production", ())}
    for limit, before, goal in (("raw_aiohttp", "1.07", ""), ("raw_lean", "1.7", "1.0")):
        if {"fleet", limit} <= cpu.keys():
            name = "the raw loop's" if limit == "raw_aiohttp" else "the leaner loop's"
            yield f"CPU of the road, of {name}", before, goal, f"{cpu['fleet'] / cpu[limit]:.2f}"


def _of_lambda(extras: Mapping[str, Any]) -> Iterator[Line]:
    times = {each["module"]: each["times_aiobotocore"] for each in extras.get("imports", ())}
    if UPLOAD in times:
        yield "Lambda: import of the upload worker, of aiobotocore's", "1.0", "", f"{times[UPLOAD]:.2f}"
    if FIRST in times:
        yield "the same and its first invocation", "1.0 + client", "0.5", f"{times[FIRST]:.2f}"
    for each in extras.get("lambda", ()):
        if each["contestant"] == "fleet" and "own_us_per_record" in each:
            yield "Lambda: own CPU of the door for a record", "37 us", "12 us", f"{each['own_us_per_record']:.0f} us"
