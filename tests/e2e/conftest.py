"""One running fleet for each door, driven from outside as any boto3 client would."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleet.dev.dev import Ground
from fleet.dev.emulators.ministack import Endpoint
from tests.e2e.outside import Outside
from tests.kept import kept


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["container", pytest.param("lambda", marks=pytest.mark.lambda_door)]
)
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Outside]:
    """The whole fleet behind one door, on a stack of its own; the same one for all processes of this run."""
    environment = kept(request.param)
    ground = Ground(Endpoint.from_environment(environment), environment)
    async with Outside(ground, environment, door=request.param) as outside:
        yield outside


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lambda's door, deployed as on AWS, is `slow`: its sandboxes start for seconds each. What the doors promise is tested daily
    at both, in tests/behaviours.
    """
    for item in items:
        if item.get_closest_marker("lambda_door"):
            item.add_marker(pytest.mark.slow)
