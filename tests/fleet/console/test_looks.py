"""What the pages show: the numbers of the command line, its redaction, and never a message received."""

import asyncio
import json
import re
import time
from functools import partial
from html import unescape
from itertools import product
from typing import BinaryIO

import pytest

from fleet.cli.console import _place
from fleet.dead_letters.looking import shown
from fleet.dead_letters.model import groups as grouping
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.plan import PlanRefused
from fleet.dead_letters.replay.journal import Journal, Progress, State, journal_path
from fleet.dead_letters.settings import ReplaySettings
from fleet.doctor.deployed import Stage
from fleet.typed import STAGE, given_stage
from shared.message.delivery import Attribute
from tests.fleet.console.fakes import LOOKS, QUEUE, RETENTION, Bench
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.letters import bus_record
from tests.traced import allowed

BACK: tuple[State, ...] = ("sent", "deleted", "returned")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:alert(3)'>x</a>\u202e"


def cells(page: str, caption: str) -> list[list[str]]:
    """The rows of a table, as text."""
    [table] = [each for each in re.findall(r"<table.*?</table>", page, re.DOTALL) if caption in each]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[-1], re.DOTALL)
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in row] for row in found]


async def test_queues_are_counted_without_being_read_and_those_they_come_from_beside_them(desk: Bench) -> None:
    page = await desk.browser.page("/")
    assert cells(page, "Dead-letter queues")[0][:3] == [QUEUE, "12", "0"]
    assert "not read yet" in page
    assert [row[:4] for row in cells(page, "Queues that they come from")] == [["webhooks", "3", "1", "4 d 0 h"]]
    assert desk.box.received == 0


async def test_groups_are_those_of_the_command_line(desk: Bench) -> None:
    await desk.read()
    rows = cells(await desk.browser.page(f"/queues/{QUEUE}"), "Letters by worker and error")
    assert [(row[0], row[2]) for row in rows] == [
        ("7", "ConnectTimeout"),
        ("3", "SignatureError"),
        ("2", "reason unknown"),
    ]
    look = desk.console.inventories.looks[QUEUE]
    assert [row[0] for row in rows] == [str(grouping.document(each)["count"]) for each in look.groups]
    page = await desk.browser.page("/")
    assert cells(page, "Dead-letter queues")[0][3] == "3"


async def test_letters_are_filtered_by_their_address_and_come_in_pages(desk: Bench) -> None:
    desk.world.put(*("{}" for _ in range(130)), attributes={"fleet-failure": envelope("ReadTimeout")})
    await desk.read()
    page = await desk.browser.page(f"/queues/{QUEUE}/letters?error=ReadTimeout&page=2")
    assert len(cells(page, "<caption>Letters</caption>")) == 30
    assert "130 letters match" in page
    assert f'href="/queues/{QUEUE}/letters?error=ReadTimeout&amp;page=1"' in page
    for wrong in ("page=0", "page=x", "since=yesterday", "shape=round"):
        assert (await desk.browser.get(f"/queues/{QUEUE}/letters?{wrong}"))[0] == 400


async def test_a_time_that_is_none_is_refused_by_name(looking: Bench) -> None:
    await looking.read()
    times = ("999999999d", "999999999h", "yesterday", "2026-13-01", "-1d")
    for page, name, told in product(("", "/letters", "/plan"), ("since", "until"), times):
        status, text = await looking.browser.get(f"/queues/{QUEUE}{page}?{name}={told}")
        assert (status, f"{name}: write ISO 8601" in text) == (400, True), told


async def test_the_countdown_is_that_of_now_and_marked_below_a_day(desk: Bench) -> None:
    await desk.read()
    desk.world.now += RETENTION - 14_400
    left = cells(await desk.browser.page(f"/queues/{QUEUE}/letters/m-0"), "What is known of it")[-1]
    assert left in (["Disappears in", "4 h 0 min below 24 h"], ["Disappears in", "3 h 59 min below 24 h"])
    assert "below 24 h" in await desk.browser.page("/")


async def test_a_letter_is_redacted_as_the_command_line_redacts_it(desk: Bench) -> None:
    secret = "anna@example.com"
    inner = {
        "user": {"mail": [secret, {"deep": secret}]},
        "text": json.dumps({"mail": secret}),
        "tenantId": "t1",
        "mail": secret,
    }
    [name] = desk.world.put(
        json.dumps(inner), attributes={"fleet-failure": envelope(), "who": Attribute("String", secret)}
    )
    await desk.read()
    page = await desk.browser.page(f"/queues/{QUEUE}/letters/{name}")
    assert secret not in page
    assert "t1" in page
    each = desk.console.inventories.looks[QUEUE].view(name, now=desk.world.now)
    assert each is not None
    assert shown(each)["body"] in unescape(page)
    for path in ("/", f"/queues/{QUEUE}", f"/queues/{QUEUE}/letters", f"/queues/{QUEUE}/plan?ids={name}"):
        assert secret not in await desk.browser.page(path)


async def test_what_attackers_write_is_text_everywhere(desk: Bench) -> None:
    reason = envelope(HOSTILE, worker=HOSTILE, message=HOSTILE, stack=[HOSTILE], fingerprint="f" * 16)
    attributes = {"fleet-failure": reason, HOSTILE: Attribute("String", HOSTILE)}
    [name] = desk.world.put(json.dumps({HOSTILE: HOSTILE, "status": HOSTILE}), attributes=attributes)
    await desk.read()
    await desk.browser.page(f"/queues/{QUEUE}")
    for path in (f"/queues/{QUEUE}", f"/queues/{QUEUE}/letters", f"/queues/{QUEUE}/letters/{name}"):
        page = await desk.browser.page(path)
        assert "alert(1)" in page or "hidden" in page
        for element in ("<script>", "<img", "href='java", 'href="java', "\u202e"):
            assert element not in page, (path, element)
    for query in (f"error={HOSTILE}", f"worker={HOSTILE}", f"ids={HOSTILE}"):
        page = await desk.browser.page(f"/queues/{QUEUE}/plan?{query}")
        assert "<img" not in page
    status, page = await desk.browser.get(f"/queues/{QUEUE}/letters?shape={HOSTILE}")
    assert (status, "<img" in page, "alert(1)" in page) == (400, False, True)


def _changing(desk: Bench) -> list[tuple[str, ...]]:
    return [each for each in desk.commands.asked if each[0] not in LOOKS]


async def test_opening_every_page_twice_receives_nothing_and_leaves_no_trace(desk: Bench) -> None:
    await desk.read()
    await desk.planned()
    received, asked = desk.box.received, _changing(desk)
    files = sorted(path.name for path in desk.console.plans.folder.iterdir())
    for _ in range(2):
        seen, waiting = set[str](), ["/"]
        while waiting:
            path = waiting.pop()
            seen.add(path)
            _, text = await desk.browser.get(path)
            links = [unescape(each) for each in re.findall(r'(?:href|src)="(/[^"]*)"', text)]
            waiting += [each for each in dict.fromkeys(links) if each not in seen and each not in waiting]
        assert len(seen) > 20
    assert (desk.box.received, _changing(desk), desk.audit()) == (received, asked, [])
    assert sorted(path.name for path in desk.console.plans.folder.iterdir()) == files


async def test_a_letter_that_cannot_be_replayed_says_why_beside_the_button(desk: Bench) -> None:
    body, _ = bus_record()
    [name] = desk.world.put(body, attributes={"other": Attribute("String", "x")})
    await desk.read()
    page = await desk.browser.page(f"/queues/{QUEUE}/letters/{name}")
    each = desk.console.inventories.looks[QUEUE].view(name, now=desk.world.now)
    assert each is not None
    assert each.standing.why_not
    assert re.search(r"<button disabled[^>]*>Plan a replay</button>", page)
    assert f'<span id="why-not">{each.standing.why_not}</span>' in unescape(page)


async def test_a_queue_that_cannot_be_read_says_so_in_the_words_of_the_command_line(desk: Bench) -> None:
    await desk.browser.post("/queues/other/read", [("form", desk.console.forms.issue("/queues/other/read"))])
    assert "there is no queue other in us-east-1" in await desk.browser.page("/queues/other")
    assert (await desk.browser.get(f"/queues/{QUEUE}/letters/none"))[0] == 200  # not read yet
    await desk.read()
    assert (await desk.browser.get(f"/queues/{QUEUE}/letters/none"))[0] == 404


async def test_of_letters_too_large_to_be_kept_all_but_the_content_is_shown(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.console.inventories.ROOM", 20)
    await desk.read()
    page = await desk.browser.page(f"/queues/{QUEUE}/letters/m-7")
    assert "too large to be kept" in page
    assert f"fleet dlq show {QUEUE} m-7" in page
    assert "SignatureError" in page


async def test_while_a_queue_is_read_its_page_says_so_and_the_console_lets_go_at_its_end(desk: Bench) -> None:
    going, answer = asyncio.Event(), asyncio.Event()

    async def slow(*, visibility: int, wait: int) -> list[DeadLetter]:
        going.set()
        await answer.wait()
        return []

    desk.box.receive = slow  # type: ignore[method-assign]  # a queue that does not answer
    await desk.console.inventories.read(QUEUE, wait=0.0)
    await going.wait()
    page = await desk.browser.page(f"/queues/{QUEUE}")
    assert 'data-running="yes"' in page
    assert f'action="/queues/{QUEUE}/read"' not in page
    ending = asyncio.create_task(desk.console.inventories.close())
    answer.set()
    await ending
    assert not desk.console.inventories.is_reading(QUEUE)


@pytest.mark.long
async def test_two_hundred_pages_over_ten_thousand_letters_take_less_than_200_ms_each(desk: Bench) -> None:
    for number in range(25):
        attributes = {"fleet-failure": envelope(f"Error{number}", message="x" * 200)}
        desk.world.put(*(json.dumps({"n": each}) for each in range(400)), attributes=attributes)
    await desk.console.inventories.read(QUEUE, wait=120)
    received = desk.box.received
    await desk.browser.page(f"/queues/{QUEUE}")
    took = []
    for number in range(200):
        paths = ("", "/letters", f"/letters/m-{number * 40}", f"/letters?error=Error{number % 25}", "?error=Error3")
        began = time.thread_time()
        await desk.browser.page(f"/queues/{QUEUE}{paths[number % len(paths)]}")
        took.append(time.thread_time() - began)
    assert sorted(took)[189] <= allowed(0.2)
    assert desk.box.received == received


async def test_the_page_that_the_command_line_names_is_there(desk: Bench) -> None:
    await desk.read()
    address = f"http://{desk.browser.address}"
    named = ReplaySettings(console_url=address).page(QUEUE, "m-0")
    assert named == f"{address}/queues/{QUEUE}/letters/m-0"
    assert "m-0" in await desk.browser.page(named.removeprefix(address))
    assert ReplaySettings().page(QUEUE, "m-0") == ""


async def test_each_page_says_where_its_queues_are(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STAGE, "")
    desk.console.place = _place(Stage("shop", "prod"), "eu-west-1", "https://sqs.eu-west-1.amazonaws.com")
    assert "<strong>shop, stage prod, eu-west-1</strong>" in await desk.browser.page("/plans")
    given_stage("shop", "prod")
    assert f"<code>fleet --project shop --stage prod dlq groups {QUEUE}</code>" in await desk.browser.page(
        f"/queues/{QUEUE}"
    )
    monkeypatch.delenv(STAGE)
    assert f"<code>fleet dlq groups {QUEUE}</code>" in await desk.browser.page(f"/queues/{QUEUE}")
    desk.console.place = _place(None, "us-east-1", "http://127.0.0.1:4566")
    for path in ("/", f"/queues/{QUEUE}"):
        assert "<strong>no stage named, us-east-1, http://127.0.0.1:4566</strong>" in await desk.browser.page(path)


async def test_a_plan_is_parsed_once_for_its_file_and_anew_for_another(desk: Bench) -> None:
    name = (await desk.planned()).rpartition("/")[2]
    first, again = desk.console.plans.read(name), desk.console.plans.read(name)
    assert first.plan is again.plan
    file = desk.console.plans.file(name)
    file.write_bytes(file.read_bytes().replace(b'"keep": false', b'"keep": true'))
    with pytest.raises(PlanRefused):
        desk.console.plans.read(name)


def _put(file: BinaryIO, line: bytes) -> None:
    file.write(line)


async def test_letters_that_came_back_stand_beside_those_that_were_sent(desk: Bench) -> None:
    path = await desk.planned()
    kept = desk.console.plans.read(path.rpartition("/")[2])
    with journal_path(kept.file, kept.plan.plan_id).open("wb") as file:
        journal = Journal(partial(_put, file), now=lambda: 1.0, progress=Progress(), plan_id=kept.plan.plan_id)
        journal.begin("tester", "x")
        for state in BACK:
            journal.note(state, ["m-0"], step=1)
    page = await desk.browser.page(path)
    assert '1 of 12 sent, <span class="fault">1 came back</span>' in page
