"""What one odd answer of S3 lacks is not taken for what an object lacks."""

from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from tests.workers.audit_archive.fakes import World, row
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.rules import marked
from workers.audit_archive.store.bucket import Stored

Result = TypeVar("Result")


@pytest.mark.parametrize("odd", ["metadata", "body", "absent"])
async def test_one_answer_without_what_the_object_has_leaves_it_out_of_no_digest(odd: str) -> None:
    world = World()
    await world.worker().keep([row("e1")])
    [ours] = [key for each in world.bucket.objects if (key := marked(each))]
    spoilt: list[str] = []

    async def once_without(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if (call, key) != ("get", ours) or spoilt:
            return effect()
        spoilt.append(key)
        body, metadata = world.bucket.objects[ours]
        found = {"metadata": Stored(body, {}), "body": Stored(body[:-9], metadata), "absent": Stored(b"", {})}[odd]
        return cast("Result", found)

    await Maker(bucket=world.bucket.over(once_without), now=world.clock).make()
    assert spoilt == [ours]
    assert ours in world.listed()
