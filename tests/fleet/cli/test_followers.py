"""An order is not given before it is known who follows it."""

from fleet.cli.controls import named_followers
from tests.virtual_time import virtual


class Answers:
    """One container follows at once, another one four seconds later."""

    def __init__(self) -> None:
        self.looks = 0

    async def followers(self, worker: str, number: str) -> frozenset[str]:
        assert worker == "sample"
        self.looks += 1
        return frozenset({"host:1"} if self.looks < 8 else {"host:1", "host:2"})


def test_each_process_is_named_once_and_late_ones_are_waited_for() -> None:
    said: list[str] = []
    assert virtual(named_followers("sample", "1", Answers(), say=said.append)) == {"host:1", "host:2"}
    assert said == ["host:1 follows", "host:2 follows"]
