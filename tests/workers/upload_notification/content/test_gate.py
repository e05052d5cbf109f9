"""Whether a session takes a file."""

import pytest

from tests.workers.upload_notification.content.samples import JPEG, MIXED, SAMPLES, SVG
from workers.upload_notification.content.gate import Complete, Gate, Rejected, judge_size, judge_type
from workers.upload_notification.content.sniff import Found, sniff

PICTURES = Gate(("image/*",))


@pytest.mark.parametrize(
    ("size", "gate", "verdict"),
    [
        (0, None, Rejected("empty")),
        (0, Gate(least=0), Rejected("empty")),
        (1, None, None),
        (9, Gate(least=10), Rejected("too_small")),
        (10, Gate(least=10, most=10), None),
        (11, Gate(most=10), Rejected("too_large")),
    ],
)
def test_a_size_is_judged_by_what_the_session_allows(size: int, gate: Gate | None, verdict: Rejected | None) -> None:
    assert judge_size(size, gate) == verdict


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("image/jpeg", "image/jpeg"),
        ("image/jpeg", " IMAGE/JPG "),
        ("image/heic", "image/heif"),
        ("audio/x-wav", "audio/wav"),
        ("text/plain", "text/csv"),
        ("text/plain", "application/json"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/avif", "image/*"),
        ("image/apng", "image/png"),
        ("audio/webm", "video/webm"),
        ("audio/webm", "audio/*"),
        ("video/ogg", "video/*"),
        ("application/x-rar-compressed", "application/vnd.rar"),
    ],
)
def test_a_type_is_allowed_by_its_names(kind: str, allowed: str) -> None:
    assert judge_type(Found(kind), Gate(("application/pdf", allowed))) == Complete(kind)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("text/html", "text/plain"),
        ("text/html", "image/*"),
        ("image/svg+xml", "image/*"),
        ("image/heif", "image/heic"),
        ("image/png", "image/apng"),
        ("video/webm", "audio/webm"),
        ("application/zip", "application/java-archive"),
        ("application/octet-stream", "image/jpeg"),
        ("image/jpeg", "image/"),
    ],
)
def test_any_other_type_is_a_mismatch(kind: str, allowed: str) -> None:
    assert judge_type(Found(kind), Gate((allowed,))) == Rejected("content_mismatch", kind)


def test_of_all_samples_a_session_for_pictures_takes_the_pictures() -> None:
    for kind, data in SAMPLES:
        taken = isinstance(judge_type(sniff(data, size=len(data)), PICTURES), Complete)
        assert taken == (kind.startswith("image/") and data != SVG and kind != "image/svg+xml"), kind


def test_what_is_two_things_is_taken_for_neither() -> None:
    for what, kind, data in MIXED:
        assert judge_type(sniff(data, size=len(data)), Gate((kind,))) == Rejected("content_mismatch", kind), what
    assert judge_type(sniff(JPEG, size=len(JPEG)), Gate(("image/jpeg",))) == Complete("image/jpeg")
