"""Where a page comes with status 200, the tools do not take it for a letter that was put away, nor for an empty archive."""

import asyncio

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.queues.catalog import service
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub

PAGE = Odd(whole(b"<html>maintenance</html>", "Content-Type: text/html"))


@pytest.mark.slow
async def test_a_page_is_an_error_to_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stub(PAGE) as serving:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": serving.url,
        }.items():
            monkeypatch.setenv(name, value)
        s3 = service("s3")
        for call, more in ((s3.put_object, {"Key": "k", "Body": b"letter"}), (s3.list_objects_v2, {})):
            with pytest.raises(ClientError, match="OddAnswer"):
                await asyncio.to_thread(call, Bucket="b", **more)
        s3.close()
