"""A console over a dead-letter queue in memory, a command line that only writes down what it is asked, and a browser without a window."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any, cast

from aiohttp import ClientSession, CookieJar

from fleet.console.commands import Said
from fleet.console.guard import Door
from fleet.console.inventories import Inventories
from fleet.console.pages import templates
from fleet.console.plans import Plans
from fleet.console.running.depths import Depths
from fleet.console.server import served
from fleet.console.state import Console
from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.queues.catalog import Catalog, NoSuchQueue, QueueInfo
from fleet.dead_letters.replay.inventory import Desk, Open
from fleet.dead_letters.settings import ReplaySettings
from shared.clients import Clients
from shared.message.delivery import Attribute
from tests.fleet.dead_letters.fakes import DLQ, SOURCE, FakeBox, World, envelope

QUEUE = "webhooks-dlq"
KEY = b"0123456789abcdef"
LOOKS = ("workers", "trace")
"""Commands that a page asks when it is opened: they only look, and receive nothing."""
SAME = {"Sec-Fetch-Site": "same-origin"}
RETENTION = 4 * 86_400.0


@dataclass
class FakeCatalog:
    """One dead-letter queue and its source."""

    world: World
    unread: Sequence[str] = ()

    def dead_letter_queue(self, given: str) -> QueueInfo:
        if given.rpartition("/")[2] != QUEUE:
            raise NoSuchQueue(given, "us-east-1")
        return QueueInfo(
            QUEUE, f"http://q/{QUEUE}", DLQ, RETENTION, len(self.world.dead), 0, fed_by=("queue webhooks",)
        )

    def dead_letter_queues(self) -> list[QueueInfo]:
        return [self.dead_letter_queue(QUEUE)]

    def origin(self, info: QueueInfo) -> Origin:
        return Origin(DLQ, (SOURCE,), {})

    def queue(self, given: str) -> QueueInfo:
        if given == QUEUE:
            return self.dead_letter_queue(given)
        return QueueInfo("webhooks", "http://q/webhooks", SOURCE, RETENTION, 3, 1)


class FakeDesk(Desk):
    """The tools of a command, over a box in memory."""

    box: FakeBox

    @asynccontextmanager
    async def open(self, info: QueueInfo, origin: Origin) -> AsyncIterator[Open]:
        yield Open(info, origin, self.box, cast("Clients", None))


@dataclass
class FakeCommands:
    """Writes down what it is asked; `plan` makes a plan of all letters, and `answers` are what other commands say."""

    world: World
    asked: list[tuple[str, ...]] = field(default_factory=list)
    started: list[tuple[str, ...]] = field(default_factory=list)
    stdin: str = ""
    answers: dict[str, Said] = field(default_factory=lambda: {name: Said(0) for name in LOOKS})
    still: "asyncio.Future[int] | None" = None

    async def ask(self, *arguments: str, stdin: str = "") -> Said:
        self.asked.append(arguments)
        self.stdin = stdin
        command = arguments[1]
        for known in arguments[:2]:
            if known in self.answers:
                return self.answers[known]
        if command == "plan":
            file = Path(arguments[arguments.index("-o") + 1])
            made = replace(self.world.plan(), plan_id=f"plan-{len(self.asked)}", canary=(1, 5))
            _write(file, planning.write(made, key=KEY))
            return Said(
                4, [{"refused": [{"id": "m-9", "shape": "eventbridge-bus", "why_not": "ids only"}]}], ["left out: m-9"]
            )
        dry = {"planned": 12, "remaining": 12, "destinations": [SOURCE], "changed_bodies": {}}
        return Said(0, [dry], ["would be fine"])

    async def start(self, *arguments: str, words: Path) -> asyncio.Future[int]:
        self.started.append(arguments)
        _write(words, b"a canary has no verdict yet\n{}\n")
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        ended.set_result(4)
        return self.still or ended


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


@dataclass
class Browser:
    """A session with its cookie; forms are read from the page and sent as a browser sends them."""

    session: ClientSession
    address: str

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        async with self.session.get(f"http://{self.address}{path}", **options) as answer:
            return answer.status, await answer.text()

    async def page(self, path: str) -> str:
        status, text = await self.get(path)
        assert status == 200, (path, status, text)
        return text

    async def post(
        self, path: str, fields: Sequence[tuple[str, str]] = (), headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, str]:
        headers = SAME if headers is None else headers
        async with self.session.post(
            f"http://{self.address}{path}", data=[*fields], headers=headers, **options
        ) as answer:
            return answer.status, await answer.text()

    async def send(self, page: str, action: str, **fields: str) -> tuple[int, str]:
        """The form of a page with this action, as it is written there, with these fields filled in."""
        [form] = [
            each
            for each in re.findall(r"<form method=\"post\".*?</form>", page, re.DOTALL)
            if f'action="{action}"' in each
        ]
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        chosen = re.findall(r'<input name="([^"]*)" value="([^"]*)"', form)
        given = [(name, unescape(value)) for name, value in [*hidden, *chosen] if name not in fields]
        return await self.post(action, [*given, *fields.items()])


@dataclass
class Bench:
    console: Console
    world: World
    box: FakeBox
    commands: FakeCommands
    browser: Browser
    audit_log: Path

    async def read(self) -> None:
        page = await self.browser.page(f"/queues/{QUEUE}")
        status, _ = await self.browser.send(page, f"/queues/{QUEUE}/read")
        assert status == 200

    async def planned(self) -> str:
        """The path of a new plan."""
        page = await self.browser.page(f"/queues/{QUEUE}/plan")
        await self.browser.send(page, f"/queues/{QUEUE}/plan", canary="1,5")
        return f"/plans/{self.console.plans.names()[0]}"

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()] if self.audit_log.exists() else []


def twelve(world: World) -> None:
    """Seven that timed out, three with a bad signature, two that nobody knows the reason of."""
    world.put(*(json.dumps({"tenantId": "t1", "n": number}) for number in range(7)))
    world.put(*(f'{{"n":{number}}}' for number in range(3)), attributes={"fleet-failure": envelope("SignatureError")})
    world.put("{}", "{}", attributes={"other": Attribute("String", "x")})


_templates = cache(templates)
"""Compiled once for all consoles of a run."""


@asynccontextmanager
async def bench(folder: Path, *, allow_writes: bool = True, enter: bool = True) -> AsyncIterator[Bench]:
    world = World()
    twelve(world)
    box, log = FakeBox(world), folder / "audit.jsonl"
    settings = ReplaySettings(
        dlq_audit_log=str(log), xdg_state_home=str(folder / "state"), dlq_last_look_seconds=0, dlq_actor="tester"
    )
    commands = FakeCommands(world)

    def tools() -> Desk:
        made = FakeDesk(settings, cast("Catalog", FakeCatalog(world)), {}, lambda: world.now)
        object.__setattr__(made, "box", box)
        return made

    def make(address: str) -> Console:
        return Console(
            door=Door(address),
            settings=settings,
            inventories=Inventories(tools),
            plans=Plans(folder / "plans", lambda: KEY),
            commands=commands,
            templates=_templates(),
            now=lambda: world.now,
            depths=Depths(lambda _names, _now: {}, lambda: world.now),
            allow_writes=allow_writes,
        )

    async with served(make, 0) as console, ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        browser = Browser(session, console.door.address)
        if enter:
            async with session.get(console.door.url) as answer:
                assert answer.status == 200
        yield Bench(console, world, box, commands, browser, log)
