"""What a ledger proves: nothing lost, no delete with a dead lease, groups in order and never overlapping; and the price."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.sqs_server.entries import Entry, read
from tests.sqs_server.groups import out_of_order, overlapping
from tests.sqs_server.leases import Leases

CONSUMING = (
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
)
DELETES = ("delete", "delete_ignored", "delete_forgotten")
DISCARDS = ("aged", "purge", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Message ids where something is wrong, each list empty where all is well; then counts, which judge nothing.

    - lost: deleted, although no handler ended and no dead letter was sent before.
    - discarded: gone unread, by what: retention (aged), a purge, the end of the queue (dropped).
    - dead_deletes: a delete was asked for with a receipt handle whose lease was over.
    - started_without_lease: a handler began when nobody held the message.
    - out_of_order, overlaps: of FIFO groups, see `groups`.
    - left: still in a queue, also in a dead-letter queue.
    - deletes: by queue.
    - delivered_twice, started_twice, done_twice: messages (the last: business keys) with more than one of these.
    """

    lost: tuple[str, ...]
    discarded: Mapping[str, int]
    dead_deletes: tuple[str, ...]
    started_without_lease: tuple[str, ...]
    out_of_order: tuple[str, ...]
    overlaps: tuple[str, ...]
    left: tuple[str, ...]
    sent: int
    deletes: Mapping[str, int]
    redriven: int
    buried: int
    delivered_twice: int
    started_twice: int
    done_twice: int
    requests: Mapping[tuple[str, str], int]
    seconds: float

    @property
    def deleted(self) -> int:
        return sum(self.deletes.values())

    @property
    def faults(self) -> dict[str, int]:
        """What must not be, by how often it is; empty where the ledger proves that all is well."""
        found = {
            "lost": len(self.lost),
            "discarded": sum(self.discarded.values()),
            "dead_deletes": len(self.dead_deletes),
            "started_without_lease": len(self.started_without_lease),
            "out_of_order": len(self.out_of_order),
            "overlaps": len(self.overlaps),
        }
        return {name: count for name, count in found.items() if count}

    def polls_per_minute(self, queue: str) -> float:
        """Receives asked of a queue, over the whole time of the ledger."""
        return self.requests.get(("ReceiveMessage", queue), 0) * 60 / self.seconds if self.seconds else 0.0

    def requests_per_message(self, queue: str) -> float:
        """What consuming costs: receives, deletes and extensions for each message deleted from this queue."""
        calls = sum(self.requests.get((action, queue), 0) for action in CONSUMING)
        return calls / max(1, self.deletes.get(queue, 0))


def check(lines: Iterable[Mapping[str, Any]], *, tolerance: float = 0.0, handled: Collection[str] = ()) -> Findings:
    """Judge a whole ledger. `tolerance` in seconds is granted to the ends of leases. Deletes of the queues in
    `handled` must follow a handler's end; where none is named, of those queues in which any handler reported.
    """
    entries = read(lines)
    effects = [each for each in entries if each.kind == "effect"]
    kinds = Counter(each.kind for each in entries)
    watched = set(handled) or _queues_with_effects(entries, effects)
    times = [each.at for each in entries]
    return Findings(
        lost=_lost(entries, watched),
        discarded={kind: kinds[kind] for kind in DISCARDS if kinds[kind]},
        dead_deletes=_dead_deletes(entries, tolerance),
        started_without_lease=_started_without_lease(entries, tolerance),
        out_of_order=out_of_order(entries),
        overlaps=overlapping(entries, tolerance),
        left=_left(entries),
        sent=kinds["send"],
        deletes=Counter(each.queue for each in entries if each.kind == "delete"),
        redriven=kinds["redrive"],
        buried=sum(1 for each in entries if each.kind == "send" and each.more.get("buries")),
        delivered_twice=_more_than_once(each.message_id for each in entries if each.kind == "receive"),
        started_twice=_more_than_once(each.message_id for each in effects if each.more["phase"] == "started"),
        done_twice=_more_than_once(
            each.more.get("key") or each.message_id for each in effects if each.more["phase"] == "ended"
        ),
        requests=Counter((each.more["action"], each.queue) for each in entries if each.kind == "request"),
        seconds=max(times) - min(times) if times else 0.0,
    )


def _queues_with_effects(entries: list[Entry], effects: list[Entry]) -> set[str]:
    handled = {each.message_id for each in effects}
    return {each.queue for each in entries if each.kind == "receive" and each.message_id in handled}


def _lost(entries: list[Entry], watched: set[str]) -> tuple[str, ...]:
    safe: set[str] = set()
    lost = []
    for each in entries:
        if each.kind == "effect" and each.more["phase"] == "ended":
            safe.add(each.message_id)
        elif each.kind == "send" and each.more.get("buries"):
            safe.add(str(each.more["buries"]))
        elif each.kind == "delete" and each.queue in watched and each.message_id not in safe:
            lost.append(each.message_id)
    return tuple(lost)


def _dead_deletes(entries: list[Entry], tolerance: float) -> tuple[str, ...]:
    leases = Leases()
    found = []
    for each in entries:
        leases.follow(each)
        if each.kind in DELETES and each.message_id:
            until = leases.until(each.message_id, each.receipt)
            if each.asked > until + tolerance:
                found.append(each.message_id)
    return tuple(found)


def _started_without_lease(entries: list[Entry], tolerance: float) -> tuple[str, ...]:
    leases = Leases()
    found = []
    for each in entries:
        leases.follow(each)
        if each.kind == "effect" and each.more["phase"] == "started" and not leases.held(each, tolerance):
            found.append(each.message_id)
    return tuple(found)


def _left(entries: list[Entry]) -> tuple[str, ...]:
    left: dict[str, None] = {}
    for each in entries:
        if each.kind == "send":
            left[each.message_id] = None
        elif each.kind in {"delete", "move", *DISCARDS}:
            left.pop(each.message_id, None)
    return tuple(left)


def _more_than_once(names: Iterable[str]) -> int:
    counts: dict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return sum(count > 1 for count in counts.values())
