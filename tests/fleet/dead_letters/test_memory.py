"""Memory does not grow with bodies: a queue of any size that people meet is read, grouped, listed and exported."""

from pathlib import Path

import pytest

from tests.fleet.dead_letters.clockwork import clockwork

BODY = 8_000
"""Characters of each body: twice of what a letter may cost."""
PER_LETTER = 4 * 1024
"""Bytes, as docs/dlq.md promises."""


@pytest.mark.slow
@pytest.mark.parametrize("letters", [10_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_what_is_kept_of_a_letter_does_not_grow_with_its_body(letters: int, tmp_path: Path) -> None:
    with clockwork(tmp_path) as works:
        export = ("dlq", "export", works.name, "-o", str(tmp_path / "letters"), "--reason", "measured")
        commands = [("dlq", "ls", works.name), ("dlq", "groups", works.name), ("dlq", "list", works.name), export]
        if letters > 10_000:
            commands = [("dlq", "groups", works.name)]
        works.park(100, groups=25, padding=BODY)
        few = {command: works(*command).peak for command in commands}
        works.park(letters - 100, groups=25, padding=BODY)
        for command in commands:
            assert works(*command).peak - few[command] <= letters * PER_LETTER, command
        assert works.counts() == (letters, 0)
