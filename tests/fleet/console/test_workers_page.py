"""The page of workers says what `fleet workers` says, and gives orders as the command line gives them."""

from fleet.cli.workers.look import document
from fleet.console.commands import Said
from fleet.console.state import READ_ONLY
from shared.container.controls import Orders
from shared.container.heartbeat import Beat
from tests.fleet.console.fakes import Bench
from tests.fleet.console.test_looks import HOSTILE, cells

NOW = 1_000_000.0


def said() -> Said:
    heard: tuple[Beat, ...] = (
        Beat("host:7", NOW - 12, "0.1.0", NOW - 3, (f"sessions {HOSTILE}",)),
        Beat("host:8", NOW - 500, "0.1.0"),
    )
    heard += (Beat("host:9", NOW - 501, "0.1.0", has_ended=True),)
    orders = Orders(paused=True, rate=20.0, number="1")
    following = frozenset({"host:7"})
    lives = document("webhook-delivery", orders, heard, now=NOW, following=following, unreadable="")
    quiet = document(
        "audit-archive", Orders(paused=True, number="1"), (), now=NOW, following=frozenset(), unreadable=""
    )
    return Said(0, [lives, quiet])


async def test_workers_are_shown_with_heartbeat_version_breakers_and_orders(looking: Bench) -> None:
    looking.commands.answers["workers"] = said()
    page = await looking.browser.page("/workers")
    rows = cells(page, "Containers of webhook-delivery")
    assert rows[0][:5] == ["host:7", "12 s ago", "0.1.0", "3 s ago", "yes"]
    assert "alert(1)" in rows[0][5]
    assert "<img" not in page
    assert rows[1][1].startswith("8 min ago silent")
    assert rows[1][4] == "not yet"
    assert (rows[2][1], rows[2][4]) == ("8 min ago ended", "")
    assert page.count("No container that is heard of follows these orders yet") == 1
    assert "Paused" in page
    assert "rate 20 a second" in page
    assert "No heartbeat of a container" in page
    assert READ_ONLY in page


async def test_an_order_is_the_command_of_the_command_line_with_its_reason(desk: Bench) -> None:
    desk.commands.answers |= {"workers": said(), "limit": Said(0), "pause": Said(5, [], ["Error: the log is damaged"])}
    page = await desk.browser.page("/workers")
    desk.commands.asked.clear()
    sent = {"act": "limit", "rate": "--yes", "reason": " a\nstorm "}
    status, _ = await desk.browser.send(page, "/workers/webhook-delivery", **sent)
    assert (status, desk.commands.asked[0]) == (
        200,
        ("limit", "--rate=--yes", "--no-wait", "--reason=a storm", "--", "webhook-delivery"),
    )
    page = await desk.browser.page("/workers")
    status, text = await desk.browser.send(page, "/workers/audit-archive", act="pause", reason="so")
    assert (status, "the log is damaged" in text) == (409, True)


async def test_what_is_no_order_or_has_no_reason_is_refused(desk: Bench) -> None:
    desk.commands.answers["workers"] = said()
    for path, fields, expected in (
        ("/workers/webhook-delivery", {"act": "pause", "reason": " "}, 400),
        ("/workers/webhook-delivery", {"act": "dlq", "reason": "so"}, 400),
        ("/workers/webhook-delivery", {"act": "pause", "reason": "so", "form": "x"}, 403),
    ):
        page = await desk.browser.page("/workers")
        assert (await desk.browser.send(page, path, **fields))[0] == expected
    assert (await desk.browser.post("/workers/nobody", [("act", "pause")]))[0] == 404
    assert {each[0] for each in desk.commands.asked} == {"workers"}


async def test_a_console_that_only_looks_gives_no_order_and_writes_down_who_tried(looking: Bench) -> None:
    looking.commands.answers["workers"] = said()
    page = await looking.browser.page("/workers")
    status, _ = await looking.browser.send(page, "/workers/webhook-delivery", act="pause", reason="so")
    assert status == 403
    [record] = looking.audit()
    assert [record[name] for name in ("command", "queue", "outcome")] == ["pause", "webhook-delivery", "refused"]
    assert {each[0] for each in looking.commands.asked} == {"workers"}
