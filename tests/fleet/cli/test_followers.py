"""An order is not given before it is known who follows it."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from fleet.cli.controls import named_followers, told_where_unsure
from shared.container.controls import Orders
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


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ConnectionClosedError(endpoint_url="http://127.0.0.1"),
            ["no answer: the order may have been given all the same"],
        ),
        (ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutItem"), []),  # type: ignore[typeddict-item]  # the rest is not looked at
    ],
)
def test_an_order_without_an_answer_may_have_been_given_and_a_refused_one_was_not(
    error: Exception, told: list[str]
) -> None:
    async def giving() -> Orders:
        raise error

    said: list[str] = []
    with pytest.raises(type(error)):
        virtual(told_where_unsure(giving(), say=said.append))
    assert [words.partition(".")[0] for words in said] == told
