"""Consoles over queues in memory, and real ones over queues of the emulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fleet.console.fakes import Bench, bench
from tests.fleet.dead_letters.conftest import cli, ground, twelve

__all__ = ("cli", "ground", "twelve")


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
