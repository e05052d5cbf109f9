"""`fleet console` as a process of its own, and a session that entered by the printed address."""

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, CookieJar

from tests.fleet.console.fakes import Browser
from tests.fleet.dead_letters.conftest import Lines
from tests.waiting import until

ENDS = 20.0
"""Seconds in which a console comes to its end."""


@dataclass
class Running:
    process: "subprocess.Popen[str]"
    url: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.url.split("/")[2]

    def end(self) -> int:
        """As Ctrl-C ends it."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(ENDS)


@contextmanager
def running(cli: Lines, *arguments: str) -> Iterator[Running]:
    """A console of its own environment; killed when the block ends."""
    with cli.process("console", *arguments) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), process.communicate(timeout=ENDS)
        yield Running(process, url)


@asynccontextmanager
async def entered(console: Running) -> AsyncIterator[Browser]:
    """A session; the first one enters by the printed address, later ones have its cookie."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), cookies=console.cookies) as session:
        if not console.cookies:
            async with session.get(console.url) as answer:
                assert answer.status == 200
            console.cookies |= {each.key: each.value for each in session.cookie_jar}
        yield Browser(session, console.address)


async def shown(browser: Browser, path: str, words: str) -> str:
    """The page once it holds these words."""

    async def page() -> str:
        found = await browser.page(path)
        return found if words in found else ""

    return await until(page, seconds=60, what=f"{words} on {path}")
