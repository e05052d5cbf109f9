"""FIFO groups in a ledger: did handlers keep the order, and did no two of a group run at once?"""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.sqs_server.entries import Entry
from tests.sqs_server.leases import Leases

DEPARTURES = ("delete", "redrive", "move", "aged", "purge", "dropped")
Group = tuple[str, str]
"""A queue's name and a message group id."""


def _groups(entries: list[Entry]) -> dict[str, Group]:
    """The group of each message that was sent to a FIFO queue."""
    return {
        each.message_id: (each.queue, str(each.more["group"]))
        for each in entries
        if each.kind == "send" and each.more.get("fifo")
    }


@dataclass(slots=True)
class _Line:
    """The messages of one group in the order of sending; those before `place` are done."""

    members: list[str] = field(default_factory=list)
    place: int = 0

    def head(self, done: set[str]) -> str:
        while self.place < len(self.members) and self.members[self.place] in done:
            self.place += 1
        return self.members[self.place] if self.place < len(self.members) else ""


def out_of_order(entries: list[Entry]) -> tuple[str, ...]:
    """Messages whose handler began while an earlier message of their group was neither handled nor gone."""
    groups = _groups(entries)
    lines: dict[Group, _Line] = defaultdict(_Line)
    done: set[str] = set()
    found = []
    for each in entries:
        group = groups.get(each.message_id)
        if group is None:
            continue
        if each.kind == "send":
            lines[group].members.append(each.message_id)
        elif each.kind in DEPARTURES or (each.kind == "effect" and each.more["phase"] == "ended"):
            done.add(each.message_id)
        elif _is_early(each, lines[group], done):
            found.append(each.message_id)
    return tuple(found)


def _is_early(entry: Entry, line: _Line, done: set[str]) -> bool:
    if entry.kind != "effect" or entry.more["phase"] != "started" or entry.message_id in done:
        return False
    return line.head(done) != entry.message_id


@dataclass(slots=True)
class _Run:
    """One run of a handler; `end` is what it reported, or the end of its lease where it reported nothing."""

    message_id: str
    receipt: int
    start: float
    name: str
    end: float | None = None


def overlapping(entries: list[Entry], tolerance: float) -> tuple[str, ...]:
    """Messages whose handler began while another run of their group was under way; a run that never reported its end
    has died, and ended at the latest with its lease.
    """
    groups = _groups(entries)
    leases = Leases()
    runs: dict[Group, list[_Run]] = defaultdict(list)
    for each in entries:
        leases.follow(each)
        group = groups.get(each.message_id)
        if group is None or each.kind != "effect":
            continue
        name = str(each.more.get("run", ""))
        if each.more["phase"] == "started":
            runs[group].append(_Run(each.message_id, leases.receipt(each.message_id), each.at, name))
        else:
            _end(runs[group], each, name)
    return tuple(name for members in runs.values() for name in _overlaps(members, leases, tolerance))


def _end(runs: list[_Run], effect: Entry, name: str) -> None:
    for run in reversed(runs):
        if run.message_id == effect.message_id and run.name == name and run.end is None:
            run.end = effect.at
            return


def _overlaps(runs: list[_Run], leases: Leases, tolerance: float) -> list[str]:
    found = []
    busy_until = 0.0
    for run in runs:
        if run.start < busy_until:
            found.append(run.message_id)
        end = leases.until(run.message_id, run.receipt) - tolerance if run.end is None else run.end
        busy_until = max(busy_until, end)
    return found
