"""The short form of the outages; the long one is `python -m tests.soak.outages`."""

from pathlib import Path

import pytest

from tests.soak.outages.run import GREEN_WITHIN, RED_WITHIN, outage
from tests.soak.outages.workers import DEPENDENCIES


@pytest.mark.long
@pytest.mark.parametrize("dependency", DEPENDENCIES)
async def test_an_outage_buries_nothing_shows_in_health_and_is_worked_off_at_once(
    dependency: str, tmp_path: Path
) -> None:
    met = await outage(dependency, seconds=30.0, logs=tmp_path)
    assert met.faults == []
    assert 0.0 < met.red_after <= RED_WITHIN
    assert met.green_after <= GREEN_WITHIN
    assert met.backlog >= 100, "there was something to work off"
