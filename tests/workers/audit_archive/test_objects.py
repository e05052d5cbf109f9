"""What an object's bytes and metadata say."""

import gzip
import hashlib
from collections.abc import Mapping

import pytest

from tests.workers.audit_archive.fakes import row
from workers.audit_archive.store.archive import is_fence
from workers.audit_archive.store.objects import FENCE, pack, summary


def test_packing_the_same_rows_in_any_order_gives_the_same_bytes() -> None:
    assert pack([row("e1"), row("e2")]) == pack([row("e2"), row("e1")])


def test_a_fence_is_an_empty_file_that_can_be_read() -> None:
    assert gzip.decompress(FENCE.body) == b""
    assert hashlib.sha256(b"").hexdigest() == FENCE.metadata["sha256"]
    assert is_fence(FENCE.metadata)
    assert not is_fence(pack([row()]).metadata)


@pytest.mark.parametrize("metadata", [{}, {"sha256": "x"}, {"sha256": "x", "rows": "many"}])
def test_metadata_of_a_stranger_says_nothing(metadata: Mapping[str, str]) -> None:
    assert summary(metadata) is None
    assert not is_fence(metadata)
