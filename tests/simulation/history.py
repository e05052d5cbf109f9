"""What happened to every message of a run, and what of it must not have happened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.rules import Rule
from tests.simulation.world.expressions import Item
from tests.simulation.world.time import EPOCH, Process, SimulatedLoop
from tests.sqs_server.ledger import Reference

GRACE = 1.0
"""Seconds in which a handler must be gone after its lease was lost, and a process after its drain budget."""


@dataclass(slots=True, eq=False)
class Run:
    """One start of a handler for one receipt."""

    story: "Story"
    process: Process
    receipt: int
    began: float
    ended: float | None = None
    how: str = ""


@dataclass(slots=True, eq=False)
class Story:
    """One message: what it is, and what became of it. Times in seconds of the loop."""

    label: str
    kind: str
    sent_at: float
    is_poison: bool = False
    group: str = ""
    place: int = 0
    key: str = ""
    patience: float = 0.0
    receives: int = 0
    letters: int = 0
    left: str = ""
    is_doubled: bool = False
    leases: dict[int, float] = field(default_factory=dict)
    holders: dict[int, Process] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        return any(run.how == "finished" for run in self.runs)


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: which rule, of which message (or process), when, and how it shows."""

    rule: Rule
    label: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.label} at {self.at:.2f} s: {self.text}"


class History:
    """Told of everything, by the services and by the handlers; judges what can be judged at once."""

    def __init__(self, loop: SimulatedLoop, *, concurrency: int, share: int, tolerance: float) -> None:
        self.loop = loop
        self.stories: dict[str, Story] = {}
        self.violations: list[Violation] = []
        self.processes: list[tuple[float, str]] = []
        self.is_over = False
        self.is_keyed = self.is_repeated = False
        self._concurrency = concurrency
        self._share = share
        self._tolerance = tolerance
        self._by_id: dict[str, Story] = {}
        self._groups: dict[str, list[Story]] = {}
        self._keys: dict[str, list[Story]] = {}
        self._done_at: dict[str, float] = {}
        self._running: dict[Run, None] = {}

    def blame(self, rule: Rule, label: str, text: str) -> None:
        if self.is_over:
            return
        self.violations.append(Violation(rule, label, self.loop.time(), text))

    def note(self, text: str) -> None:
        """Something of a process or of the weather."""
        self.processes.append((self.loop.time(), text))

    # -- what the services tell

    def sent(self, story: Story, message_id: str) -> None:
        self.stories[story.label] = self._by_id[message_id] = story
        if story.group:
            self._groups.setdefault(story.group, []).append(story)
        self._keys.setdefault(story.key, []).append(story)
        story.lines.append((story.sent_at, f"sent ({story.kind}{', group ' + story.group if story.group else ''})"))

    def see(self, kind: str, queue: str, references: Sequence[Reference], at: float, more: dict[str, Any]) -> None:
        """Of the queues."""
        if "-dlq" in queue:
            if kind == "send":
                self._buried(more, at)
            return
        for place, (message_id, receipt) in enumerate(references):
            if kind != "send" and (story := self._by_id.get(message_id)) is not None:
                self._seen(story, kind, receipt, at, {**more, "place": place})

    def _seen(self, story: Story, kind: str, receipt: int, at: float, more: dict[str, Any]) -> None:
        story.lines.append(
            (at, f"{kind} #{receipt}{' until ' + format(self._until(more), '.2f') if 'until' in more else ''}")
        )
        match kind:
            case "receive":
                story.receives += 1
                story.leases[receipt] = self._until(more)
                self._is_patient(story, at)
            case "duplicate":
                story.is_doubled = True
            case "extend":
                story.leases[receipt] = self._until(more)
            case "release":
                story.leases[receipt] = at
            case "delete":
                self._deleted(story, receipt, live=more["live"][more["place"]], at=at)
            case "redrive":
                story.left = "redriven"
                why = "a poison message" if story.is_poison else "a healthy message"
                self.blame(Rule.REASON, story.label, f"{why} was moved by SQS after {story.receives} receipts")
            case "aged":
                self.blame(Rule.SETTLED, story.label, "older than the queue keeps messages")

    def _until(self, more: dict[str, Any]) -> float:
        return float(more["until"]) - EPOCH

    def _deleted(self, story: Story, receipt: int, *, live: bool, at: float) -> None:
        story.left = "deleted"
        if not (story.letters or any(each.is_finished for each in self._keys[story.key])):
            self.blame(Rule.DELETES, story.label, f"deleted with receipt #{receipt}")
        if not live and at > story.leases.get(receipt, 0.0) + self._tolerance:
            self.blame(Rule.DEAD_DELETES, story.label, f"receipt #{receipt} ended before")

    def _buried(self, more: dict[str, Any], at: float) -> None:
        story = self._by_id.get(str(more.get("buries", "")))
        if story is None:
            self.blame(Rule.REASON, "?", "a letter without its reason")
            return
        story.letters += 1
        story.lines.append((at, "a dead letter was sent, with its reason"))
        if not story.is_poison:
            self.blame(Rule.HEALTHY, story.label, f"buried after {story.receives} receipts, {len(story.runs)} runs")

    def recorded(self, key: str, item: Item | None) -> None:
        """Of the ledger."""
        name = key.partition("#")[2]
        state = item["state"]["S"] if item and "state" in item else "released"
        if state == "DONE":
            self._done_at.setdefault(name, self.loop.time())
        for story in self._keys.get(name, ()):
            story.lines.append((self.loop.time(), f"the ledger says {state}"))

    def took(self, process: Process, message_id: str, receipt: int) -> None:
        """A process has an answer with this message in its hands."""
        if (story := self._by_id.get(message_id)) is not None:
            story.holders[receipt] = process
            story.lines.append((self.loop.time(), f"receipt #{receipt} is in the hands of {process.name}"))

    # -- what handlers tell

    def starts(self, process: Process, label: str, receipt: int) -> Run:
        now, story = self.loop.time(), self.stories[label]
        run = Run(story, process, receipt, now)
        story.lines.append((now, f"handler started by {process.name} on receipt #{receipt}"))
        if story.leases.get(receipt, 0.0) <= now and not story.left:
            self.blame(
                Rule.DEAD_STARTS,
                label,
                f"receipt #{receipt} ended {now - story.leases[receipt]:.2f} s ago",
            )
        if story.key in self._done_at and now > self._done_at[story.key] + 0.1:
            self.blame(
                Rule.ONCE,
                label,
                f"started {now - self._done_at[story.key]:.2f} s after the record",
            )
        if not story.is_doubled and any(each.process is process and each.how == "finished" for each in story.runs):
            self.blame(Rule.AGAIN, label, f"started again by {process.name}")
        self._in_order(run)
        if self.is_keyed and any(self._is_awake(each) for other in self._keys[story.key] for each in other.runs):
            self.blame(Rule.ALONE, label, "started while its work was being done")
        story.runs.append(run)
        self._running[run] = None
        busy = sum(each.process is process for each in self._running)
        if busy > self._concurrency:
            self.blame(Rule.SLOTS, label, f"{busy} run in {process.name}")
        return run

    def _in_order(self, run: Run) -> None:
        if self._share > 1:
            mine = sum(each.process is run.process and each.story.group == run.story.group for each in self._running)
            if run.story.group and mine >= self._share:
                self.blame(Rule.SHARE, run.story.label, f"{mine} of its group run in {run.process.name}")
            return
        for other in self._groups.get(run.story.group, ()):
            if other.place > run.story.place and other.runs:
                self.blame(Rule.ORDER, run.story.label, f"started after its successor {other.label}")
            if other is not run.story and any(self._is_alive(each) for each in other.runs):
                self.blame(Rule.OVERLAP, run.story.label, f"started while {other.label} runs")

    def _is_awake(self, run: Run) -> bool:
        return run.ended is None and not run.process.stood_still_within(run.began, self.loop.time())

    def _is_alive(self, run: Run) -> bool:
        return run.ended is None and run.story.leases[run.receipt] > self.loop.time() and not run.story.left

    def ends(self, run: Run, how: str) -> None:
        run.ended, run.how = self.loop.time(), how
        self._running.pop(run, None)
        story, until = run.story, run.story.leases[run.receipt]
        story.lines.append((run.ended, f"handler {how} in {run.process.name}"))
        late = run.ended > until + GRACE and not story.left and story.receives > 0
        if late and not run.process.stood_still_within(until - 0.1, run.ended):
            self.blame(Rule.DEAD_RUNS, story.label, f"ran {run.ended - until:.2f} s beyond it")

    def _is_patient(self, story: Story, at: float) -> None:
        """A message that asked for patience does not come back sooner, and a finished one not at all, whatever one call
        said.
        """
        if self.is_repeated and any(each.how == "finished" and each.process.stopped_at is None for each in story.runs):
            self.blame(Rule.PATIENCE, story.label, "back although it was finished")
        asked = [run for run in story.runs if run.how == "asked for patience" and run.ended is not None]
        if story.is_doubled or not asked or asked[-1] is not story.runs[-1]:
            return
        last, ended = asked[-1], asked[-1].ended or 0.0
        had_no_lease = (
            story.leases[last.receipt] <= ended
        )  # it stood still beyond it: nothing of its can hide the message
        is_excused = last.process.stopped_at is not None or last.process.stood_still_within(ended, at) or had_no_lease
        if at < ended + story.patience - 2.0 and not is_excused:
            self.blame(
                Rule.PATIENCE,
                story.label,
                f"back after {at - ended:.1f} s of {story.patience:.0f}",
            )

    # -- at the end

    def in_hand_of(self, process: Process) -> list[Story]:
        """What is still hidden by leases of a process although it runs no more, and nobody asked for a pause."""
        now, found = self.loop.time(), []
        for story in self.stories.values():
            latest = max(story.leases, default=0)
            failed = any(run.receipt == latest and run.how.startswith(("failed", "asked")) for run in story.runs)
            held = story.holders.get(latest) is process and story.leases[latest] > now
            if held and not story.left and not failed and not story.is_poison:
                found.append(story)
        return found

    def copies(self, story: Story) -> list[Story]:
        """The messages that ask for the same work, this one among them."""
        return self._keys[story.key]

    def describe(self, label: str) -> str:
        """The history of one message, with what happened to processes and dependencies meanwhile."""
        story = self.stories.get(label)
        lines = sorted([*(story.lines if story else ()), *((at, f"-- {text}") for at, text in self.processes)])
        return "\n".join(f"  {at:12.3f} s  {text}" for at, text in lines)
