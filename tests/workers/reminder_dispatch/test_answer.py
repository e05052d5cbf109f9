"""What each answer of Expo's, and of whatever stands before it, means for whom."""

from collections import deque

import pytest

from tests.workers.reminder_dispatch.expo_server import ExpoServer, Scripted
from tests.workers.reminder_dispatch.test_expo import note, notes, playing, pushed, recorded
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused

FOREIGN = b"<html>Bad Request</html>"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (recorded("too-many-requests", 429), Busy("Expo: TOO_MANY_REQUESTS")),
        (recorded("too-many-requests", 200), Busy("Expo: TOO_MANY_REQUESTS")),
        (Scripted(429), Busy("Expo: 429")),
        (Scripted(500, b"oops"), Busy("Expo: 500")),
        (Scripted(503), Busy("Expo: 503")),
        (Scripted(502, b"<html>", cut_body=True), Busy("Expo: 502", unsure=True)),
        (recorded("unauthorized", 401), Misconfigured("Expo: UNAUTHORIZED")),
        (recorded("unauthorized", 200), Misconfigured("Expo: UNAUTHORIZED")),
        (Scripted(403), Misconfigured("Expo: 403")),
        (Scripted(404), Misconfigured("Expo: 404")),
        (Scripted(302), Misconfigured("Expo: 302")),
        *((Scripted(status, b"<html>"), Misconfigured(f"Expo: {status}")) for status in (402, 405, 407, 410, 421, 451)),
        *((Scripted(status, b"<html>"), Busy(f"Expo: {status}")) for status in (400, 408, 413, 422, 425)),
        (Scripted(409, b'{"errors":[{"code":"CONFLICT"}]}'), Refused("Expo: CONFLICT")),
        (Scripted(400, b'{"errors":[{"code":{"of":"a reader"}}]}'), Busy("Expo: 400")),
        (Scripted(400, b'{"errors":[{"code":"VALIDATION_ERROR"}]}'), Refused("Expo: VALIDATION_ERROR")),
        (Scripted(200, b'{"errors":[{"code":"VALIDATION_ERROR"}]}'), Refused("Expo: VALIDATION_ERROR")),
        (Scripted(drop=True), Lost("no answer from Expo")),
        (Scripted(200, b"", cut_body=True), Lost("unreadable answer from Expo")),
        (Scripted(200, b"<html>"), Lost("unreadable answer from Expo")),
        (Scripted(200, b"[]"), Lost("unreadable answer from Expo")),
        (Scripted(200, b'{"data":"ok"}'), Lost("unreadable answer from Expo")),
        (Scripted(200, b'{"data":[]}'), Lost("tickets and recipients differ in number")),
        (Scripted(200, b'{"data":[{"status":"ok","id":"1"},{"status":"ok","id":"2"}]}'), Lost("tickets and recipients differ in number")),
        (Scripted(200, b'{"data":["ok"]}'), Lost("unreadable ticket")),
        (Scripted(200, b'{"data":[{"status":"ok"}]}'), Accepted("")),
        *((Scripted(200, b'{"data":[{"status":"ok","id":%s}]}' % odd), Accepted("")) for odd in (b"null", b"7", b'""')),
        (Scripted(200, b'{"data":[{"status":"ok","id":"%s"}]}' % (b"x" * 257)), Accepted("")),
        (Scripted(200, b'{"data":[{"status":"error"}]}'), Refused("no code")),
        (Scripted(200, b'{"data":[{"status":"error","details":{"error":{"of":"a reader"}}}]}'), Refused("no code")),
        (Scripted(200, b'{"data":[{"status":"error","details":{"error":"%s"}}]}' % (b"x" * 65)), Refused("no code")),
        (Scripted(200, b'{"data":[{"status":"error","details":{"error":"InvalidCredentials"}}]}'), Refused("InvalidCredentials")),
        (Scripted(200, b'{"data":[{"status":"error","details":{"error":"MessageRateExceeded"}}]}'), Busy("Expo: MessageRateExceeded", of="message")),
    ],
)  # fmt: skip
async def test_every_answer_means_one_thing(reply: Scripted, expected: Answer) -> None:
    assert await pushed(playing(reply), notes(1)) == [expected]


@pytest.mark.parametrize("status", [400, 422])
async def test_what_something_before_expo_says_of_all_is_the_channels_fault_after_few_requests(status: int) -> None:
    server = ExpoServer(script=deque([Scripted(status, FOREIGN)] * 300))
    answers = await pushed(server, notes(100))
    assert answers == [Busy(f"Expo: {status}")] * 100
    assert [len(request) for request in server.requests] == [100, 50, 25, 12, 6, 3, 1]


async def test_what_something_before_expo_says_of_one_is_that_ones_fault_and_ends_no_other() -> None:
    server = ExpoServer(foreign=frozenset({note(37).token}))
    answers = await pushed(server, notes(100))
    assert answers[37] == Busy("Expo: 400", of="message")
    assert len(server.accepted) == 99
