"""Keys that are refused: no message is at fault, and new ones are used at once."""

import pytest

from shared.outcome import KEYS_REFUSED, is_outage
from tests.shared.road.failure.test_breakers import answered, calling, rig_of
from tests.virtual_time import virtual


@pytest.mark.parametrize("code", sorted(KEYS_REFUSED))
def test_no_message_is_at_fault_for_keys_that_are_refused(code: str) -> None:
    assert is_outage(answered(code, 400))


def test_keys_that_are_refused_are_nobodys_own_trouble_and_new_ones_are_used_within_three_seconds() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling)
        dependency.is_down, dependency.code = True, "UnrecognizedClientException"
        rig.queue.put("alone")
        await rig.runs_for(600)
        assert set(dependency.breakers.open) == {"dynamodb"}, "one message is enough to know it"
        dependency.is_down = False
        await rig.runs_for(3)
        assert rig.ended == ["alone"]
        await rig.drains()

    virtual(story())
