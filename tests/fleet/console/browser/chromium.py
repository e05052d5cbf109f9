"""A real Chromium, driven by its own DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome")
OTHERS = "evil.test"
"""A name that this browser finds on 127.0.0.1, as rebinding would; any other name leads nowhere."""
FLAGS = (
    *("--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    f"--host-resolver-rules=MAP {OTHERS} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PATIENCE = 60.0  # seconds for one answer of the browser


def found() -> str:
    """The binary: what CHROMIUM names, or one on the PATH; "" where there is none."""
    named = os.environ.get("CHROMIUM", "")
    return named or next((path for name in NAMES if (path := shutil.which(name))), "")


@dataclass
class Chromium:
    """One browser; each tab has a profile of its own."""

    socket: ClientWebSocketResponse
    _answers: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)
    _tabs: dict[str, "Tab"] = field(default_factory=dict)

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = len(self._answers) + 1
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        await self.socket.send_str(json.dumps(message))
        async with asyncio.timeout(PATIENCE):
            return await self._answers[number]

    async def listen(self) -> None:
        async for message in self.socket:
            told = json.loads(message.data)
            if "id" in told:
                answer = self._answers[told["id"]]
                if "error" in told:
                    answer.set_exception(AssertionError(f"the browser refused: {told['error']}"))
                elif not answer.done():
                    answer.set_result(told["result"])
            elif (tab := self._tabs.get(told.get("sessionId", ""))) is not None:
                tab.hear(told["method"], told["params"])

    async def tab(self, *, scripts: bool = True, dark: bool = False) -> "Tab":
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        made = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        for domain in ("Page", "Network", "Log", "Runtime"):
            await made.call(f"{domain}.enable")
        await made.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        await made.call("Emulation.setDeviceMetricsOverride", width=1200, height=760, deviceScaleFactor=1, mobile=False)
        await made.dark(on=dark)
        return made


@dataclass
class Tab:
    """One page after another. `requests`: every URL that was asked for; `complaints`: what the console of the browser said, and dialogs."""

    chromium: Chromium
    session: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    _loads: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self.chromium.call(method, self.session, **parameters)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Network.responseReceived":
                self.statuses[told["response"]["url"]] = told["response"]["status"]
            case "Page.loadEventFired":
                self._loads += 1
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(told["entry"]["text"])
            case "Runtime.exceptionThrown" | "Page.javascriptDialogOpening":
                self.complaints.append(f"{method}: {told}")

    @property
    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "about:"))}

    async def go(self, url: str) -> None:
        before = self._loads
        await self.call("Page.navigate", url=url)
        await self._loaded(before)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; scripts of the page itself may be off."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def click(self, selector: str) -> None:
        """Press it as a mouse does, and wait for the page that follows."""
        before, place = self._loads, await self._place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
        await self._loaded(before)

    async def fill(self, selector: str, text: str) -> None:
        """Type into a field, over what is in it."""
        place = await self._place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
        await self.run(f"document.querySelector({json.dumps(selector)}).select()")
        await self.call("Input.insertText", text=text)

    async def text(self) -> str:
        return str(await self.run("document.body.innerText"))

    async def reads(self, words: str) -> str:
        """The page's text once it holds these words; opened again and again."""

        async def page() -> str:
            seen = await self.text()
            if words in seen:
                return seen
            await self.go(await self.run("location.href"))
            return ""

        return await until(page, seconds=90, what=words, pause=0.3)

    async def dark(self, *, on: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, height: int) -> bytes:
        """PNG of the page's first pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=1200, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.run("scrollTo(0, 0)")
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def _loaded(self, before: int) -> None:
        await until(lambda: self._loads > before, seconds=PATIENCE, what="the page")

    async def _place(self, selector: str) -> dict[str, float]:
        name = json.dumps(selector)
        found = await self.run(
            f"(() => {{ const e = document.querySelector({name}); if (!e) return null; e.scrollIntoView({{block: 'center'}}); "
            "const r = e.getClientRects()[0]; return {x: r.x + Math.min(r.width / 2, 40), y: r.y + r.height / 2}; })()"
        )
        assert found, f"{selector} is not on {await self.run('location.href')}: {await self.text()}"
        return dict(found)


@asynccontextmanager
async def chromium(binary: str, folder: Path) -> AsyncIterator[Chromium]:
    """A browser that ends with the block."""
    profile = folder / "profile"
    process = _started(binary, profile)
    try:
        port, path = await until(lambda: _address(profile), seconds=PATIENCE, what="a browser that listens")
        async with (
            ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
        ):
            made = Chromium(socket)
            listening = asyncio.create_task(made.listen())
            try:
                yield made
            finally:
                listening.cancel("the browser ends")
                await asyncio.wait([listening])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _started(binary: str, profile: Path) -> "subprocess.Popen[bytes]":
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with profile.with_suffix(".log").open("wb") as log:
        command = [binary, *FLAGS, *root, f"--user-data-dir={profile}", "about:blank"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _address(profile: Path) -> tuple[int, str] | None:
    file = profile / "DevToolsActivePort"
    lines = file.read_text().split() if file.is_file() else []
    return (int(lines[0]), lines[1]) if len(lines) == 2 else None
