"""A run is announced in its journal before the audit log knows of it: a journal that knows less than the log is an older copy."""

import json

from fleet.dead_letters.audit.story import furthest
from fleet.dead_letters.replay.journal import Journal, folded


def announced(content: bytes) -> tuple[int, bytes]:
    written: list[bytes] = []
    number = Journal(written.append, now=lambda: 1.0, progress=folded(content)).announce()
    return number, content + b"".join(written)


def test_each_run_has_its_number_also_after_one_that_was_announced_and_never_began() -> None:
    first, content = announced(b"")
    second, content = announced(content)
    third, content = announced(content + b'{"at":1.0,"run":1}\n' * 2)
    assert (first, second, third, folded(content).announced, folded(content).runs) == (1, 2, 3, 3, 2)


def test_a_line_that_a_kill_cut_stands_before_the_announcement_of_the_next_run() -> None:
    _, content = announced(b'{"at":1.0,"announced":1}\n{"at":1.0,"run":1}\n{"at":1.0,"sta\n')
    assert folded(content).announced == 2


def test_the_log_tells_how_far_a_plan_is() -> None:
    lines: list[tuple[str, str, dict[str, int]]] = [
        ("replay", "p", {"planned": 9, "run": 1}),
        ("replay", "p", {"sent": 7}),
        ("resume", "p", {"planned": 9, "run": 2}),
        ("resume", "p", {}),
        ("resume", "p", {"sent": 5}),
        ("replay", "another", {"run": 8, "sent": 8}),
        ("archive", "p", {"sent": 9}),
    ]
    records = [{"command": command, "plan_id": plan, "counts": counts} for command, plan, counts in lines]
    assert furthest(json.loads(json.dumps(records)), "p") == (2, 7)
