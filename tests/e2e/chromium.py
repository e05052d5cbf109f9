"""A real Chromium without a window, driven by its DevTools protocol: a page is opened, a file chosen, what it shows is read."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """The program of CHROMIUM, or the first that is installed; None where there is none."""
    given = os.environ.get("CHROMIUM")
    if given and shutil.which(given) is None:
        raise FileNotFoundError(f"CHROMIUM names {given}, which is no program here")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def ask(self, method: str, **params: Any) -> Any:
        """One command of https://chromedevtools.github.io/devtools-protocol/; raises RuntimeError with what it says."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(30):
            while True:
                said = await self._socket.receive_json()
                if said.get("id") == number:
                    break
        if "error" in said or "exceptionDetails" in said["result"]:
            raise RuntimeError(f"{method}: {said}")
        return said["result"]

    async def open(self, url: str) -> None:
        await self.ask("Page.navigate", url=url)
        arrived = f"document.readyState === 'complete' && location.href === {orjson.dumps(url).decode()}"
        await self.until(arrived)

    async def until(self, expression: str) -> None:
        async with asyncio.timeout(60):
            while not await self.value(expression):  # noqa: ASYNC110  # a page is asked, and tells nothing by itself
                await asyncio.sleep(0.1)

    async def value(self, expression: str) -> Any:
        """What an expression is, as JSON has it."""
        result = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    async def choose(self, selector: str, file: Path) -> None:
        """Choose a file in an input, as a person does."""
        root = (await self.ask("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.ask("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])


@asynccontextmanager
async def browsing(program: str, home: Path) -> AsyncIterator[Page]:
    """A Chromium of its own that reaches this machine alone, with one page; `home` keeps its profile."""
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",  # tests may run as root, and the page is ours
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={home}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = home / "DevToolsActivePort"
        await until(lambda: told.exists() and len(told.read_text().split()) == 2, seconds=60, what="Chromium's port")
        address = f"http://127.0.0.1:{told.read_text().split()[0]}/json/list"
        async with aiohttp.ClientSession() as http:
            async with http.get(address) as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            async with http.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        await process.wait()
