"""A channel's failing AWS calls do not stop the worker that has other channels."""

import asyncio
from contextlib import suppress

import pytest
from opentelemetry import context

from shared.road.failure.breakers import OPENS_AT, Breakers, Met, met_in_run
from shared.road.failure.needs import Needs
from workers.reminder_dispatch.channels.apart import apart


async def test_a_failure_of_a_channel_is_none_of_what_the_worker_needs() -> None:
    breakers = Breakers()
    needs = Needs(breakers)

    async def refused(code: str) -> str:
        breakers.failed("ses", code=code)
        return code

    for number in range(2 * OPENS_AT):
        met_in_run.set(met := Met())
        met.message = str(number)
        assert await apart(refused)("AccessDenied") == "AccessDenied"
        needs.meets(met)
    assert ("ses" in breakers.open, needs.down) == (True, [])
    met_in_run.set(met := Met())
    await refused("AccessDenied")
    needs.meets(met)
    assert needs.down == ["ses"], "what the road hears without it"


async def test_it_has_the_trace_of_its_message_and_is_cut_with_it() -> None:
    key, cut = context.create_key("trace"), []

    async def slow() -> None:
        assert context.get_value(key) == "here"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut.append(True)
            raise

    token = context.attach(context.set_value(key, "here"))
    running = asyncio.ensure_future(apart(slow)())
    context.detach(token)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert (running.cancelled(), cut) == (True, [True])


async def test_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        await apart(fails)()
