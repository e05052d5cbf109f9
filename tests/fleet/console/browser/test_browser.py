"""The console in a real browser: the whole journey with scripts and without, hostile pages, what axe finds, and the README's pictures."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from tests.aws import Aws
from tests.fleet.console.browser.chromium import OTHERS, Chromium, Tab, chromium, found
from tests.fleet.console.running import Running, running
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.worker import Worker
from tests.sqs_server.running import sqs_server

AXE = Path(__file__).with_name("axe.min.js")
"""axe-core 4.14.1, https://github.com/dequelabs/axe-core, as published; MPL-2.0. It is a test's tool, and in no package."""
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
PICTURES = Path(__file__).parents[4] / "docs"
HOSTILE = "<img src=http://evil.test/x onerror=alert(1)><script>alert(2)</script>"
ORDER = {"tenantId": "t1", "order": {"id": "order-42", "total": 1999, "email": "anna@example.com"}}
MENDED = '{"tenantId": "t1", "order": {"total": 5}}'
TIMES: dict[str, Any] = {"first_failure": "2026-11-20T08:59:00Z", "last_failure": "2026-11-20T09:00:00Z"}
PAGES = (
    *("/", "/queues/{q}", "/queues/{q}/letters", "/queues/{q}/plan", "/plans", "/audit", "/nowhere"),
    *("/workers", "/find", "/find?id=m-1&tenant=acme", "/webhooks/acme/ep-1", "/archive/e-1"),
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not found(), reason="no Chromium: install the package `chromium`, or name the binary in CHROMIUM"
    ),
]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Chromium]:
    async with chromium(found(), folder) as made:
        yield made


async def axe(tab: Tab) -> list[str]:
    """What axe finds that is serious or critical, in light and dark."""
    content = AXE.read_bytes()
    assert hashlib.sha256(content).hexdigest() == AXE_SHA256
    findings = []
    for dark in (False, True):
        await tab.dark(on=dark)
        await tab.run(f"{content.decode()};0")
        told = json.loads(
            await tab.run("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))")
        )
        findings += [
            f"{each['id']} ({each['impact']}): {[node['html'] for node in each['nodes']]}"
            for each in told
            if each["impact"] in ("serious", "critical")
        ]
    await tab.dark(on=False)
    return findings


def pictured(name: str, picture: bytes) -> None:
    """Kept in docs/ where CONSOLE_PICTURES says so: whoever changes the pages renews the pictures."""
    assert picture.startswith(b"\x89PNG")
    if os.environ.get("CONSOLE_PICTURES"):
        (PICTURES / name).write_bytes(picture)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_from_a_group_to_the_report_every_letter_is_handled_once(
    *, scripts: bool, twelve: Ground, aws: Aws, cli: Lines, tmp_path: Path
) -> None:
    cli.environment |= {"DLQ_EDIT_ENABLED": "true", "DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive")}

    async def journey(console: Running) -> Tab:
        async with opened(tmp_path) as browser:
            tab = await browser.tab(scripts=scripts)
            await tab.go(console.url)
            assert "token" not in await tab.run("location.href")
            await tab.click(f"a[href='/queues/{twelve.name}']")
            await tab.click("form[action$='/read'] button")
            await tab.reads("complete: 12 letters of")
            await tab.click("tbody tr:first-child a[href*='/letters']")
            await tab.click("tbody tr:first-child th a")
            assert "[number]" in await tab.text()
            await tab.fill("form[action$='/reveal'] input[name=reason]", "a total of nothing")
            await tab.click("form[action$='/reveal'] button")
            await tab.fill("textarea[name=body]", MENDED)
            await tab.click("form[action$='/edit'] button")
            assert "Confirm an edit" in await tab.text()
            await tab.fill("input[name=reason]", "a total of nothing")
            await tab.click("button.acts")
            assert "A mended copy was sent" in await tab.text()
            await tab.go(f"http://{console.address}/queues/{twelve.name}?error=ConnectTimeout")
            await tab.click("tbody tr:first-child a[href*='/plan']")
            await tab.fill("input[name=canary]", "1")
            await tab.fill("input[name=watch]", "30")
            await tab.click("form.plan button")
            await tab.click("form[action$='/check'] button")
            assert f"Send 6 letters of {twelve.name}" in await tab.text()
            await tab.fill("input[name=reason]", "the endpoint is back")
            await tab.click("button.acts")
            report = await tab.reads("Done since")
            assert "6 of 6 sent" in report
            return tab

    with running(cli, "--allow-writes", "--plans", str(cli.home / "plans")) as console, Worker(twelve) as worker:
        tab = asyncio.run(journey(console))
    assert tab.hosts == {console.address}
    assert tab.complaints == []
    assert (twelve.counts(), worker.handled, len(worker.effects)) == ((5, 0), 7, 7)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Lines, str]]:
    """Queues as a picture shows them: the command line, and the name of the one with dead letters."""
    with sqs_server() as server:
        source, dead = server.make_pair("acme-webhook-deliveries-prod", receives=3)
        made = Ground(cast("Aws", server), source, dead)
        stack = ["workers.webhook_delivery.handler:deliver:88", "workers.webhook_delivery.egress.client:post:61"]
        made.park(
            *({**ORDER, "number": number} for number in range(7)),
            stack=stack,
            source_queue=source.rpartition("/")[2],
            **TIMES,
        )
        made.park(*({"tenantId": "t3", "n": number} for number in range(3)), error_type="SignatureError")
        made.die({"tenantId": "t4"}, {"tenantId": "t5"})
        environment = {
            **{name: value for name, value in server.environment.items() if name.startswith("AWS_")},
            "DLQ_AUDIT_LOG": str(tmp_path / "audit.jsonl"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "DLQ_LAST_LOOK_SECONDS": "0",
            "DLQ_ACTOR": "you",
        }
        yield Lines(environment, tmp_path), made.name


def test_axe_finds_nothing_serious_and_the_pictures_are_what_is_there(shop: tuple[Lines, str], tmp_path: Path) -> None:
    cli, queue = shop

    async def walk(console: Running, name: str) -> dict[str, list[str]]:
        async with opened(tmp_path) as browser:
            tab = await browser.tab()
            await tab.go(console.url)
            await tab.click("form[action='/read'] button")
            await tab.reads("complete")
            pictured("console-queues.png", await tab.picture(560))
            await tab.go(f"http://{console.address}/queues/{queue}")
            await tab.reads("complete: 12 letters of")
            pictured("console-groups.png", await tab.picture(620))
            letter = f"/queues/{queue}/letters/{name}"
            seen = {path: await _at(tab, console, path) for path in (*(each.format(q=queue) for each in PAGES), letter)}
            pictured("console-letter.png", await tab.picture(1240))
            await tab.go(f"http://{console.address}/queues/{queue}/plan?error=ConnectTimeout")
            for field, value in (("canary", "1,5"), ("rate", "50"), ("watch", "60")):
                await tab.fill(f"input[name={field}]", value)
            await tab.click("form.plan button")
            seen["plan"] = await axe(tab)
            await tab.click("form[action$='/check'] button")
            seen["confirm"] = await axe(tab)
            pictured("console-confirm.png", await tab.picture(630))
            seen["complaints"] = [each for each in tab.complaints if "404" not in each and "409" not in each]
            return seen

    name = cli.json("groups", queue)[0]["ids"][0]
    with running(cli, "--allow-writes", "--plans", str(cli.home / "plans")) as console:
        seen = asyncio.run(walk(console, name))
    assert {page: findings for page, findings in seen.items() if findings} == {}


def test_what_a_hostile_letter_holds_is_text_in_a_real_browser(ground: Ground, cli: Lines, tmp_path: Path) -> None:
    ground.park({"status": HOSTILE, HOSTILE: HOSTILE}, error_type=HOSTILE, message=HOSTILE, stack=[HOSTILE])

    async def look(console: Running, name: str) -> tuple[Tab, str]:
        async with opened(tmp_path) as browser:
            tab = await browser.tab()
            await tab.go(console.url)
            await tab.go(f"http://{console.address}/queues/{ground.name}")
            await tab.click("form[action$='/read'] button")
            await tab.reads("complete: 1 letters of")
            await tab.go(f"http://{console.address}/queues/{ground.name}/letters")
            await tab.go(f"http://{console.address}/queues/{ground.name}/letters/{name}")
            await tab.fill("form[action$='/reveal'] input[name=reason]", "to see it")
            await tab.click("form[action$='/reveal'] button")
            return tab, await tab.text()

    [letter] = cli.json("list", ground.name)
    with running(cli) as console:
        tab, text = asyncio.run(look(console, letter["id"]))
    assert HOSTILE in text
    assert (tab.hosts, tab.complaints) == ({console.address}, [])


def test_no_page_of_another_address_or_name_reaches_the_console(twelve: Ground, cli: Lines, tmp_path: Path) -> None:
    async def attack(console: Running) -> dict[str, Any]:
        port = console.address.rpartition(":")[2]
        async with opened(tmp_path) as browser, _hostile(console, twelve.name) as other:
            tab = await browser.tab()
            await tab.go(console.url)
            found: dict[str, Any] = {}
            for name in (f"http://127.0.0.1:{other}", f"http://localhost:{other}", f"http://{OTHERS}:{other}"):
                for path in ("/form", "/plain"):
                    await tab.go(f"{name}{path}")
                    await tab.click("button")
                    found[f"{name}{path}"] = await tab.run("document.querySelector('h1').innerText")
                await tab.go(f"{name}/fetch")
                found[f"{name}/fetch"] = await tab.run("window.told")
            await tab.go(f"http://{OTHERS}:{port}/")
            found["rebound"] = await tab.text()
            return found

    with running(cli, "--allow-writes", "--plans", str(cli.home / "plans")) as console:
        found = asyncio.run(attack(console))
    assert found.pop("rebound") == "Invalid host header"
    for name, told in found.items():
        if name.endswith("/fetch"):
            assert told == "TypeError", (name, told)
        else:
            assert told in {"403", "Not open"}, (name, told)
    assert not (cli.home / "plans").exists()
    assert (cli.audit(), twelve.counts()) == ([], (12, 0))


async def _at(tab: Tab, console: Running, path: str) -> list[str]:
    await tab.go(f"http://{console.address}{path}")
    return await axe(tab)


@asynccontextmanager
async def _hostile(console: Running, queue: str) -> AsyncIterator[int]:
    """Pages of another port that try to make the browser act on the console; answers the port."""
    target = f"http://{console.address}/queues/{queue}/plan"

    async def page(request: web.Request) -> web.Response:
        kind = "text/plain" if request.path == "/plain" else "application/x-www-form-urlencoded"
        form = f'<form method="post" enctype="{kind}" action="{target}"><input name="form" value="x"><button>win</button></form>'
        frame = f'<iframe src="{target}"></iframe><img src="http://{console.address}/queues/{queue}/read">'
        script = f"<script>window.told = fetch('{target}', {{method: 'POST', credentials: 'include'}}).then(() => 'sent', e => e.name)</script>"
        body = f"{frame}{script}" if request.path == "/fetch" else form
        return web.Response(text=f"<!doctype html><title>x</title>{body}", content_type="text/html")

    made = web.Application()
    made.add_routes([web.get(path, page) for path in ("/form", "/plain", "/fetch")])
    runner = web.AppRunner(made)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()
