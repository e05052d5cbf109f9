"""The demo's report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fleet.dev.demo.report import Kill, Report

if TYPE_CHECKING:
    from rich.console import RenderableType


def render(report: Report) -> Iterator[RenderableType]:
    """Every table of the report, in the order of the story; then one line that says how it ended."""
    yield _table("uploads", ("file", "bytes", "session", "browser"), _uploads(report))
    yield _table("webhooks", ("endpoint", "state", "delivered", "answers", "refused signatures"), _webhooks(report))
    yield _table(
        "reminders", ("channel", "time zone", "local time", "status", "came", "next", "note"), _reminders(report)
    )
    yield _table("audit archive", ("records", "objects", "digests", "chain"), _audit(report))
    yield _table("dead letters", ("queue", "worker", "reason", "attempts"), _letters(report))
    yield _table("latency", ("hop", "samples", "p50 ms", "p99 ms"), _latency(report))
    if report.kill:
        yield _killed(report.kill)
    verdict = "[bold green]every effect came[/]" if report.ok else f"[bold red]{len(report.missing)} effects missing[/]"
    yield f"{verdict} in {report.seconds:.1f} s, {report.browser_messages} browser messages"


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # a file may be called [bold]: names are not markup
    return table


def _killed(kill: Kill) -> str:
    hand = f"{kill.messages_in_hand} messages in hand"
    return f"{kill.worker} was killed with -9 while it had {hand}; ready again after {kill.ready_again_seconds:.1f} s"


def _uploads(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.uploads:
        yield each.name, f"{each.size:,}", f"{each.status}: {each.reason}" if each.reason else each.status, each.browser


def _webhooks(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.webhooks:
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(each.answers.items()))
        state = "enabled" if each.enabled else "disabled"
        yield each.name, state, str(each.delivered), answers, str(each.refused_signatures)


def _reminders(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.reminders:
        came = "-" if each.deliveries is None else f"{each.deliveries} x"
        at, again = each.local_time.partition("T")[2], each.next_due_at
        following = "-" if again is None else f"{again[:16].replace('T', ' ')}Z"
        yield each.channel, each.time_zone, at, each.status, came, following, each.note


def _audit(report: Report) -> Iterator[tuple[str, ...]]:
    if (audit := report.audit) is not None:
        chain = "verified" if audit.verified else f"BROKEN: {audit.finding}"
        yield str(audit.records), str(audit.objects), str(audit.digests), chain


def _letters(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.dead_letters:
        yield each.queue, each.worker, f"{each.error_type}: {each.message}", str(each.attempts)


def _latency(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.latency:
        yield each.hop, str(each.count), f"{each.p50_ms:,.0f}", f"{each.p99_ms:,.0f}"
