"""The leaner limit: the raw loop with one parse and one log line for each message, and no span and no metric."""

import asyncio

from tests.bench.contestants import raw_aiohttp
from tests.bench.work import Work


def consume(work: Work) -> None:
    asyncio.run(raw_aiohttp.consumed(work, work.handle_lean))
