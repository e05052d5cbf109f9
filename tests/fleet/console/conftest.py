"""Consoles over queues in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fleet.console.fakes import Bench, bench


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench]:
    """One that may act, entered, with twelve letters."""
    async with bench(tmp_path) as made:
        yield made


@pytest.fixture
async def looking(tmp_path: Path) -> AsyncIterator[Bench]:
    """One that only looks."""
    async with bench(tmp_path, allow_writes=False) as made:
        yield made
