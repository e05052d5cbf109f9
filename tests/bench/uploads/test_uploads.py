"""The figures of uploads: what must hold on any machine holds."""

from tests.bench.uploads import tables
from tests.bench.uploads.play import gate, keys, races, recorded


def test_what_was_found_stands_beside_what_is_aimed_at() -> None:
    rows = {
        "keys": keys(50),
        "recorded": recorded(),
        "gate": gate(1),
        "gone": races(20),
        "waits": {"per_second": 199.6, "median_ms": 21.2, "p99_ms": 44.4},
    }
    found = {what: seen for what, _, seen in tables.lines(rows)}
    assert rows["keys"]["wrong"] == rows["gate"]["wrong"] == rows["recorded"]["poison"] == 0
    assert rows["recorded"]["files"] >= 30
    assert rows["gate"]["samples"] >= 60
    assert found["calls and writes for a 410, at most; newer connections lost, 20 races"] == "1, 1, 0"
    assert found["receipt to browser, 200 a second, 5 ms a call: median, p99"] == "21 ms, 44 ms"
