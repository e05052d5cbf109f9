"""Expo's push API as the worker speaks it: what goes out, and what every answer means for every recipient."""

import asyncio
import gc
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest

from shared import Secret
from tests.workers.reminder_dispatch.expo_server import ExpoServer, Scripted
from tests.workers.reminder_dispatch.fakes import PUSHED
from workers.reminder_dispatch.channels.channel import (
    TOO_LATE,
    Accepted,
    Answer,
    Busy,
    Lost,
    Misconfigured,
    Note,
    Refused,
)
from workers.reminder_dispatch.channels.push.answer import LARGEST_ANSWER
from workers.reminder_dispatch.channels.push.expo import (
    COMPRESSED_ABOVE,
    LARGEST_PAYLOAD,
    Expo,
    open_session,
)
from workers.reminder_dispatch.channels.push.rate import RateCap

EVENTS = Path(__file__).parents[2] / "events"
FAR = datetime.max.replace(tzinfo=UTC)
DEAD = Refused("DeviceNotRegistered", dead=True)


def recorded(name: str, status: int = 200) -> Scripted:
    return Scripted(status, (EVENTS / f"expo-{name}.json").read_bytes())


def note(name: object, body: str = "It is time.", **fields: str) -> Note:
    return Note(PUSHED.format(name), "Tea", body, **fields)  # type: ignore[arg-type]  # the test names real fields


def notes(count: int) -> list[Note]:
    return [note(number) for number in range(count)]


@asynccontextmanager
async def speaking_to(server: ExpoServer, access_token: str | None = None) -> AsyncIterator[Expo]:
    async with server.serving() as url, open_session() as session:
        yield Expo(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", (access_token,) if access_token else ()))


async def pushed(server: ExpoServer, given: Sequence[Note], access_token: str | None = None) -> Sequence[Answer]:
    async with speaking_to(server, access_token) as expo:
        return await expo.push(given, until=FAR)


def playing(*script: Scripted | None) -> ExpoServer:
    return ExpoServer(deque(script))


async def test_250_notifications_are_three_requests_and_every_ticket_comes_back_to_its_recipient() -> None:
    server, given = ExpoServer(), notes(250)
    answers = await pushed(server, given)
    assert [len(request) for request in server.requests] == [100, 100, 50]
    assert answers == [Accepted(f"ticket of {one.token}") for one in given]


async def test_how_it_is_shown_goes_to_expo_as_it_was_asked_for() -> None:
    server = ExpoServer()
    shown = {"sound": "default", "badge": 0, "ttl": 3_600, "channelId": "doses", "collapseId": "tea"}
    await pushed(server, [Note(PUSHED.format("a"), "Tea", "", more=shown)])
    assert server.requests == [[{"to": "ExponentPushToken[a]", "title": "Tea", "body": "", **shown}]]


async def test_a_notification_says_what_the_reminder_says_and_no_empty_data() -> None:
    server = ExpoServer()
    await pushed(server, [Note(PUSHED.format("a"), "Tee", "Grüße 🎉", {"id": 7}), note("b")])
    assert server.requests == [
        [
            {"to": "ExponentPushToken[a]", "title": "Tee", "body": "Grüße 🎉", "data": {"id": 7}},
            {"to": "ExponentPushToken[b]", "title": "Tea", "body": "It is time."},
        ]
    ]


async def test_large_requests_are_compressed_and_small_ones_are_not() -> None:
    server = ExpoServer()
    await pushed(server, [note("a")])
    await pushed(server, [note("a", "x" * COMPRESSED_ABOVE)])
    assert [headers.get("Content-Encoding") for headers in server.headers] == [None, "gzip"]
    assert server.requests[1][0]["body"] == "x" * COMPRESSED_ABOVE


async def test_the_access_token_is_shown_where_there_is_one() -> None:
    server = ExpoServer(access_token="secret")
    assert await pushed(server, notes(1), "secret") == [Accepted("ticket of ExponentPushToken[0]")]
    assert server.headers[0]["Authorization"] == "Bearer secret"


async def test_without_a_valid_access_token_nothing_more_is_tried() -> None:
    server = ExpoServer(access_token="secret")
    assert await pushed(server, notes(250), "wrong") == [Misconfigured("Expo: UNAUTHORIZED")] * 250
    assert len(server.requests) == 1
    assert "Authorization" not in (await headers_without_token())


async def test_a_token_that_was_rotated_is_read_again_and_the_notifications_go_out_once() -> None:
    async def read() -> tuple[str, ...]:
        return "new", "old"

    server = ExpoServer(access_token="new")
    async with server.serving() as url, open_session() as session:
        expo = Expo(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", ("old",), read=read))
        assert await expo.push(notes(250), until=FAR) == [Accepted(f"ticket of {one.token}") for one in notes(250)]
    assert [headers["Authorization"] for headers in server.headers] == ["Bearer old", *3 * ["Bearer new"]]
    assert len(server.accepted) == 250


@pytest.mark.parametrize("slip", ["to\nken", "token\n", "to\rken", "to\0ken"])
async def test_a_token_that_no_header_can_hold_is_as_a_refused_one(slip: str) -> None:
    server = ExpoServer(access_token="good")
    async with server.serving() as url, open_session() as session:
        both = Expo(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", (slip, "good")))
        assert await both.push(notes(1), until=FAR) == [Accepted("ticket of ExponentPushToken[0]")]
        alone = Expo(session, url=url, access_token=Secret("EXPO_ACCESS_TOKEN", (slip,)))
        assert await alone.push(notes(1), until=FAR) == [
            Misconfigured("EXPO_ACCESS_TOKEN: a control character is in it")
        ]
    assert [headers["Authorization"] for headers in server.headers] == ["Bearer good"]


async def headers_without_token() -> dict[str, str]:
    server = ExpoServer()
    await pushed(server, notes(1))
    return dict(server.headers[0])


async def test_a_device_that_is_gone_is_told_apart_from_its_neighbour() -> None:
    answers = await pushed(playing(recorded("tickets")), notes(2))
    assert answers == [DEAD, Accepted("0199a6c0-61f2-7c3e-9b8e-3f1d2a4b5c6d")]


@pytest.mark.parametrize(
    "token", ["ExponentPushToken[a-b_C]", "ExpoPushToken[x]", "F81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
)
async def test_all_three_forms_of_tokens_are_taken(token: str) -> None:
    server = ExpoServer()
    assert await pushed(server, [Note(token, "Tea", "")]) == [Accepted(f"ticket of {token}")]


@pytest.mark.parametrize(
    "token", ["", "fcm:abc", "ExponentPushToken[]", "ExponentPushToken[a]]", "ExponentPushToken[a"]
)
async def test_what_is_not_a_token_is_refused_without_a_request(token: str) -> None:
    server = ExpoServer()
    assert await pushed(server, [Note(token, "Tea", "")]) == [Refused("no Expo push token", known=True)]
    assert server.requests == []


async def test_a_payload_that_no_device_could_take_is_refused_without_a_request_and_alone() -> None:
    server = ExpoServer()
    room = LARGEST_PAYLOAD - len(orjson.dumps({"title": "Tea", "body": ""}))
    answers = await pushed(server, [note("a", "x" * room), note("b", "x" * (room + 1)), note("c", "ü" * room)])
    assert answers == [
        Accepted("ticket of ExponentPushToken[a]"),
        Refused("MessageTooBig", known=True),
        Refused("MessageTooBig", known=True),
    ]
    assert [len(request) for request in server.requests] == [1]


async def test_where_nobody_listens_the_request_was_surely_not_taken() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    async with open_session() as session:
        assert await Expo(session, url=url).push(notes(2), until=FAR) == [Busy("no connection to Expo")] * 2


async def test_an_answer_that_does_not_come_in_time_is_a_lost_request() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
            assert await Expo(session, url=url).push(notes(1), until=FAR) == [Lost("no answer from Expo")]


async def test_of_an_answer_that_is_too_long_only_the_status_counts() -> None:
    long = b'{"data":[{"status":"ok","id":"1"}]}'.rjust(LARGEST_ANSWER + 1)
    server = ExpoServer(script=deque([Scripted(body=long), Scripted(status=503, body=long), Scripted(body=long[1:])]))
    assert await pushed(server, notes(1)) == [Lost("unreadable answer from Expo")]
    assert await pushed(server, notes(1)) == [Busy("Expo: 503")]
    assert await pushed(server, notes(1)) == [Accepted("1")]


async def test_after_too_many_requests_the_rest_waits_too() -> None:
    server = playing(None, recorded("too-many-requests", 429))
    answers = await pushed(server, notes(250))
    assert [type(answer) for answer in answers] == [Accepted] * 100 + [Busy] * 150
    assert len(server.requests) == 2


@pytest.mark.parametrize("reply", [Scripted(drop=True), Scripted(504)])
async def test_after_a_request_that_may_have_been_taken_the_rest_is_surely_not_taken(reply: Scripted) -> None:
    server = playing(reply)
    answers = await pushed(server, notes(150))
    assert [isinstance(each, Busy) and not each.unsure for each in answers] == [False] * 100 + [True] * 50
    assert len(server.requests) == 1


async def test_a_request_of_two_projects_is_split_as_expo_says_and_sent_again() -> None:
    tokens = ["tea-1", "kefir-1", "tea-2"]
    server = playing(recorded("two-projects", 400))
    answers = await pushed(server, [note(one) for one in tokens])
    assert answers == [Accepted(f"ticket of {PUSHED.format(one)}") for one in tokens]
    assert [[message["to"] for message in request] for request in server.requests[1:]] == [
        [PUSHED.format("tea-1"), PUSHED.format("tea-2")],
        [PUSHED.format("kefir-1")],
    ]


async def test_a_notification_that_expo_does_not_understand_takes_no_other_along() -> None:
    poison = note(37)
    server = ExpoServer(poison=frozenset({poison.token}))
    given = notes(100)
    answers = await pushed(server, given)
    assert answers[37] == Refused("Expo: VALIDATION_ERROR")
    assert sorted(server.accepted) == sorted(
        one.token for one in given if one is not poison and one.token != poison.token
    )
    assert len(server.requests) <= 15


async def test_a_request_that_expo_finds_too_large_is_halved() -> None:
    server = playing(recorded("too-many-notifications", 400))
    assert all(isinstance(answer, Accepted) for answer in await pushed(server, notes(10)))
    assert [len(request) for request in server.requests] == [10, 5, 5]


async def test_nobody_to_push_to_makes_no_request() -> None:
    server = ExpoServer()
    assert await pushed(server, []) == []
    assert server.requests == []


async def test_a_share_of_the_rate_is_kept_by_each_project_and_by_each_request() -> None:
    server = ExpoServer()
    others = [note(f"b{number}", project="b") for number in range(30)]
    async with server.serving() as url, open_session() as session:
        expo = Expo(session, url=url, per_second=40)
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        found = await asyncio.gather(expo.push(notes(50), until=soon), expo.push(others, until=soon))
    assert [answers.count(TOO_LATE) for answers in found] == [10, 0], (
        "the first project has no room for more than its share, and the other does not wait"
    )
    assert sorted(map(len, server.requests)) == [30, 40]


async def test_projects_that_nobody_sends_to_any_more_are_forgotten() -> None:
    async with open_session() as session:
        expo = Expo(session, url="http://127.0.0.1:1/")
        soon = datetime.now(UTC) + timedelta(seconds=9)
        for number in range(300):
            async with expo.room(f"p{number}", 1, until=soon):
                pass
        assert sum(isinstance(each, RateCap) for each in gc.get_objects()) <= 3


async def test_what_is_kept_of_a_rate_is_not_forgotten() -> None:
    async with open_session() as session:
        expo = Expo(session, url="http://127.0.0.1:1/", per_second=1)
        soon = datetime.now(UTC) + timedelta(seconds=0.05)
        kept, other = expo.room("kept", 1, until=soon), expo.room("other", 1, until=soon)
        async with kept, other, expo.room("kept", 1, until=soon) as room:
            assert room is None
