"""The reminders' figures as rows of one table: what, what it is to be, what was found."""

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = ("reminders", "goal", "found")
Line = tuple[str, str, str]


def lines(found: Mapping[str, Any]) -> Iterator[Line]:
    for each in found.get("floods", ()):
        what = (
            f"{each['reminders']:,} due in one second, by {each['processes']} process{'es' * (each['processes'] > 1)}"
        )
        yield f"{what}: from due to the last at Expo", "180 s of 100,000", f"{each['seconds']:.1f} s"
        rate = f"{each['most']}, {each['refused']}, {each['recipients']:.1f}"
        yield "the most in one second, answers 429, recipients a request", "600, 0, 99", rate
        yield (
            "sent twice; CPU of the tick, of a reminder",
            "0; 3 s of 100,000; -",
            (f"{each['twice']}; {each['tick_cpu']:.2f} s, {each['cpu_us']:.0f} us"),
        )
    for each in found.get("killed", ()):
        what = (
            f"{each['reminders']:,} reminders, three messages each, {each['workers']} workers, {each['kills']} kill -9"
        )
        kept = f"{each['accepted']:,}, {each['lost']}, {each['dead']}"
        yield f"{what}: accepted, lost, dead letters", "all, 0, 0", kept
        yield "whose end is not known", "", f"{each['unknown']}"
        doubled = f"{each['twice']}, {each['unmarked']}, {each['more']}"
        yield "sent twice, without its row saying so, more than twice", "few, 0, 0", doubled
    runs = [*found.get("lateness", ())]
    for each in runs:
        beside = f", beside {each['costly']:,} costly rules of one tenant" if each["costly"] else ""
        what = f"from due to Expo, {each['pending']:,} pending{beside}: median, p99, early"
        kept = f"{each['median_ms']:.0f} ms, {each['p99_ms']:.0f} ms, {each['early']}"
        goal = f"p99 {runs[0]['p99_ms'] * 1.1:.0f} ms, early 0" if each["costly"] else "p99 1,000 ms, early 0"
        yield what, goal, kept
