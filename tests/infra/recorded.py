"""What the emulator was asked, as IAM would have to permit it: an action on a resource, by who asked."""

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.infra.template import ACCOUNT, Template

SENDER_DOMAIN = "fleet.example"
PLACE = f"eu-central-1:{ACCOUNT}"
MANY = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
"""Calls of SQS that are permitted by another action's name."""
WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
OBJECTS = {"PUT": "s3:PutObject", "GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}
BUCKETS = {
    "object-lock": "s3:GetBucketObjectLockConfiguration",
    "lifecycle": "s3:GetLifecycleConfiguration",
    "notification": "s3:GetBucketNotification",
}
"""Questions about a bucket, by the word in their query."""

Call = tuple[str, str]
"""Action and resource, in the names of the default parameters."""


def calls(lines: Iterable[str]) -> dict[str, set[Call]]:
    """All calls of each who says who he is (`AWS_SDK_UA_APP_ID`). Raises KeyError of a service or form that is not known here."""
    found: dict[str, set[Call]] = {}
    for line in lines:
        said = json.loads(line)
        who = re.search(r"\bapp/([\w-]+)", said["user-agent"])
        if who is not None and said["status"] < 500:
            found.setdefault(who[1], set()).update(_needed(said))
    return found


def _needed(said: dict[str, Any]) -> Iterator[Call]:
    service = said["authorization"].split("/")[3]
    operation = said["x-amz-target"].rpartition(".")[2]
    match service:
        case "sts":  # GetCallerIdentity asks for no permission
            pass
        case "s3":
            yield from _of_bucket(said)
        case "ses":
            yield from _of_mail(json.loads(said["body"]))
        case "cloudformation" | "sns" | "monitoring":
            yield _of_form(service, parse_qs(said["body"]))
        case "dynamodb":
            yield from _of_table(operation, json.loads(said["body"]))
        case _:
            yield from _of_json(service, operation, json.loads(said["body"]))


def _of_form(service: str, form: dict[str, list[str]]) -> Call:
    action = f"{service}:{form['Action'][0]}"
    if service == "cloudformation":
        return action, f"arn:aws:cloudformation:{PLACE}:stack/{_usual(form['StackName'][0])}/*"
    return action.replace("monitoring", "cloudwatch"), "*"


def _of_mail(body: dict[str, Any]) -> Iterator[Call]:
    """SES asks about the sender, about its configuration set, and about a template."""
    assert body["FromEmailAddress"].endswith(f"@{SENDER_DOMAIN}")
    yield "ses:SendEmail", f"arn:aws:ses:{PLACE}:identity/{SENDER_DOMAIN}"


def _of_json(service: str, operation: str, body: dict[str, Any]) -> Iterator[Call]:
    action = f"{service}:{MANY.get(operation, operation)}"
    match service:
        case "sqs":
            name = body.get("QueueUrl", body.get("QueueName", "")).rpartition("/")[2]
            yield action, f"arn:aws:sqs:{PLACE}:{_usual(name)}" if name else "*"
        case "events" if operation != "PutEvents":  # questions about all buses of an account
            yield action, "*"
        case "events":
            for entry in body["Entries"]:
                yield action, f"arn:aws:events:{PLACE}:event-bus/{_usual(entry['EventBusName'])}"
        case "ssm":
            yield action, f"arn:aws:ssm:{PLACE}:parameter{re.sub('^/[^/]+/', '/fleet/', body['Path'])}"
        case "secretsmanager":
            names = {"audit-hash-keys": "AuditHashKeys", "expo-token": "ExpoTokenSecretArn"}
            yield action, next(to for part, to in names.items() if part in body["SecretId"])
        case _:
            raise KeyError(service)


def _of_table(operation: str, body: dict[str, Any]) -> Iterator[Call]:
    if operation == "TransactWriteItems":
        for item in body["TransactItems"]:
            for kind, entry in item.items():
                yield from _of_table(WRITES[kind], entry)
        return
    if "RequestItems" in body:
        for name in body["RequestItems"]:
            yield f"dynamodb:{operation}", f"arn:aws:dynamodb:{PLACE}:table/{_usual(name)}"
        return
    arn = f"arn:aws:dynamodb:{PLACE}:table/{_usual(body['TableName'])}"
    yield f"dynamodb:{operation}", f"{arn}/index/{body['IndexName']}" if "IndexName" in body else arn


def _of_bucket(said: dict[str, Any]) -> Iterator[Call]:
    bucket, _, key = unquote(said["path"]).lstrip("/").partition("/")
    arn = f"arn:aws:s3:::{_usual(bucket)}"
    asked = next((action for word, action in BUCKETS.items() if word in said["query"]), None)
    if asked:
        yield asked, arn
    elif said["method"] == "POST" and "delete" in said["query"]:
        for each in re.findall("<Key>([^<]+)</Key>", said["body"]):
            yield "s3:DeleteObject", f"{arn}/{_kind(each)}"
    elif key:
        yield _of_object(said), f"{arn}/{_kind(key)}"
        if said["status"] == 404:  # without it S3 answers 403 for what is not there
            yield "s3:ListBucket", arn
    else:
        assert said["method"] in {"GET", "HEAD"}
        yield "s3:ListBucket", arn


def _of_object(said: dict[str, Any]) -> str:
    action = OBJECTS[said["method"]]
    if "versionId" in said["query"]:  # a version has actions of its own
        action += "Version"
    return f"{action}Tagging" if "tagging" in said["query"] else action


def _kind(key: str) -> str:
    """The first part of an object's key."""
    return re.sub(r"^([^/=]+[/=]).*", r"\1*", key)


def _usual(name: str) -> str:
    """A physical name as the default project and stage have it."""
    return re.sub("^[a-z0-9]+-", "fleet-", name)


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """What the role is permitted, statement by statement."""
    [policy] = template.properties(role)["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def faults(permitted: list[dict[str, Any]], made: set[Call]) -> list[str]:
    """Calls that no statement permits, and what is permitted that no call needs."""
    grants = {(action, resource) for each in permitted for action in each["Action"] for resource in each["Resource"]}
    refused = [call for call in made if not any(_covers(grant, call) for grant in grants)]
    unused = [grant for grant in grants if not any(_covers(grant, call) for call in made)]
    wide = [grant for grant in grants if "*" in grant[0] or (grant[1] == "*" and grant not in made)]
    return [
        *(f"refused: {action} on {resource}" for action, resource in sorted(refused)),
        *(f"unused: {action} on {resource}" for action, resource in sorted(unused)),
        *(f"too wide: {action} on {resource}" for action, resource in sorted(wide)),
    ]


def _covers(grant: Call, call: Call) -> bool:
    return fnmatchcase(call[0], grant[0]) and fnmatchcase(call[1], grant[1])
