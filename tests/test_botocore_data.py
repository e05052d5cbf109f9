from botocore.loaders import JSONFileLoader, Loader

from tests.botocore_data import KeptFiles


def test_two_sessions_share_what_is_read_once() -> None:
    first, second = (Loader().load_service_model("sqs", "service-2") for _ in range(2))
    assert first is second


def test_a_missing_file_is_answered_as_botocore_does() -> None:
    assert KeptFiles().load_file("/nowhere/at-all") is JSONFileLoader().load_file("/nowhere/at-all") is None
