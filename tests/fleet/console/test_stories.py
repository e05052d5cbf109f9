"""From any id to its pages: what the command line tells, with links, and nothing of what a customer wrote."""

import asyncio
import re
from html import unescape
from typing import Any

import pytest

from fleet.console.commands import Processes, Said, _documents
from fleet.console.state import LOOKS_AT_ONCE
from tests.fleet.console.fakes import QUEUE, Bench
from tests.fleet.console.test_looks import HOSTILE, cells
from tests.waiting import until

SECRET = "anna@example.com"
MOMENTS: list[dict[str, Any]] = [
    {"version": 1, "at": "2026-11-21T10:00:00+00:00", "place": "session", "what": "opened", "session_id": "s-1"},
    {"version": 1, "at": None, "place": "log webhook-delivery", "what": HOSTILE, "webhook_id": "msg_1"},
    {"version": 1, "at": None, "place": "webhook", "what": "attempted", "webhook_id": "msg_1", "endpoint": "ep/1"},
    {"version": 1, "at": None, "place": "reminder", "what": "scheduled", "reminder_id": "r-1"},
]
ATTEMPT = {
    "webhook_id": "msg_1",
    "number": 1,
    "status": "FAILED",
    "http_status": 500,
    "error": "",
    "started_at": "2026-11-21T10:00:00Z",
    "resent": "",
    "response": SECRET,
}
DELIVERY = {
    "webhook_id": "msg_1",
    "event_type": "order.paid",
    "state": "exhausted",
    "payload": SECRET,
    "attempts": [ATTEMPT],
}


async def test_an_id_leads_to_the_pages_of_what_its_story_names(desk: Bench) -> None:
    await desk.read()
    desk.commands.answers |= {"trace": Said(0, MOMENTS, ["letters: not looked at"]), "webhooks": Said(0, [{}])}
    desk.commands.asked.clear()
    page = await desk.browser.page("/find?id=m-1&tenant=--yes&hours=2")
    assert desk.commands.asked == [
        ("trace", "--tenant=--yes", "--archive=2", "--no-letters", "--json", "--", "m-1"),
        ("webhooks", "endpoint", "show", "--tenant=--yes", "--json", "--", "m-1"),
    ]
    links = dict(re.findall(r'<li><a href="([^"]*)">(.*?)</a>', page))
    assert links == {
        f"/queues/{QUEUE}/letters/m-1": f"letter m-1 in {QUEUE}",
        "/sessions/s-1": "session s-1",
        "/webhooks/--yes/ep%2F1/msg_1": "delivery msg_1 to ep/1",
        "/reminders/--yes/r-1": "reminder r-1",
        "/webhooks/--yes/m-1": "endpoint m-1",
        "/archive/m-1": "proof that the row of event m-1 is in the archive",
    }
    assert len(cells(page, "Its story")) == 4
    assert "<img" not in page
    assert "letters: not looked at" not in page
    assert f"letters: {QUEUE}, 12 as read" in page
    assert desk.box.received == 12


async def test_without_an_id_nothing_is_asked_and_a_long_one_is_refused(desk: Bench) -> None:
    await desk.browser.page("/find")
    assert (await desk.browser.get(f"/find?id={'x' * 201}"))[0] == 400
    assert desk.commands.asked == []


async def test_a_delivery_is_shown_without_payload_or_answer_and_sent_again_with_a_reason(desk: Bench) -> None:
    desk.commands.answers |= {"show": Said(0, [DELIVERY]), "resend": Said(0, [{"attempt": 2}])}
    path = "/webhooks/acme/ep%2F1/msg_1"
    page = await desk.browser.page(path)
    assert desk.commands.asked[-1] == ("webhooks", "show", "--tenant=acme", "--endpoint=ep/1", "--json", "--", "msg_1")
    assert SECRET not in page
    assert cells(page, "Its life")[0][1:3] == ["FAILED", "500"]
    assert (await desk.browser.send(page, f"{path}/resend", reason=" "))[0] == 400
    page = await desk.browser.page(path)
    assert (await desk.browser.send(page, f"{path}/resend", reason="they asked"))[0] == 200
    assert desk.commands.asked[-2] == (
        *("webhooks", "resend", "--tenant=acme", "--endpoint=ep/1", "--reason=they asked", "--json", "--", "msg_1"),
    )
    assert (await desk.browser.send(page, f"{path}/resend", reason="they asked"))[0] == 409
    desk.commands.answers["resend"] = Said(5, [], ["Error: ep/1 is disabled"])
    page = await desk.browser.page(path)
    status, text = await desk.browser.send(page, f"{path}/resend", reason="they asked")
    assert (status, "ep/1 is disabled" in text) == (409, True)


async def test_a_console_that_only_looks_sends_no_delivery_and_writes_down_who_tried(looking: Bench) -> None:
    looking.commands.answers["show"] = Said(0, [DELIVERY])
    page = await looking.browser.page("/webhooks/acme/ep/msg_1")
    assert (await looking.browser.send(page, "/webhooks/acme/ep/msg_1/resend", reason="so"))[0] == 403
    assert [each["command"] for each in looking.audit()] == ["webhooks resend"]


async def test_deliveries_of_an_endpoint_lead_to_each(desk: Bench) -> None:
    desk.commands.answers["deliveries"] = Said(0, [ATTEMPT])
    page = await desk.browser.page("/webhooks/acme/ep-1?since=6h")
    assert desk.commands.asked[-1][2:5] == ("--tenant=acme", "--endpoint=ep-1", "--since=6h")
    assert 'href="/webhooks/acme/ep-1/msg_1"' in page
    assert SECRET not in page
    desk.commands.answers["deliveries"] = Said(2, [], ["Error: --since: write ISO 8601"])
    status, page = await desk.browser.get("/webhooks/acme/ep-1?since=x")
    assert (status, "write ISO 8601" in page) == (409, True)


@pytest.mark.parametrize(("code", "status"), [(1, 409), (2, 409), (4, 200)])
async def test_what_was_not_looked_at_is_not_told_as_nothing(desk: Bench, code: int, status: int) -> None:
    desk.commands.answers["trace"] = Said(code, [], ["sessions: could not be read (EndpointConnectionError)"])
    found, page = await desk.browser.get("/find?id=m-1&hours=9999")
    assert (found, "not everything was looked at" in page, "Nothing is known" in page) == (status, True, False)
    desk.commands.answers["deliveries"] = Said(code, [], ["Error: AWS cannot be asked"])
    _, page = await desk.browser.get("/webhooks/acme/ep-1")
    assert ("Nothing was read" in page, "No attempt in that time" in page) == (True, False)


async def test_pages_that_look_take_turns_and_an_order_waits_for_none(desk: Bench) -> None:
    at_once: list[int] = []
    running, full, go = 0, asyncio.Event(), asyncio.Event()

    async def ask(*arguments: str, stdin: str = "") -> Said:
        nonlocal running
        running += 1
        at_once.append(running)
        if running == LOOKS_AT_ONCE:
            full.set()
        if arguments[0] == "sessions":
            await go.wait()
        running -= 1
        return Said(3)

    desk.commands.answers["show"] = Said(0, [DELIVERY])
    page = await desk.browser.page("/webhooks/acme/ep/msg_1")
    desk.commands.ask = ask  # type: ignore[method-assign]  # one that takes its time
    many = [asyncio.create_task(desk.browser.get(f"/sessions/s-{number}")) for number in range(LOOKS_AT_ONCE + 3)]
    await full.wait()
    assert (await desk.browser.send(page, "/webhooks/acme/ep/msg_1/resend", reason="so"))[0] == 409
    go.set()
    assert {each[0] for each in await asyncio.gather(*many)} == {404}
    assert max(at_once) == LOOKS_AT_ONCE + 1


async def test_what_no_program_can_be_given_is_a_400_and_no_fault(desk: Bench) -> None:
    desk.commands.ask = Processes({}).ask  # type: ignore[method-assign]  # the real one, which refuses before it starts anything
    for path in ("/find?id=a%00b", "/sessions/a%00b", "/reminders/acme/%00", "/webhooks/acme/ep?since=%00"):
        status, page = await desk.browser.get(path)
        assert (status, "NUL" in page) == (400, True)


@pytest.mark.parametrize(
    ("path", "document", "shown"),
    [
        ("/sessions/s-1", {"status": "UPLOADED", "uploadKey": SECRET, "size": 7}, ["status", "UPLOADED"]),
        (
            "/reminders/acme/r-1",
            {"is_active": True, "channel": "push", "body": SECRET, "occurrences": [{"due_at": "x", "status": "SENT"}]},
            ["is_active", "True"],
        ),
    ],
)
async def test_a_life_is_shown_without_what_a_customer_wrote(
    desk: Bench, path: str, document: dict[str, object], shown: list[str]
) -> None:
    desk.commands.answers["show"] = Said(0, [document])
    page = await desk.browser.page(path)
    assert shown in cells(page, "What is known of it")
    assert SECRET not in page
    desk.commands.answers["show"] = Said(3, [], ["Error: there is none"])
    status, page = await desk.browser.get(path)
    assert (status, "there is none" in unescape(page)) == (404, True)


async def test_an_archive_is_read_only_when_it_is_asked_for_and_a_row_is_not_shown(looking: Bench) -> None:
    looking.commands.answers["prove"] = Said(0, [{"index": 41, "path": ["a", "b"], "row": SECRET}])
    page = await looking.browser.page("/archive/e%2F1")
    assert looking.commands.asked == []
    status, page = await looking.browser.send(page, "/archive/e%2F1")
    assert (status, looking.commands.asked) == (200, [("archive", "prove", "--", "e/1")])
    assert ["Row of the tree", "41"] in cells(page, "It is there")
    assert SECRET not in page
    looking.commands.answers["prove"] = Said(1, [], ["Error: no row of this event"])
    status, page = await looking.browser.send(page, "/archive/e%2F1")
    assert (status, "no row of this event" in page) == (409, True)


def test_a_document_over_many_lines_is_one() -> None:
    assert _documents(b'{\n "index": 1\n}\n') == [{"index": 1}]
    assert _documents(b'{"a": 1}\n{"b": 2}\nwords\n') == [{"a": 1}, {"b": 2}]


async def test_a_page_that_is_opened_again_and_again_asks_its_command_once_and_too_many_are_told_to_come_back(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.console.state.MOST_LOOKS", 2)
    answer, asked = asyncio.Event(), list[tuple[str, ...]]()

    async def slow(*arguments: str, stdin: str = "") -> Said:
        asked.append(arguments)
        await answer.wait()
        return Said(0, [], ["looked"])

    desk.commands.ask = slow  # type: ignore[method-assign]  # a command that takes its time
    waiting = [asyncio.create_task(desk.browser.get("/find?id=m-1")) for _ in range(5)]
    waiting.append(asyncio.create_task(desk.browser.get("/find?id=m-2")))
    await until(lambda: len(asked) == 2, seconds=5, what="both commands")
    status, page = await desk.browser.get("/find?id=m-3")
    assert (status, "open this one again in a moment" in page) == (503, True)
    answer.set()
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 6
    assert len(asked) == 2
    assert desk.console.looking == {}


async def test_letters_whose_bodies_were_not_kept_are_found_by_their_own_id_and_the_page_says_what_was_not_searched(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "letters: not looked at, no queue was read here" in await desk.browser.page("/find?id=m-11")
    monkeypatch.setattr("fleet.console.inventories.ROOM", 20)
    await desk.read()
    kept = len(desk.console.inventories.looks[QUEUE].letters)
    page = await desk.browser.page("/find?id=m-11")
    assert f'<a href="/queues/{QUEUE}/letters/m-11">letter m-11 in {QUEUE}</a>' in page
    assert f"of {12 - kept} their ids alone: their bodies were not kept" in page
