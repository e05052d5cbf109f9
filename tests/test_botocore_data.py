import copy
from pathlib import Path

import pytest
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import JSONFileLoader, Loader

from tests.botocore_data import KeptFiles


def test_two_sessions_share_what_is_read_once() -> None:
    first, second = (Loader().load_service_model("sqs", "service-2") for _ in range(2))
    assert first is second


def test_a_missing_file_is_answered_as_botocore_does() -> None:
    assert KeptFiles().load_file("/nowhere/at-all") is JSONFileLoader().load_file("/nowhere/at-all") is None


def test_the_services_are_listed_for_each_folder_apart(tmp_path: Path) -> None:
    (tmp_path / "own" / "2026-01-01").mkdir(parents=True)
    (tmp_path / "own" / "2026-01-01" / "service-2.json").write_text("{}")
    own = Loader(extra_search_paths=[str(tmp_path)])
    assert "sqs" in Loader().list_available_services("service-2")
    assert "own" in own.list_available_services("service-2")
    assert "own" not in Loader().list_available_services("service-2")


def test_events_have_the_names_that_botocore_gives_them() -> None:
    heard: list[str] = []
    first = EventAliaser(HierarchicalEmitter())
    for aliaser in (first, copy.copy(first), EventAliaser(HierarchicalEmitter())):
        aliaser.register("before-call.autoscaling", lambda event_name, **_: heard.append(event_name))
        aliaser.emit("before-call.autoscaling.PutScalingPolicy")
    assert heard == ["before-call.auto-scaling.PutScalingPolicy"] * 3
    own = EventAliaser(HierarchicalEmitter(), event_aliases={"sqs": "queue"})
    own.register("before-call.queue", lambda **_: heard.append("by its other name"))
    own.emit("before-call.sqs.SendMessage")
    assert heard[-1] == "by its other name"


def test_a_handler_that_takes_no_further_arguments_is_refused_each_time() -> None:
    def narrow(event_name: str) -> None:
        raise AssertionError(event_name)

    for handler in (narrow, Narrow().handle, Narrow().handle):
        with pytest.raises(ValueError, match="must accept keyword"):
            HierarchicalEmitter().register("before-call", handler)


class Narrow:
    def handle(self) -> None: ...
