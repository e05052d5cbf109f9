"""A head that is compared with an earlier one is read as a look at all of it would read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.aws.answers.head import form_of, is_last, length_of

LINES = [
    b"Content-Type: application/x-amz-json-1.0",
    b"Content-Type: text/html",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"Upgrade: h2c",
    b"content-length: 7",
    b"Date: Thu, 26 Nov 2026 21:00:01 GMT",
    b"x-amzn-RequestId: a\r\nTransfer-Encoding: chunked",
    b"x-amzn-RequestId: a\r\n folded",
    b"x-amzn-RequestId: a\rb",
    b"x-amz-crc32: 1",
    b"X: y",
    b"no header",
]
HEAD = [
    b"HTTP/1.1 200 OK",
    b"Content-Type: application/x-amz-json-1.0",
    b"Content-Length: 2",
    b"x-amzn-RequestId: 12345678-1234-1234-1234-123456789012",
    b"Date: Thu, 26 Nov 2026 21:00:00 GMT",
    b"Connection: keep-alive",
]


def joined(*lines: bytes) -> bytes:
    return b"\r\n".join(lines)


def length(head: bytes) -> int | None:
    return length_of(head, head.lower(), is_bodiless=False)


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        (b"X: y", False),
        (b"Connection: keep-alive\r\nKeep-Alive: timeout=5", False),
        (b"Connection:Keep-Alive ", False),
        (b"Connection: close", True),
        (b"Connection: close\r\nKeep-Alive: timeout=5", True),
        (b"Proxy-Connection: keep-alive\r\nconnection:close", True),
        (b"Connection: keep-alive\r\nConnection: close", True),
        (b"Connection: keep-alive, close", True),
    ],
)
def test_a_connection_ends_where_that_is_said_whatever_else_is(lines: bytes, ends: bool) -> None:  # noqa: FBT001  # as listed
    assert is_last(joined(HEAD[0], lines, b"Content-Length: 2").lower()) is ends
    assert is_last(joined(HEAD[0], lines).lower()) is ends


def test_the_length_the_time_and_the_ids_may_be_others() -> None:
    later = [
        b"Content-Length: 12345",
        b"x-amzn-RequestId: 9",
        b"Date: Fri, 27 Nov 2026 01:02:03 GMT",
    ]
    found = form_of(joined(*HEAD)).fullmatch(joined(*HEAD[:2], *later, HEAD[-1]))
    assert found is not None
    assert int(found[1]) == 12345


@given(data=some.data())
def test_no_other_head_passes_for_one_like_it(data: some.DataObject) -> None:
    lines = [*HEAD]
    for _ in range(data.draw(some.integers(1, 3))):
        place = data.draw(some.integers(1, len(lines)))
        lines[place : place + data.draw(some.integers(0, 1))] = data.draw(
            some.lists(some.sampled_from(LINES), max_size=2)
        )
    lines[0] = data.draw(
        some.sampled_from([HEAD[0], b"HTTP/1.1 204 No Content", b"HTTP/1.1 500 X", b"HTTP/1.0 200 OK"])
    )
    other = joined(*lines)
    found = form_of(joined(*HEAD)).fullmatch(other)
    if found is not None:
        assert length(other) == int(found[1])
        names = [b"content-type:", b"connection:", b"http/1.1 200"]
        told = [line.lower() for line in other.split(b"\r\n")]
        assert all(line.lower() in told for line in HEAD if line.lower().startswith(tuple(names)))
