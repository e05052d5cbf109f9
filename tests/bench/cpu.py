"""CPU of a process for each of many calls, made side by side."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

LANES = 20


async def cost(make: Callable[[], Awaitable[Any]], count: int) -> float:
    """CPU microseconds of this process for one call, all its threads together."""

    async def lane() -> None:
        for _ in range(count // LANES):
            await make()

    begun = time.process_time()
    await asyncio.gather(*(lane() for _ in range(LANES)))
    return (time.process_time() - begun) / (count // LANES * LANES) * 1e6
