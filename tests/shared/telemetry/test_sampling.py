"""Which traces are kept: a share of those that begin here, and whatever their makers decided for all others."""

from typing import Any

import pytest

from tests.shared.telemetry.alone import report_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
MAKER = f"00-{TRACE}-b7ad6b7169203331"


def kept(report: Any, name: str = "process uploads") -> list[Any]:
    return [span for span in report["spans"] if span["name"] == name]


def test_of_what_begins_here_one_in_a_hundred_is_kept_whole() -> None:
    report = report_of("sampled", COUNT="5000", OTEL_BSP_MAX_QUEUE_SIZE="100000")
    processed = kept(report)
    assert 15 <= len(processed) <= 100  # 50 expected; outside of this once in ten million runs
    assert {span["trace"] for span in kept(report, "settle uploads")} == {span["trace"] for span in processed}
    assert kept(report, "receive uploads")
    flags = {each["trace_id"]: each["traceparent"].rpartition("-")[2] for each in report["carried"]}
    assert {trace for trace, flag in flags.items() if int(flag, 16) & 1} == {span["trace"] for span in processed}


def test_what_is_not_kept_has_names_of_its_own_all_the_same() -> None:
    carried = report_of("sampled", COUNT="200")["carried"]
    assert len({each["trace_id"] for each in carried}) == len({each["span_id"] for each in carried}) == 200
    assert all(each["traceparent"].startswith(f"00-{each['trace_id']}-{each['span_id']}-") for each in carried)


@pytest.mark.parametrize(("flag", "spans"), [("01", 20), ("00", 0)])
def test_the_maker_of_a_message_has_decided(flag: str, spans: int) -> None:
    report = report_of("sampled", COUNT="20", CREATOR=f"{MAKER}-{flag}")
    assert len(kept(report)) == spans
    assert all(span["trace"] == TRACE and span["parent"] for span in kept(report))
    for each in report["carried"]:
        assert each["trace_id"] == TRACE
        assert each["span_id"] not in MAKER
        assert each["traceparent"].endswith(f"-{flag}")


@pytest.mark.parametrize(
    ("environment", "spans"),
    [
        ({"TELEMETRY_DETAIL": "full"}, 50),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, 50),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
        ({"OTEL_TRACES_SAMPLER": "always_off", "TELEMETRY_DETAIL": "full"}, 0),
    ],
)
def test_everything_or_another_share_is_kept_where_that_is_asked(environment: dict[str, str], spans: int) -> None:
    assert len(kept(report_of("sampled", COUNT="50", **environment))) == spans
