"""Error answers that speak of the service or of our configuration: the breaker counts them as failures, on either road."""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from shared.aws.fast_client import FastClient
from shared.clients import watch
from shared.road.failure.breakers import OPENS_AT, Breakers, Met, met_in_run
from tests.shared.aws.contract.answers import Odd, refusal, whole
from tests.shared.aws.contract.stub import opened, stub

USUAL = Odd(whole(b"{}"))
THROTTLED, FAILED = {"Code": "ThrottlingError"}, {"Code": "ConditionalCheckFailed"}


@pytest.mark.parametrize("road", ["plain", "fast"])
@pytest.mark.parametrize(
    ("code", "parts", "is_down"),
    [
        ("TransactionCanceledException", {"CancellationReasons": [{"Code": "None"}, THROTTLED]}, True),
        ("TransactionCanceledException", {"CancellationReasons": [FAILED, THROTTLED]}, False),
        ("ConditionalCheckFailedException", {}, False),
        ("ResourceNotFoundException", {"message": "Requested resource not found"}, True),
        ("ResourceNotFoundException", {"message": "said in other words"}, True),
        ("KMSNotFoundException", {}, True),
        ("TableNotFoundException", {}, True),
        ("ReplicatedWriteConflictException", {}, True),
        ("ValidationException", {}, False),
    ],
)
async def test_a_breaker_opens_for_what_says_nothing_about_the_question(
    road: str,
    code: str,
    parts: dict[str, Any],
    is_down: bool,  # noqa: FBT001  # as listed
) -> None:
    breakers = Breakers()
    async with stub(USUAL) as serving, opened("dynamodb", serving.url) as plain:
        watch(plain, "dynamodb", breakers)
        client: Any = (
            plain
            if road == "plain"
            else FastClient(plain, answered=lambda call: breakers.succeeded("dynamodb", call=call))
        )
        await update(client)
        serving.now = Odd(refusal("400 Bad Request", {"__type": f"x#{code}", **parts}, "x-amzn-requestid: r"))
        for place in range(OPENS_AT):
            met_in_run.set(met := Met())
            met.message = f"m-{place}"
            with pytest.raises(ClientError) as error:
                await update(client)
            assert error.value.response["Error"]["Code"] == code
            assert ("dynamodb" in met) is is_down
        assert ("dynamodb" in breakers.open) is is_down
        assert serving.asked == 1 + OPENS_AT
    met_in_run.set(None)
    breakers.leave()


@pytest.mark.parametrize("road", ["plain", "fast"])
async def test_a_call_that_a_time_limit_cuts_while_nobody_answers_is_a_failure_of_the_service(
    road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.road.failure.breakers.UNANSWERED", 3_600)
    breakers = Breakers()
    async with stub(USUAL) as serving, opened("dynamodb", serving.url) as plain:
        watch(plain, "dynamodb", breakers)
        cut = partial(breakers.cut, "dynamodb")
        client: Any = plain if road == "plain" else FastClient(plain, cut=cut)
        await update(client)
        met_in_run.set(met := Met())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await update(client)
        assert not met, "it was not asked for long enough"
        monkeypatch.setattr("shared.road.failure.breakers.UNANSWERED", 0.02)
        serving.held = b"UpdateItem"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await update(client)
        assert met == {"dynamodb": "ReadTimeoutError"}
    met_in_run.set(None)
    breakers.leave()


@pytest.mark.parametrize("road", ["plain", "fast"])
@pytest.mark.parametrize(("refused", "closes"), [(0, True), (1, False)])
async def test_a_call_that_put_not_all_of_its_events_closes_no_breaker(road: str, refused: int, closes: bool) -> None:  # noqa: FBT001  # as listed
    breakers = Breakers()
    answer = {
        "FailedEntryCount": refused,
        "Entries": [{"ErrorCode": "InternalFailure"} if refused else {"EventId": "e"}],
    }
    async with stub(Odd(whole(orjson.dumps(answer)))) as serving, opened("events", serving.url) as plain:
        watch(plain, "events", breakers)
        client: Any = (
            plain
            if road == "plain"
            else FastClient(plain, answered=lambda call: breakers.succeeded("events", call=call))
        )
        for _ in range(2):  # the first call is botocore's
            for _ in range(OPENS_AT):
                breakers.failed("events", code="InternalFailure", call="PutEvents")
            await client.put_events(Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}"}])
            assert ("events" not in breakers.open) is closes
    breakers.leave()


async def update(client: Any) -> Any:
    return await client.update_item(TableName="t", Key={"id": {"S": "x"}})
