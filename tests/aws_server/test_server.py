"""The server speaks as AWS does, to boto3, and knows a wrong signature."""

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws_server.running import AwsServer, aws_server
from tests.sqs_server.account import REGION

SESSIONS = "sessions"


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    with aws_server() as running:
        running.table(SESSIONS, "id")
        yield running


@pytest.mark.slow
def test_a_condition_refuses_and_shows_the_row_that_stands_in_the_way(server: AwsServer) -> None:
    client = server.client("dynamodb")
    asked = {
        "TableName": SESSIONS,
        "Key": {"id": {"S": "one"}},
        "UpdateExpression": "SET #s = :done REMOVE reason",
        "ConditionExpression": "attribute_not_exists(#s) OR #s IN (:open, :held)",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":done": {"S": "done"}, ":open": {"S": "open"}, ":held": {"S": "held"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    row = {"id": {"S": "one"}, "status": {"S": "done"}}
    assert client.update_item(**asked)["Attributes"] == row
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
        client.update_item(**asked)
    assert refused.value.response["Item"] == row


@pytest.mark.slow
def test_a_transaction_writes_all_or_nothing(server: AwsServer) -> None:
    client = server.client("dynamodb")
    puts = [
        {"Put": {"TableName": SESSIONS, "Item": {"id": {"S": name}}, "ConditionExpression": "attribute_not_exists(id)"}}
        for name in ("two", "three")
    ]
    client.transact_write_items(TransactItems=puts[:1])
    with pytest.raises(client.exceptions.TransactionCanceledException) as refused:
        client.transact_write_items(TransactItems=puts)
    assert [each["Code"] for each in refused.value.response["CancellationReasons"]] == [
        "ConditionalCheckFailed",
        "None",
    ]
    assert "Item" not in client.get_item(TableName=SESSIONS, Key={"id": {"S": "three"}})


@pytest.mark.slow
def test_the_bus_the_browser_and_the_store_answer(server: AwsServer) -> None:
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}
    assert server.client("events").put_events(Entries=[entry, entry])["FailedEntryCount"] == 0
    server.client("apigatewaymanagementapi").post_to_connection(ConnectionId="b/c=", Data=b'{"sessionId": "one"}')
    assert server.posted.keys() == {"one"}
    store = server.client("s3")
    store.put_object(Bucket="uploads", Key="a b/ä+1", Body=b"0123456789")
    assert store.get_object(Bucket="uploads", Key="a b/ä+1", Range="bytes=0-3")["Body"].read() == b"0123"
    assert server.calls["entries"] == 2


@pytest.mark.slow
def test_a_wrong_signature_is_refused_and_counted(server: AwsServer) -> None:
    client = boto3.client(
        "dynamodb", endpoint_url=server.url, region_name=REGION, aws_access_key_id="AKID", aws_secret_access_key="x"
    )
    with pytest.raises(ClientError):
        client.get_item(TableName=SESSIONS, Key={"id": {"S": "one"}})
    assert server.calls["refused signature"] == 1
