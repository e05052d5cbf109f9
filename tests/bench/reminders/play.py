"""The runs: a flood with one process and several, processes that are killed, and lateness with and without a tenant of costly rules."""

import random
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import quantiles
from typing import Any

from tests.bench.referee import Invalid
from tests.bench.reminders.crew import PER_SECOND, Crew, crew
from tests.bench.whole.concerns import REMINDERS
from tests.workers.reminder_dispatch.fakes import PUSHED, row
from workers.reminder_dispatch.table.keys import key_of

SEED = 14
COSTLY = (
    "FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;BYMINUTE=3;BYSECOND=3;BYDAY=MO;BYMONTHDAY=13;BYMONTH=2",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTHDAY=13;BYDAY=FR",
)
LEASE = 60
"""Seconds for which a killed process's claims hold."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pushes:
    """What Expo saw: seconds from the first request to the last, the most recipients of one second, recipients a request, refusals."""

    seconds: float
    most: int
    mean: float
    refused: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Pushes":
        taken = sorted(found["taken"])
        times, sums = [at for at, _ in taken], [0, *accumulate(count for _, count in taken)]
        most = max(sums[place + 1] - sums[bisect_right(times, at - 1.0)] for place, at in enumerate(times))
        return cls(times[-1] - times[0], most, sums[-1] / len(taken), found["refused"])


def flood(processes: int, count: int, *, ahead: float) -> dict[str, Any]:
    """So many reminders due in one second, `ahead` seconds from now: a tick finds them, then all go out. Raises Invalid."""
    with crew() as team:
        team.start(processes, share=PER_SECOND // processes)
        team.until(lambda: team.waiting() >= processes, within=60, what="start")
        due = _second(ahead + count / 2_500)
        team.put([row(f"r{number}", due) for number in range(count)])
        before = team.cpu()
        team.tick()
        team.until(lambda: team.queued("reminders") + _sent(team) >= count, within=90, what="the tick")
        found = team.cpu() - before
        if (early := (due - datetime.now(UTC)).total_seconds()) <= 0:
            raise Invalid(f"the tick ended {-early:.1f} s after the reminders were due")
        before = team.cpu()
        limit = 60 + 2 * count / PER_SECOND
        team.until(lambda: _sent(team) >= count, within=limit + ahead + count / 2_500, what="the flood")
        team.until(lambda: team.statuses().get("SENT") == count, within=30, what="the records")
        pushes = team.aws.pushes
        seen = Pushes.of(pushes)
        late = max(at for at, _ in pushes["taken"]) - due.timestamp()
        twice = sum(len(times) > 1 for times in pushes["pushed"].values())
        return {"processes": processes, "reminders": count, "tick_cpu": found, "seconds": late, "most": seen.most,
                "recipients": seen.mean, "refused": seen.refused, "twice": twice,
                "cpu_us": (team.cpu() - before) / count * 1e6}  # fmt: skip


def killed(count: int, *, workers: int, kills: int, copies: int = 3) -> dict[str, Any]:
    """Each message so many times, and processes that end by kill -9 while they send; each killed one has a successor. Raises Invalid."""
    dice = random.Random(SEED)
    with crew(visibility=LEASE) as team:
        due = _second(-2)
        rows = [row(f"r{number}", due, onUnknown="at_least_once") for number in range(count)]
        team.put(rows)
        for _ in range(copies):
            team.send(rows)
        share = PER_SECOND // workers
        team.start(workers, share=share)
        team.until(lambda: _sent(team) > 0, within=120, what="start")
        for _ in range(kills):
            time.sleep(dice.uniform(0.2, 1.0) * count / PER_SECOND / kills)
            team.kill(dice.randrange(len(team.processes)))
            team.start(1, share=share)
        team.until(lambda: not {"PENDING", "SENDING"} & {*team.statuses()}, within=300, what="after the kills")
        ends = team.statuses()
        team.until(lambda: team.queued("reminders") == 0, within=120, what="the copies")
        pushed = team.aws.pushes["pushed"]
        twice = [number for number in range(count) if len(pushed.get(PUSHED.format(f"r{number}"), ())) > 1]
        marked = sum(_unknowns(team, number, due) > 0 for number in twice)
        dead = team.sqs.control.stats()["queues"]["reminders-dlq"]["visible"]
        return {"reminders": count, "workers": workers, "kills": kills, "accepted": len(pushed),
                "lost": count - len(pushed), "unknown": ends.get("UNKNOWN", 0), "twice": len(twice), "unmarked": len(twice) - marked,
                "more": sum(len(times) > 2 for times in pushed.values()), "dead": dead}  # fmt: skip


def lateness(count: int, *, span: int, pending: int, costly: int) -> dict[str, Any]:
    """Milliseconds from due to Expo, of reminders that are due over `span` seconds while others wait, and `costly` ones of another
    tenant are due, too. Raises Invalid.
    """
    with crew() as team:
        team.start(1, share=PER_SECOND)
        team.until(lambda: team.waiting() >= 1, within=60, what="start")
        begins = _second(8 + (pending + count) / 5_000)
        dues = {f"r{number}": begins + timedelta(seconds=number * span // count) for number in range(count)}
        team.put([row(f"p{number}", begins + timedelta(hours=1)) for number in range(pending)])
        team.put([row(name, due, tenantId="calm") for name, due in dues.items()])
        team.put([*_costly(costly, begins, span)])
        team.tick()
        team.until(lambda: team.queued("reminders") >= count, within=30, what="the tick")
        if datetime.now(UTC) >= begins:
            raise Invalid("the tick ended after the first reminder was due")
        left = pending + costly
        team.until(lambda: team.queued("reminders") == 0, within=span + 60, what="the reminders")
        pushed = team.aws.pushes["pushed"]
        waits = [(pushed[PUSHED.format(name)][0] - due.timestamp()) * 1e3 for name, due in dues.items()]
        ends = team.statuses()
    if ends.get("SENT", 0) < count or ends.get("PENDING", 0) > left:
        raise Invalid(f"not all came to their end: {ends}")
    cut = quantiles(waits, n=100)
    return {"reminders": count, "pending": pending, "costly": costly, "early": sum(wait < 0 for wait in waits),
            "median_ms": cut[49], "p99_ms": cut[98], "most_ms": max(waits)}  # fmt: skip


def turn(count: int) -> int:
    """Recipients that Expo took between a medication's message and its push, behind a flood of so many of its own tenant. Raises Invalid."""
    with crew() as team:
        due = _second(-2)
        flood = [row(f"r{number}", due, tenantId="acme") for number in range(count)]
        medication = [row("medication", due, tenantId="acme", priority="high")]
        team.put([*flood, *medication])
        team.send(flood)
        team.start(1, share=PER_SECOND)
        team.until(lambda: _sent(team) > 0, within=60, what="start")
        asked = datetime.now(UTC).timestamp()
        team.send(medication)
        name = PUSHED.format("medication")
        team.until(lambda: name in team.aws.pushes["pushed"], within=60, what="the medication")
        pushes = team.aws.pushes
        [came] = pushes["pushed"][name]
        return sum(size for at, size in pushes["taken"] if asked < at <= came)


def take(*, quick: bool, say: Say) -> dict[str, Any]:
    """All of it: a quarter of an hour, quick two minutes. A run that does not count is said, and left out."""
    count, (span, pending) = (2_000 if quick else 100_000), ((10, 2_000) if quick else (40, 50_000))
    found: dict[str, Any] = {"floods": [], "killed": [], "lateness": [], "invalid": []}
    runs: Sequence[tuple[str, Callable[[], dict[str, Any]]]] = (
        *(("floods", lambda each=each: flood(each, count, ahead=15)) for each in (1, 2, 4)),
        ("killed", lambda: killed(600, workers=3, kills=4) if quick else killed(10_000, workers=8, kills=20)),
        *(
            ("lateness", lambda each=each: lateness(40 * span, span=span, pending=pending, costly=each))
            for each in (0, 100 if quick else 1_000)
        ),
    )
    for name, run in runs:
        try:
            found[name].append(made := run())
            say(f"reminders, {name}: {made}")
        except Invalid as fault:
            found["invalid"].append(f"{name}: {fault}")
            say(f"reminders, {name}: INVALID {fault}")
    return found


def _sent(team: Crew) -> int:
    """Recipients that Expo took."""
    return team.aws.calls.get("tickets", 0)


def _second(ahead: float) -> datetime:
    """A whole second, so many seconds from now at least."""
    return (datetime.now(UTC) + timedelta(seconds=ahead)).replace(microsecond=0)


def _costly(count: int, begins: datetime, span: int) -> list[dict[str, Any]]:
    start = "2020-01-01T09:00:00"
    return [
        row(f"c{number}", begins + timedelta(seconds=number * span // count), tenantId="heavy",
            rule=COSTLY[number % len(COSTLY)], ruleStart=start)
        for number in range(count)
    ]  # fmt: skip


def _unknowns(team: Crew, number: int, due: datetime) -> int:
    key = key_of(f"r{number}", due)
    asked = {"PK": {"S": key.pk}, "SK": {"S": key.sk}}
    found = team.aws.client("dynamodb").get_item(TableName=REMINDERS, Key=asked)
    return int(found["Item"].get("unknowns", {"N": "0"})["N"])
