"""What a file is, from its first bytes."""

import time

from hypothesis import given
from hypothesis import strategies as st

from tests.traced import allowed
from tests.workers.upload_notification.content.samples import GIF, JPEG, MIXED, SAMPLES, STILL, SVG, WEBP
from workers.upload_notification.content.sniff import HEAD, Found, sniff

WHOLE = [(kind, data) for kind, data in SAMPLES if kind != "image/svg+xml"]


def test_every_sample_is_what_it_is() -> None:
    assert len({kind for kind, _ in SAMPLES}) >= 60
    for kind, data in SAMPLES:
        assert sniff(data, size=len(data)) == Found(kind), data[:40]


def test_the_rest_of_a_long_file_changes_nothing() -> None:
    for kind, data in WHOLE:
        rest = b"a" if kind.startswith("text/") or b"xml" in kind.encode() else b"\xfe"
        head = data + rest * (HEAD - len(data))
        if kind not in {"application/zip", "application/octet-stream"}:
            assert sniff(head, size=10**9).type == kind, data[:40]


def test_what_is_two_things_at_once_is_mixed() -> None:
    for what, kind, data in MIXED:
        assert sniff(data, size=len(data)) == Found(kind, is_mixed=True), what


def test_what_only_looks_like_it_is_not_mixed() -> None:
    for inner in STILL:
        found = SVG.replace(b"<circle", inner + b"<circle")
        assert sniff(found, size=len(found)) == Found("image/svg+xml"), inner
    for kind, data in (("image/jpeg", JPEG), ("image/gif", GIF), ("image/webp", WEBP)):
        comment = data + b"made // by hand <?=\0\n or <b>not</b>, on = 1 /* */"
        assert sniff(comment, size=len(comment)) == Found(kind)
    text = b"# Hi\n<img src='a.png'>, <3 on=2\n"
    assert sniff(text, size=len(text)) == Found("text/plain")


def test_an_svg_of_which_not_all_was_looked_at_may_hold_a_script() -> None:
    assert not sniff(SVG, size=len(SVG)).is_mixed
    assert sniff(SVG, size=len(SVG) + 1).is_mixed


def test_a_text_whose_last_character_is_cut_is_a_text() -> None:
    text = ("a" * (HEAD - 2) + "写真").encode()[:HEAD]
    assert sniff(text, size=HEAD + 5) == Found("text/plain")
    assert sniff("写真".encode()[:-1], size=5) == Found("application/octet-stream")


@given(start=st.sampled_from([data for _, data in SAMPLES]) | st.just(b""), cut=st.integers(0, 100), rest=st.binary())
def test_whatever_the_bytes_they_are_something(start: bytes, cut: int, rest: bytes) -> None:
    data = start[: len(start) - cut] + rest
    assert "/" in sniff(data, size=len(data)).type


HOSTILE = [
    *(
        b"<",
        b"<!---->",
        b"<!-- ",
        b"<?xml ?>",
        b"<?xml",
        b"<!doctype svg ",
        b" ",
        b"onabc ",
        b"on",
        b"<a on",
        b"<a onabc ",
        b'href="',
        b'href="a\n',
        b"<x:",
        b"PK\x03\x04",
        b"%PDF-",
        b"\xf0",
    ),
    *(
        b"<svg <!---->",
        b"<svg onabcdefghijklmnopqrstuv",
        b'<svg href="a\n',
        b'<svg attributename="a',
        b"GIF89a//",
        b"GIF89a/*",
        b"\x89PNG\r\n\x1a\n<",
        b"\0\0\x10\0ftypmif1",
        b'{"a":',
    ),
]


def test_a_look_costs_less_than_a_fifth_of_a_millisecond_of_cpu() -> None:
    heads = [(data + b" " * HEAD)[:HEAD] for _, data in SAMPLES]
    assert min(_seconds(heads) for _ in range(3)) / len(heads) <= allowed(0.0002)
    spread = [b'<svg href="a' + b"\t" * HEAD, b"<?xml ?><a x='http://www.w3.org/2000/svg' href='a" + b"\n" * HEAD]
    for part in (*HOSTILE, *spread):
        head = (part * HEAD)[:HEAD]
        assert min(_seconds([head]) for _ in range(25)) <= allowed(0.001), part


def _seconds(heads: list[bytes]) -> float:
    began = time.thread_time()
    for head in heads:
        sniff(head, size=HEAD)
    return time.thread_time() - began
