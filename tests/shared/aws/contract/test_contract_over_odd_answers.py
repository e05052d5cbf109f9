"""Whatever a service answers, both clients say the same; what only botocore can read makes the fast one step aside."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from shared.aws.fast_client import FastClient
from tests.shared.aws.contract import answers
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import Stub, opened, stub

URL = "http://127.0.0.1/123456789012/orders"
SENT = [{"Id": "0", "MessageBody": "a"}]
GET = b'{"Item": {"a": {"S": "x"}, "b": {"B": "eA=="}}}'
RECEIVE = b'{"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "b", "MD5OfBody": "92eb5ffee6ae2fec3ad71c777531578f"}]}'
SEND = b'{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0cc175b9c0f1b6a831c399e269772661"}]}'
MAIL = {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}}

Call = Callable[[Any], Awaitable[Any]]
CALLS: dict[str, tuple[str, Call, bytes, dict[str, bytes]]] = {
    "get": ("dynamodb", lambda to: to.get_item(TableName="t", Key={"id": {"S": "x"}}), GET, answers.OF_GET),
    "receive": ("sqs", lambda to: to.receive_message(QueueUrl=URL), RECEIVE, answers.OF_RECEIVE),
    "mail": ("sesv2", lambda to: to.send_email(Content=MAIL), b'{"MessageId": "m"}', answers.OF_MAIL),
    "post": (
        "apigatewaymanagementapi",
        lambda to: to.post_to_connection(ConnectionId="a=", Data=b"x"),
        b'{"any": "thing"}',
        {},
    ),
    "send": ("sqs", lambda to: to.send_message_batch(QueueUrl=URL, Entries=SENT), SEND, answers.OF_SEND),
}


async def ending(call: Call, client: Any) -> tuple[Any, ...]:
    """What came of one call: its answer, or the class and the code of its error."""
    try:
        answer = await call(client)
    except ClientError as error:
        code, metadata = error.response.get("Error", {}).get("Code"), error.response["ResponseMetadata"]
        return (type(error).__name__, code, metadata["HTTPStatusCode"], metadata["RetryAttempts"])
    except Exception as error:  # noqa: BLE001  # whatever it is, the other client must raise the same
        return (type(error).__name__,)
    return ("answered", {name: each for name, each in answer.items() if name != "ResponseMetadata"})


async def is_botocores(call: Call, client: Any) -> bool:
    return "ResponseMetadata" in await call(client)


async def both(serving: Stub, call: Call, plain: Any, odd: Odd) -> list[Any]:
    """How a call ends at both clients, what it took, and which client makes the calls after it."""
    found = []
    fast = FastClient(plain)
    assert [await is_botocores(call, fast) for _ in range(2)] == [True, False]
    with capture_logs() as logs:
        for client in (plain, fast):
            before, serving.now = serving.asked, odd
            found.append((await ending(call, client), serving.asked - before))
            serving.now = serving.usual
            await serving.quiet()
        aside = [await is_botocores(call, fast) for _ in range(2)]
    warned = [each["event"] for each in logs]
    return [*found, (aside == [True, True], warned == ["aws_calls_stepped_aside"] * any(aside))]


def odd_answers(good: bytes, own: dict[str, bytes]) -> dict[str, Odd]:
    everywhere = answers.on_the_wire(good) | answers.statuses(good)
    if own:  # an answer without a shape may say what it likes
        everywhere |= answers.bodies(good)
    return everywhere | {name: Odd(whole(body)) for name, body in own.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
async def test_both_clients_make_the_same_of_every_odd_answer(name: str) -> None:
    service, call, good, own = CALLS[name]
    cases = odd_answers(good, own)
    wrong = {}
    async with stub(Odd(whole(good))) as serving, opened(service, serving.url) as plain:
        for case, odd in cases.items():
            plainly, fast, (is_aside, is_warned) = await both(serving, call, plain, odd)
            expected = odd.is_aside and plainly[0][0] == "answered"
            if plainly != fast or is_aside != expected or not is_warned:
                wrong[case] = (plainly, fast, is_aside)
    assert len(cases) > 60
    assert wrong == {}
