"""Which names and types a form may be made of."""

import pytest

from workers.upload_notification.client import WrongField, checked_key

NAMES = [
    "Screenshot 2026-11-28 at 1.00.00\u202fPM.png",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "\U0001fae9 of a newer Unicode.png",
    "a\xa0b\u3000c.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_as_computers_give_it_is_a_key(name: str) -> None:
    assert checked_key("s1", name, allowed=(), content_type="", sha256="") == f"session-uploads/s1/{name}"


@pytest.mark.parametrize("name", ["x\0", "x\x85y", "x\u2028y", "x\ud800", "x\uffff"])
def test_a_control_or_what_no_message_carries_is_in_no_name(name: str) -> None:
    with pytest.raises(WrongField, match=r"^name: "):
        checked_key("s1", name, allowed=(), content_type="", sha256="")


def test_a_type_is_the_sessions_whatever_stands_behind_it() -> None:
    allowed = ("image/*", "text/csv")
    for kind in ("text/csv; charset=utf-8", "image/png", "image/PNG"):
        assert checked_key("s1", "a", allowed=allowed, content_type=kind, sha256="")
    with pytest.raises(WrongField, match="contentType: "):
        checked_key("s1", "a", allowed=allowed, content_type="image/svg+xml; charset=utf-8", sha256="")
