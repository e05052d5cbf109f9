"""What a message's road touches, counted."""

import pytest

from tests.bench.files import MOST_IN_CONTAINER, MOST_IN_LAMBDA, in_container, in_lambda


async def test_a_message_goes_through_few_files_of_the_library_in_a_container() -> None:
    files = await in_container()
    assert {"shared/road/pipeline.py", "shared/road/handling.py", "shared/container/poller.py"} <= files
    assert len(files) <= MOST_IN_CONTAINER
    assert not [each for each in files if each.startswith("shared/road/failure/")], "nothing has failed"


def test_a_message_goes_through_few_files_of_the_library_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    files = in_lambda()
    assert {"shared/road/pipeline.py", "shared/road/handling.py", "shared/lambda_door/invocation.py"} <= files
    assert len(files) <= MOST_IN_LAMBDA
    assert not [each for each in files if each.startswith("shared/road/failure/")], "nothing has failed"
