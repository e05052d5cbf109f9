from pathlib import Path

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
