"""A refused condition is botocore's own exception, without its road."""

from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.aws.fast_client import FastClient
from tests.shared.aws.contract.answers import Odd, refusal, whole
from tests.shared.aws.contract.stub import opened, stub

CODES = ("ConditionalCheckFailedException", "TransactionCanceledException")
PARTS: tuple[dict[str, Any], ...] = (
    {}, {"message": "no"}, {"Message": "no"}, {"message": "a", "Message": "b"}, {"Item": {"b": {"B": "eA=="}}}, {"Item": None},
    {"Item": {}}, {"Item": {"l": {"L": [{"M": {"s": {"SS": ["b", "a"]}}}, {"NULL": True}]}, "n": {"N": "1.50"}}, "message": "no"},
    {"CancellationReasons": []}, {"CancellationReasons": None}, {"message": "é", "Else": 1},
    {"CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no", "Item": {"n": {"N": "1"}}}]},
    {"CancellationReasons": [{"Code": "TransactionConflict"}, {}], "Message": "Transaction cancelled [TransactionConflict]"},
)  # fmt: skip
PREFIXES = ("com.amazonaws.dynamodb.v20120810#", "", "x#")
HEADERS = (
    ("x-amzn-requestid: r",),
    ("x-amzn-requestid: r", "Date: Thu, 26 Nov 2026 12:00:00 GMT", "Connection: keep-alive"),
)
ERRORS = list(product(CODES, PARTS, PREFIXES, HEADERS))


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_refused_condition_is_botocores_exception(attempts: int) -> None:
    assert len(ERRORS) > 100
    usual = Odd(whole(b'{"Attributes": {"a": {"S": "x"}}}'))
    async with stub(usual) as serving, opened("dynamodb", serving.url, attempts=attempts) as client:
        fast = FastClient(client)
        await update(fast)
        for code, parts, prefix, headers in ERRORS:
            serving.now = Odd(refusal("400 Bad Request", {"__type": prefix + code, **parts}, *headers))
            raised, asked = [], serving.asked
            for each in (client, fast):
                with pytest.raises(getattr(client.exceptions, code)) as error:
                    await update(each)
                assert isinstance(error.value, ClientError)
                raised.append(
                    (type(error.value).__name__, error.value.response, error.value.args, error.value.operation_name)
                )
            assert raised[0] == raised[1]
            assert serving.asked == asked + 2
        serving.now = usual
        assert "ResponseMetadata" not in await update(fast)


async def update(client: Any) -> Any:
    return await client.update_item(TableName="t", Key={"id": {"S": "x"}})
