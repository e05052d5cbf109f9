"""What becomes of an announcement when the browser's connection does not take it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.outcome import Contended, Dead, Stalled, Unavailable
from shared.road.failure.verdict import judge
from tests.made import make_worker
from tests.workers.upload_notification.fakes import NOON, FakeSessions, finished, removed, row
from tests.workers.upload_notification.world import World, gone, scripted
from workers.upload_notification.conclusion import BUSY_SECONDS, ROUNDS, BrowserBusy, WebSocketForbidden
from workers.upload_notification.event import UploadEvents
from workers.upload_notification.handler import handle
from workers.upload_notification.ports import Answer, Busy, Forbidden, Malformed, Posted, TooLarge

WAITING = row(wsConnectionId="browser", tenantId="acme")


async def test_a_gone_connection_costs_one_call_and_is_forgotten() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=gone("browser"))
    await world.handle(finished())

    assert [connection for connection, _ in world.posts] == ["browser"]
    assert "wsConnectionId" not in world.store.rows["s1"]
    assert world.store.rows["s1"]["announcedSequencer"] == finished().order


async def test_a_browser_that_reconnected_meanwhile_is_told_at_its_new_connection() -> None:
    store = FakeSessions(dict(WAITING))

    def answer(connection: str) -> Answer:
        store.rows["s1"]["wsConnectionId"] = "newer"
        return gone("browser")(connection)

    world = World(store, answers=answer)
    await world.handle(finished())

    assert [connection for connection, _ in world.posts] == ["browser", "newer"]
    assert store.rows["s1"]["wsConnectionId"] == "newer"


async def test_a_browser_that_reconnects_for_ever_is_tried_again_later() -> None:
    store = FakeSessions(dict(WAITING))

    def answer(connection: str) -> Answer:
        store.rows["s1"]["wsConnectionId"] = f"{connection}+"
        return gone(connection)(connection)

    world = World(store, answers=answer)
    with pytest.raises(Contended, match="reconnecting"):
        await world.handle(finished())


def reconnecting(store: FakeSessions, *connections: str) -> Callable[[str], Answer]:
    """Each post is taken by a connection whose browser has another by then."""
    coming = iter(connections)

    def answer(_connection: str) -> Answer:
        if newer := next(coming, ""):
            store.rows["s1"]["wsConnectionId"] = newer
        return Posted()

    return answer


async def test_a_browser_that_connects_anew_after_a_post_and_before_its_mark_is_told_again() -> None:
    store = FakeSessions(dict(WAITING))
    world = World(store, answers=reconnecting(store, "newer", "newest"))
    await world.handle(finished())

    assert [connection for connection, _ in world.posts] == ["browser", "newer", "newest"]
    assert len(world.events) == 1
    assert store.rows["s1"]["announcedSequencer"] == finished().order
    assert "announceUntil" not in store.rows["s1"]


async def test_a_browser_that_leaves_after_a_post_is_not_waited_for() -> None:
    store = FakeSessions(dict(WAITING))

    def answer(_connection: str) -> Answer:
        del store.rows["s1"]["wsConnectionId"]
        return Posted()

    world = World(store, answers=answer)
    await world.handle(finished())
    assert (len(world.posts), world.counts["announced"]) == (1, 1)


async def test_a_browser_that_connects_anew_after_each_post_is_told_later_and_the_bus_once() -> None:
    store = FakeSessions(dict(WAITING))
    world = World(store, answers=reconnecting(store, *(f"c{place}" for place in range(ROUNDS))))
    with pytest.raises(Contended, match="reconnecting"):
        await world.handle(finished())
    assert "announceUntil" not in store.rows["s1"], "whoever comes next need not wait for the lease"
    await world.handle(finished())
    assert (world.posts[-1][0], len(world.events)) == (f"c{ROUNDS - 1}", 1)


async def test_a_browser_that_connects_anew_while_the_bus_fails_is_told_when_it_does_not() -> None:
    store = FakeSessions(dict(WAITING))
    world = World(store, answers=reconnecting(store, "newer"))
    failing = replace(world.ports(), put_event=broken)
    with pytest.raises(Broken):
        await handle(UploadEvents((finished(),)), ports=failing)
    assert "announcedTo" not in store.rows["s1"]
    await world.handle(finished())
    assert [connection for connection, _ in world.posts] == ["browser", "newer"]


async def test_a_message_that_is_too_large_is_replaced_by_a_pointer() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=scripted(TooLarge(), Posted()))
    await world.handle(finished())

    (_, message), (_, pointer) = world.posts
    assert len(pointer) < len(message)
    assert world.counts["announced"] == 1


async def test_a_pointer_that_is_too_large_is_not_posted_again_at_once() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=scripted(TooLarge(), TooLarge()))
    with pytest.raises(Unavailable, match="413 to a pointer"):
        await world.handle(finished())
    assert (len(world.posts), len(world.events)) == (2, 1)


async def test_a_busy_connection_waits_without_a_run_and_the_bus_does_not_wait_for_it() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=scripted(Busy(), Busy(), Posted()))

    for _ in range(2):
        with pytest.raises(Contended) as objection:
            await world.handle(finished())
        assert objection.value.after == 30
    await world.handle(finished())

    assert (world.counts, world.store.moves) == ({"announced": 1}, 1)
    assert (len(world.events), len(world.messages)) == (1, 1)
    assert not {"busySince", "announcedTo"} & world.store.rows["s1"].keys()


async def test_a_browser_that_takes_nothing_for_a_quarter_of_an_hour_is_left_to_look_at_its_session() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=lambda _: Busy())
    while world.time < NOON + timedelta(seconds=BUSY_SECONDS):
        with pytest.raises(Contended):
            await world.handle(finished())
        world.time += timedelta(seconds=30)
    await world.handle(finished())

    assert (world.counts["browser_busy"], world.counts["announced"], len(world.events)) == (1, 1, 1)
    assert world.store.rows["s1"]["announcedSequencer"] == finished().order


async def test_a_connection_id_that_is_none_costs_one_post_and_is_forgotten() -> None:
    world = World(FakeSessions(dict(WAITING)), answers=scripted(Malformed()))
    await world.handle(finished())

    assert (len(world.posts), world.counts["connection_malformed"], world.counts["announced"]) == (1, 1, 1)
    assert "wsConnectionId" not in world.store.rows["s1"]


class Broken(Exception):
    pass


async def broken(_entry: object) -> None:
    raise Broken


async def test_a_broken_websocket_api_keeps_no_webhook_waiting_and_the_bus_is_told_once() -> None:
    troubles = iter([Broken(), Broken()])

    def answer(_connection: str) -> Answer:
        for trouble in troubles:
            raise trouble
        return Posted()

    world = World(FakeSessions(dict(WAITING)), answers=answer)
    for _ in range(2):
        with pytest.raises(Broken):
            await world.handle(finished())
        assert (len(world.events), len(world.messages)) == (1, 0)
    await world.handle(finished())

    assert (len(world.events), len(world.messages)) == (1, 1)


async def test_a_forbidden_post_is_a_fault_of_configuration_and_nobody_is_told_before() -> None:
    answers = scripted(Forbidden(), Forbidden(), Posted())
    world = World(FakeSessions(dict(WAITING)), answers=answers)

    for _ in range(2):
        with pytest.raises(WebSocketForbidden, match="check WS_API_ENDPOINT"):
            await world.handle(finished())
        found = world.store.rows["s1"]
        assert (found["status"], found["wsConnectionId"]) == ("UPLOADED", "browser")
        assert not {"announcedSequencer", "announcedTo", "announceUntil"} & found.keys()
        assert world.events == []

    await world.handle(finished())
    assert (len(world.events), len(world.messages), world.store.moves) == (1, 1, 1)
    assert world.counts == {"websocket_forbidden": 2, "announced": 1}


def test_a_forbidden_post_is_tried_until_the_last_receipt_and_then_buried_with_what_to_mend() -> None:
    fault = WebSocketForbidden("check WS_API_ENDPOINT")

    assert judge(fault, worker=make_worker(), run=5, attempt=5) == Stalled(fault.why), "no run of the message's"
    last = judge(fault, worker=make_worker(), run=5, attempt=100)
    assert isinstance(last, Stalled)
    buried = last.unless_kept
    assert isinstance(buried, Dead)
    assert (buried.error_type, buried.message) == ("WebSocketForbidden", "check WS_API_ENDPOINT")


PAST = int(NOON.timestamp()) - 1


@pytest.mark.parametrize("trouble", ["browser", "bus"])
async def test_a_verdict_that_one_was_told_in_time_is_told_to_the_other_and_written_after_it(trouble: str) -> None:
    found = WAITING | {"maxBytes": 10}
    world = World(FakeSessions(found), answers=scripted(*[Busy()] * (trouble == "browser"), Posted()))
    ports = replace(world.ports(), put_event=broken) if trouble == "bus" else world.ports()
    with pytest.raises((BrowserBusy, Broken)):
        await handle(UploadEvents((finished(),)), ports=ports)
    world.store.rows["s1"]["expiresAt"] = PAST

    await world.handle(finished("09", name="late.jpg"), removed("0a"))
    assert (world.counts, world.store.rows["s1"]["status"]) == ({"expired": 2}, "UPLOADED")
    await world.handle(finished())
    assert world.store.rows["s1"]["status"] == "COMPLETE"
    assert ([each["status"] for each in world.events], len(world.messages)) == (["COMPLETE"], 1)


async def test_what_nobody_was_told_of_expires() -> None:
    world = World(FakeSessions(WAITING | {"maxBytes": 10}), answers=scripted(Forbidden()))
    with pytest.raises(WebSocketForbidden):
        await world.handle(finished())
    world.store.rows["s1"]["expiresAt"] = PAST
    await world.handle(finished())
    assert (world.store.rows["s1"]["status"], world.events) == ("EXPIRED", [])
