"""What an early client makes of every answer is what botocore makes of it; and botocore is loaded for none that is ordinary."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from shared.aws.fast_client import FastClient
from shared.aws.start.early_client import EarlyClient, target
from shared.aws.start.environment import Keys
from tests.shared.aws.contract import answers
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import opened, stub
from tests.shared.aws.contract.test_contract_over_odd_answers import CALLS, ending, odd_answers

KEYS = Keys("key", "secret", None)


class Opening:
    """Opens the whole client, and counts how often that was wanted."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.times = 0

    async def __call__(self) -> FastClient:
        self.times += 1
        return FastClient(self.plain)


@asynccontextmanager
async def early(service: str, url: str, opening: Opening, **hooks: Any) -> AsyncIterator[Any]:
    aim = partial(target, times=(2.0, 5.0), most=10)
    client = EarlyClient(service, f"{url}/", KEYS, region="us-east-1", target=aim, open_whole=opening, **hooks)
    yield client
    await client.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
async def test_an_early_client_makes_the_same_of_every_odd_answer(name: str) -> None:
    service, call, good, own = CALLS[name]
    wrong = {}
    cases = odd_answers(good, own)
    async with stub(Odd(whole(good))) as serving, opened(service, serving.url) as plain:
        for case, odd in cases.items():
            found = []
            async with early(service, serving.url, Opening(plain)) as client:
                for each in (plain, client):
                    before, serving.now = serving.asked, odd
                    found.append((await ending(call, each), serving.asked - before))
                    serving.now = serving.usual
                    await serving.quiet()
            if found[0] != found[1]:
                wrong[case] = found
    assert len(cases) > 60
    assert wrong == {}


async def test_ordinary_answers_want_no_botocore() -> None:
    service, call, good, _own = CALLS["get"]
    succeeded: list[str] = []
    async with stub(Odd(whole(good))) as serving, opened(service, serving.url) as plain:
        opening = Opening(plain)
        async with early(service, serving.url, opening, answered=succeeded.append) as client:
            for _ in range(3):
                assert "ResponseMetadata" not in await call(client)
    assert opening.times == 0
    assert len(succeeded) == 3


async def test_after_the_first_that_is_not_all_calls_are_the_whole_clients() -> None:
    service, call, good, _own = CALLS["get"]
    async with stub(Odd(whole(good))) as serving, opened(service, serving.url) as plain:
        opening = Opening(plain)
        async with early(service, serving.url, opening) as client:
            await call(client)
            serving.now = Odd(answers.refusal("503 Service Unavailable", {"__type": "ServiceUnavailable"}))
            await ending(call, client)
            serving.now = serving.usual
            assert [await is_whole(call, client) for _ in range(2)] == [
                True,
                False,
            ]  # botocore's first, then its pattern's
    assert opening.times == 1


async def is_whole(call: Any, client: Any) -> bool:
    return "ResponseMetadata" in await call(client)


async def test_what_has_no_fast_call_is_the_whole_clients_and_so_are_its_exceptions() -> None:
    service = "dynamodb"
    async with (
        stub(Odd(whole(b'{"TableNames": []}'))) as serving,
        opened(service, serving.url) as plain,
        early(service, serving.url, Opening(plain)) as client,
    ):
        unraised = client.exceptions.ConditionalCheckFailedException
        assert issubclass(unraised, Exception)
        assert (await client.list_tables())["TableNames"] == []
        assert client.exceptions.ConditionalCheckFailedException is plain.exceptions.ConditionalCheckFailedException
        assert unraised is not plain.exceptions.ConditionalCheckFailedException


async def test_it_says_that_it_has_no_meta() -> None:
    async with early("sqs", "http://127.0.0.1:9", Opening(None)) as client:
        with pytest.raises(AttributeError, match="calls and exceptions only"):
            _ = client.meta


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize(("name", "kind"), [("get_item", "GetItem sessions"), ("query", "Query sessions")])
async def test_who_is_cut_while_botocore_is_read_has_waited_for_the_dependency(name: str, kind: str) -> None:
    """Else the run of a message whose limit is short would count, though nothing was asked yet."""
    told: list[str] = []
    refused = Odd(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")

    def cut(*, after: float, call: str) -> None:
        assert after > 0.01
        told.append(call)

    async def never() -> None:
        await asyncio.Event().wait()

    async with stub(refused) as serving, early("dynamodb", serving.url, never, cut=cut) as client:  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await getattr(client, name)(TableName="sessions", Key={"sessionId": {"S": "s"}})
    assert told == [kind]
