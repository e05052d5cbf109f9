"""The console as it is started: what it binds and prints, and that what it does is what `fleet dlq` does."""

import asyncio
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.console.fakes import SAME, Browser
from tests.fleet.console.running import Running, entered, running, shown
from tests.fleet.console.test_looks import cells
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.waiting import until

ACT = ("--yes", "--reason", "the endpoint is back")


@pytest.fixture
def bare(tmp_path: Path) -> Lines:
    """The command line, without any AWS."""
    return Lines({"AWS_DEFAULT_REGION": "us-east-1", "XDG_STATE_HOME": str(tmp_path)}, tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost"])
def test_any_other_address_is_refused_with_5_and_nothing_is_bound(host: str, bare: Lines) -> None:
    said = bare("console", "--host", host, exits=5).stderr
    assert f"nothing was bound: --host {host}" in said
    assert "token" in said


def test_help_says_what_it_is_and_how_it_acts(bare: Lines) -> None:
    said = bare("console", "--help").stdout
    for words in ("--allow-writes", "--plans", "--port", "only look"):
        assert words in said


@pytest.mark.long
def test_the_console_does_what_the_command_line_does_and_nothing_else(twelve: Ground, cli: Lines) -> None:
    folder, queue = cli.home / "plans", twelve.name
    groups = cli.json("groups", queue)
    [letter] = cli.json("show", queue, groups[0]["ids"][0])
    with running(cli, "--allow-writes", "--plans", str(folder)) as console:
        assert _listening(console.process.pid) == {f"0100007F:{int(console.address.rpartition(':')[2]):04X}"}
        asyncio.run(_looked(console, queue, groups, letter))
        [record] = cli.audit()
        assert (record["command"], record["outcome"], record["ids"]) == ("show --reveal", "done", [letter["id"]])
        asyncio.run(_journey(console, queue, "?error=ConnectTimeout"))
        assert console.end() == 0
    assert (twelve.counts(), twelve.counts(twelve.source)) == ((5, 0), (7, 0))
    assert [(each["command"], each["outcome"], each["reason"]) for each in cli.audit()[1:]] == [
        ("replay", "begun", ACT[-1]),
        ("replay", "done", ACT[-1]),
    ]


@pytest.mark.long
def test_a_plan_of_the_console_is_run_by_the_command_line_and_the_reverse(twelve: Ground, cli: Lines) -> None:
    folder, queue = cli.home / "plans", twelve.name
    cli("dlq", "plan", queue, "--error", "ConnectTimeout", "-o", _named(folder, "mine.plan"))
    with running(cli, "--allow-writes", "--plans", str(folder)) as console:
        plan = asyncio.run(_reversed(console, queue))
        [result] = cli.json("replay", str(folder / plan.removeprefix("/plans/")), *ACT)
        assert (result["sent"], result["state"]) == (3, "done")
    assert twelve.counts(twelve.source) == (10, 0)


@pytest.mark.long
async def test_a_replay_goes_on_without_its_tab_and_without_the_console_and_never_goes_back(
    ground: Ground, cli: Lines
) -> None:
    ground.park(*({"n": number} for number in range(600)))
    folder, seen = cli.home / "plans", [0]

    async def reached(browser: Browser, plan: str, count: int) -> None:
        async def page() -> str:
            found = await browser.page(plan)
            seen.append(int(cells(found, "<caption>Report</caption>")[0][1]))
            return found if seen[-1] >= count else ""

        found: str = await until(page, seconds=90, what=f"{count} letters")
        assert "Report" in found

    with running(cli, "--allow-writes", "--plans", str(folder)) as console:
        async with entered(console) as browser:
            plan = await _planned(browser, ground.name, "", rate="50")
            await _replayed(browser, plan)
            await reached(browser, plan, 100)
        assert console.end() == 0
    with running(cli, "--plans", str(folder)) as console:
        async with entered(console) as browser:
            await reached(browser, plan, 600)
            await shown(browser, plan, "<strong>done</strong>")
    assert seen == sorted(seen)
    assert (ground.counts(), ground.counts(ground.source)) == ((0, 0), (600, 0))


@pytest.mark.long
async def test_a_replay_is_cancelled_from_the_page_of_another_console_and_resumed(ground: Ground, cli: Lines) -> None:
    ground.park(*({"n": number} for number in range(200)))
    folder = cli.home / "plans"
    with (
        running(cli, "--allow-writes", "--plans", str(folder)) as console,
        running(cli, "--allow-writes", "--plans", str(folder)) as other,
    ):
        async with entered(console) as browser, entered(other) as second:
            plan = await _planned(browser, ground.name, "", rate="20")
            await _replayed(browser, plan)
            page = await shown(second, plan, "<strong>running</strong>")
            status, _ = await second.send(page, f"{plan}/cancel", reason="wrong queue")
            assert status == 200
            page = await shown(browser, plan, "<strong>cancelled</strong>")
            assert 0 < int(cells(page, "<caption>Report</caption>")[0][1]) < 200
            await _replayed(second, plan, act="resume")
            await shown(browser, plan, "<strong>done</strong>")
    assert (ground.counts(), ground.counts(ground.source)) == ((0, 0), (200, 0))


async def _looked(console: Running, queue: str, groups: list[dict[str, Any]], letter: dict[str, Any]) -> None:
    """The groups and a letter are those of the command line; the content comes with a reason."""
    async with entered(console) as browser:
        status, _ = await browser.send(await browser.page(f"/queues/{queue}"), f"/queues/{queue}/read")
        assert status == 200
        page = await shown(browser, f"/queues/{queue}", "complete: 12 letters of")
        rows = cells(page, "Letters by worker and error")
        assert [(row[0], row[2]) for row in rows] == [
            (str(each["count"]), each["error_type"] or "reason unknown") for each in groups
        ]
        path = f"/queues/{queue}/letters/{letter['id']}"
        page = await browser.page(path)
        assert letter["body"] in unescape(page)
        assert json.loads(letter["body"])["order"] == {"total": "[number]", "number": "[number]"}
        status, page = await browser.send(page, f"{path}/reveal", reason="a customer asked")
        assert (status, bool(re.search(r'"order": \{"total": \d', unescape(page)))) == (200, True)


async def _journey(console: Running, queue: str, chosen: str) -> None:
    """From a group to its report."""
    async with entered(console) as browser:
        plan = await _planned(browser, queue, chosen)
        await _replayed(browser, plan)
        report = await shown(browser, plan, "<strong>done</strong>")
        assert cells(report, "<caption>Report</caption>")[0][:3] == ["7", "7", "7"]


async def _reversed(console: Running, queue: str) -> str:
    """Carry out the plan that the command line made; answers the path of another one."""
    async with entered(console) as browser:
        await _replayed(browser, "/plans/mine.plan")
        await shown(browser, "/plans/mine.plan", "<strong>done</strong>")
        return await _planned(browser, queue, "?error=SignatureError")


def _named(folder: Path, name: str) -> str:
    folder.mkdir()
    return str(folder / name)


async def _planned(browser: Browser, queue: str, chosen: str, **fields: str) -> str:
    """The path of the new plan."""
    page = await browser.page(f"/queues/{queue}/plan{chosen}")
    [form] = re.findall(r'<form method="post".*?</form>', page, re.DOTALL)[-1:]
    values = [
        (name, unescape(value)) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', form) if name != "keep"
    ]
    given = [(name, value) for name, value in values if name not in fields] + [*fields.items()]
    url = f"http://{browser.address}/queues/{queue}/plan"
    async with browser.session.post(url, data=given, headers=SAME) as answer:
        assert answer.status == 200, unescape(await answer.text())
        return answer.url.path


async def _replayed(browser: Browser, plan: str, *, act: str = "replay") -> None:
    status, page = await browser.send(await browser.page(plan), f"{plan}/check")
    assert status == 200
    status, page = await browser.send(page, f"{plan}/{act}", reason=ACT[-1])
    assert status == 200, unescape(page)


def _listening(pid: int) -> set[str]:
    """The addresses at which a process listens, as /proc spells them."""
    owned = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            owned.add(str(each.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in owned}
