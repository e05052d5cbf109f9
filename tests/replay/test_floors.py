"""What of the replay is pure stays pure, and nothing of it knows the command line."""

import pytest

from tests.test_architecture import IMPURE, Source, sources, under

PURE = {
    "letter",
    "shapes",
    "parcel",
    "expiry",
    "view",
    "groups",
    "filters",
    "plan",
    "redact",
    "record",
    "draft",
    "invocation",
}


@pytest.mark.parametrize("source", sources("workers/replay"), ids=lambda source: source.module.rpartition(".")[2])
def test_a_file_of_the_replay_imports_what_its_floor_allows(source: Source) -> None:
    name = source.module.rpartition(".")[2]
    assert [each for each in source.imports if under(each, "workers.cli") or under(each, "workers.local")] == []
    if name in PURE:
        ours = {each.split(".")[2] for each in source.imports if under(each, "workers.replay") and each.count(".") > 1}
        assert ours <= PURE
        assert [each for each in source.imports if each.partition(".")[0] in IMPURE] == []
