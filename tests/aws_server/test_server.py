"""The server speaks as AWS does, to boto3, and knows a wrong signature."""

import gzip
import json
import urllib.error
import urllib.request
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
    store.put_object(Bucket="audit", Key="table=rows/one.gz", Body=gzip.compress(b"one\ntwo\n"))
    assert server.archived == 2
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


@pytest.mark.slow
def test_an_index_is_read_in_pages_and_a_range_of_keys_by_its_ends(server: AwsServer) -> None:
    server.table("due", "PK", "SK")
    rows = [
        {"PK": {"S": "p"}, "SK": {"S": f"k{n}"}, "GSI1PK": {"S": "i"}, "GSI1SK": {"S": f"s{9 - n}"}} for n in range(5)
    ]
    server.put("due", rows)
    client = server.client("dynamodb")
    client.update_item(
        TableName="due", Key={"PK": {"S": "p"}, "SK": {"S": "k4"}}, UpdateExpression="REMOVE GSI1PK, GSI1SK"
    )
    asked = {"TableName": "due", "IndexName": "GSI1", "KeyConditionExpression": "GSI1PK = :i", "Limit": 3,
             "ExpressionAttributeValues": {":i": {"S": "i"}}}  # fmt: skip
    first = client.query(**asked)
    rest = client.query(**asked, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [row["SK"]["S"] for row in first["Items"] + rest["Items"]] == ["k3", "k2", "k1", "k0"]
    assert "LastEvaluatedKey" not in rest
    between = {":p": {"S": "p"}, ":a": {"S": "k1"}, ":b": {"S": "k2~"}}
    found = client.query(TableName="due", KeyConditionExpression="PK = :p AND SK BETWEEN :a AND :b",
                         ExpressionAttributeValues=between)  # fmt: skip
    assert [row["SK"]["S"] for row in found["Items"]] == ["k1", "k2"]


@pytest.mark.slow
def test_expo_refuses_what_is_too_much_for_its_second() -> None:
    with aws_server(pushes_per_second=150) as running:
        notes = [{"to": f"t{number}"} for number in range(100)]
        found = []
        for _ in range(2):
            asked = urllib.request.Request(f"{running.url}/push", data=json.dumps(notes).encode())
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    found.append(answer.status)
            except urllib.error.HTTPError as refused:
                found.append(refused.code)
        pushes = running.pushes
    assert found == [200, 429]
    assert (pushes["refused"], [count for _, count in pushes["taken"]], len(pushes["pushed"])) == (1, [100], 100)
