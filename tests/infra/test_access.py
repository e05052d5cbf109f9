"""Roles permit the calls that were recorded of their stories, and nothing else; `calls.json` is the record."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra.concerns import CONCERNS
from infra.resources.compute.settings import camel
from infra.resources.compute.table import WORKERS
from infra.resources.concern import Concern
from tests.infra.recorded import PLACE, SENDER_DOMAIN, Call, faults, statements
from tests.infra.template import ACCOUNT, Template, stack

RECORD = Path(__file__).with_name("calls.json")
QUEUES = {each.name: [source.queue for source in each.sources] for each in WORKERS}
CONCERN_OF = {each.name: each for each in CONCERNS}
PEOPLE = ("producer", "fleet-operator", "reader")
CLUSTER = f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/acme"


def access(**parameters: str) -> Template:
    given = {"EmailIdentity": SENDER_DOMAIN, "WebSocketApi": "api/live", "ExpoTokenSecretArn": "ExpoTokenSecretArn"}
    given |= {"WebhookSecretsKeyArn": "WebhookSecretsKeyArn", "AuditSigningKeyArn": "AuditSigningKeyArn"}
    return stack("access", **(given | parameters))


def recorded() -> dict[str, set[Call]]:
    text: dict[str, dict[str, list[str]]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return {
        who: {(action, resource) for action, resources in actions.items() for resource in resources}
        for who, actions in text.items()
    }


ELSEWHERE = """lambda:ListEventSourceMappings lambda:ListFunctionEventInvokeConfigs lambda:ListFunctions pipes:DescribePipe
    pipes:ListPipes scheduler:GetSchedule scheduler:ListSchedules sns:GetSubscriptionAttributes""".split()
"""Who else may name a queue as the place of its dead letters: the emulator of the stories has none of these."""
DEPLOYED = """ecs:DescribeServices lambda:GetFunctionConcurrency lambda:GetFunctionConfiguration
    logs:DescribeMetricFilters sns:ListSubscriptionsByTopic""".split()
"""What the doctor asks of functions, services and the topic of alarms, which the stories' stage has not: tests/fleet/doctor."""
MOVES = ("sqs:CancelMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:StartMessageMoveTask")
"""SQS's own redrive, which the emulator lacks; tests/fleet/dead_letters does it on the tests' own server."""


PAYLOADS = "arn:aws:s3:::fleet-payloads-dev/*"
DOORS = ("/aws/lambda/", "/ecs/")
SUBJECTS = {
    (f"dynamodb:{action}", f"arn:aws:dynamodb:{PLACE}:table/fleet-subject-keys-dev")
    for action in ("BatchGetItem", "PutItem")
}
HEAD = f"arn:aws:ssm:{PLACE}:parameter/fleet/dev/audit-head"


def beside(who: str) -> set[Call]:
    """What no story on the emulator asks for in somebody's name, and why the role permits it all the same."""
    if who in QUEUES:
        return _beside(who)
    if who == "producer":
        # Bodies that no queue takes: tests/shared/sqs, tests/behaviours.
        return {("s3:PutObject", PAYLOADS)}
    found = {(action, "*") for action in (*ELSEWHERE, *DEPLOYED)}
    found |= {
        ("secretsmanager:DescribeSecret", f"arn:aws:secretsmanager:{PLACE}:secret:fleet-{name}-dev-aBcDeF")
        for name in ("audit-hash-keys", "expo-token")
    }
    found.add(("dynamodb:DescribeTable", f"arn:aws:dynamodb:{PLACE}:table/fleet-subject-keys-dev"))
    # Which alarms the stacks made: tests/fleet/doctor.
    found.add(("cloudformation:ListStackResources", f"arn:aws:cloudformation:{PLACE}:stack/fleet-alarms-dev/*"))
    # Rows and digests of an archive that somebody verifies: tests/workers/audit_archive.
    found |= {("s3:GetObject", f"arn:aws:s3:::fleet-audit-dev/{kind}*") for kind in ("table=", "digests/")}
    found.add(("s3:ListBucket", "arn:aws:s3:::fleet-audit-dev"))
    # Heads of the archive's chain, where its evidence is deployed: tests/workers/audit_archive.
    found |= {("s3:ListBucket", "arn:aws:s3:::fleet-audit-heads-dev"), ("ssm:GetParameter", HEAD)}
    found.add(("cloudwatch:GetMetricData", "*"))  # ages of queues in the console: tests/fleet/console
    # `fleet trace --cloudwatch`, whose log groups a stage without functions has not: tests/fleet/story.
    found |= {(f"logs:{action}", "*") for action in ("DescribeLogGroups", "GetQueryResults", "StopQuery")}
    groups = [f"arn:aws:logs:{PLACE}:log-group:{door}fleet-{each}-dev:*" for door in DOORS for each in QUEUES]
    found |= {("logs:StartQuery", group) for group in groups}
    if who == "fleet-operator":
        # A subject is looked for, or erased: tests/fleet/cli.
        found |= SUBJECTS
        # A webhook's payload is sent again, or expunged: tests/workers/webhook_delivery.
        found |= {(f"s3:{verb}Object", PAYLOADS) for verb in ("Delete", "Get", "Put")}
        # Reminders that newer zone data moves are rewritten: tests/workers/reminder_dispatch.
        found.add(("dynamodb:UpdateItem", f"arn:aws:dynamodb:{PLACE}:table/fleet-reminders-dev"))
        letters = (f"arn:aws:sqs:{PLACE}:fleet-{name}-dev" for name in ("uploads-dlq", "events-undelivered"))
        found |= {(action, letter) for letter in letters for action in MOVES}
        # A letter of a concern beside the four goes back to its queue.
        found |= {("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:fleet-{name}-dev") for name in CONCERN_OF}
        # A version goes back: tests/fleet/release, with functions of the emulator.
        place = f"arn:aws:lambda:{PLACE}:function:fleet"
        names = [f"{place}-{worker}-dev{end}" for worker in QUEUES for end in ("", ":live")]
        asked = ("lambda:GetAlias", "lambda:ListVersionsByFunction", "lambda:UpdateAlias")
        found |= {(action, name) for action in asked for name in names}
        groups = [f"arn:aws:codedeploy:{PLACE}:deploymentgroup:fleet-{each}-dev/fleet-{each}-dev" for each in QUEUES]
        found |= {
            (f"codedeploy:{action}", group) for action in ("ListDeployments", "StopDeployment") for group in groups
        }
        # An event that a rule could not deliver is sent to its queue and leaves this one: tests/fleet/dead_letters.
        found.add(("sqs:DeleteMessage", f"arn:aws:sqs:{PLACE}:fleet-events-undelivered-dev"))
    return found


def _beside(worker: str) -> set[Call]:
    log = f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/fleet-{worker}-dev:*"
    ledger = f"arn:aws:dynamodb:{PLACE}:table/fleet-ledger-dev"
    found = {
        # Lambda's own, under the function's role.
        ("logs:CreateLogStream", log),
        ("logs:PutLogEvents", log),
        ("xray:PutTraceSegments", "*"),  # X-Ray knows no resources
        ("xray:PutTelemetryRecords", "*"),
        *(("sqs:GetQueueAttributes", f"arn:aws:sqs:{PLACE}:fleet-{queue}-dev") for queue in QUEUES[worker]),
        # A failed message is hidden and its run counted, a replayed one noted: tests/behaviours, tests/shared/road.
        *(("sqs:ChangeMessageVisibility", f"arn:aws:sqs:{PLACE}:fleet-{queue}-dev") for queue in QUEUES[worker]),
        # Bodies that no queue takes, and large payloads of webhooks: tests/shared/sqs, tests/behaviours.
        ("s3:GetObject", PAYLOADS),
        ("s3:PutObject", PAYLOADS),
        ("s3:ListBucket", PAYLOADS.removesuffix("/*")),
        ("dynamodb:GetItem", ledger),
        ("dynamodb:PutItem", ledger),
        ("dynamodb:UpdateItem", ledger),
    }
    if worker == "upload-notification":  # browsers' posts go to a stand-in, for the emulator has no such connections
        found.add(("execute-api:ManageConnections", f"arn:aws:execute-api:{PLACE}:api/live/POST/@connections/*"))
        # The bucket of the stories has no versions, and no scan finds anything there: tests/workers/upload_notification.
        files = "arn:aws:s3:::fleet-uploads-dev/session-uploads/*"
        found |= {(f"s3:{verb}Object{kind}Tagging", files) for verb in ("Get", "Put") for kind in ("", "Version")}
        found |= {("s3:GetObjectVersion", files), ("s3:ListBucket", "arn:aws:s3:::fleet-uploads-dev")}
    if (
        worker == "webhook-delivery"
    ):  # a key of KMS is there where the deployment names one: tests/workers/webhook_delivery
        found.add(("kms:Decrypt", "WebhookSecretsKeyArn"))
    if worker == "reminder-dispatch":
        # The stories' mail has no template, and its sender no configuration set; SES asks for either action of a template.
        mail = ("configuration-set/reminders", "template/tea")
        verbs = ("SendEmail", "SendTemplatedEmail")
        found |= {(f"ses:{verb}", f"arn:aws:ses:{PLACE}:{each}") for verb in verbs for each in mail}
        found.add(("ses:SendTemplatedEmail", f"arn:aws:ses:{PLACE}:identity/{SENDER_DOMAIN}"))
    if worker == "audit-archive":
        # The stories declare no subjects: tests/workers/audit_archive.
        found |= SUBJECTS
        # Digests are signed where a key is named, and no pipe of the stories gives up: tests/workers/audit_archive.
        found |= {(f"kms:{action}", "AuditSigningKeyArn") for action in ("GetPublicKey", "Sign")}
        found |= {("s3:PutObject", "arn:aws:s3:::fleet-audit-heads-dev/heads/*"), ("ssm:PutParameter", HEAD)}
        streams = [
            f"arn:aws:dynamodb:{PLACE}:table/fleet-{name}-dev/stream/*"
            for name in ("sessions", "reminders", "webhooks")
        ]
        found |= {(f"dynamodb:{action}", stream) for action in ("GetRecords", "GetShardIterator") for stream in streams}
    return found


def needed(who: str) -> set[Call]:
    return (_declared(CONCERN_OF[who]) if who in CONCERN_OF else recorded()[who]) | beside(who)


def _declared(concern: Concern) -> set[Call]:
    """A concern beside the four has no story: what its file asks for is held against its role, and what every worker does."""
    queue = f"arn:aws:sqs:{PLACE}:fleet-{concern.name}"
    found = {(f"sqs:{action}", f"{queue}-dev") for action in ("DeleteMessage", "ReceiveMessage")}
    found |= {("sqs:SendMessage", f"{queue}-dlq-dev")}
    # A worker that does its work `Once` gives back the claim of what failed: tests/shared/road.
    found |= {("dynamodb:DeleteItem", f"arn:aws:dynamodb:{PLACE}:table/fleet-ledger-dev")}
    found |= {("ssm:GetParametersByPath", f"arn:aws:ssm:{PLACE}:parameter/fleet/dev/{concern.name}")}
    for grant in concern.grants:
        resources = [f"arn:aws:dynamodb:{PLACE}:table/fleet-{table}-dev" for table in grant.tables]
        resources += [f"arn:aws:s3:::fleet-{bucket}-dev/*" for bucket in grant.buckets]
        found |= {(action, resource) for action in grant.actions for resource in resources}
    return found


@pytest.mark.parametrize("who", [*QUEUES, *PEOPLE])
def test_a_role_permits_what_was_called_and_nothing_that_was_not(who: str) -> None:
    assert faults(statements(access(), f"{camel(who)}Role"), needed(who)) == []


@pytest.mark.slow
@pytest.mark.parametrize("who", [*QUEUES, *PEOPLE])
def test_a_grant_more_or_less_is_a_fault(who: str) -> None:
    permitted = statements(access(), f"{camel(who)}Role")
    assert permitted
    for number in range(len(permitted)):
        assert faults(permitted[:number] + permitted[number + 1 :], needed(who)), permitted[number]
        for key, value in (("Action", "sqs:*"), ("Action", "sqs:PurgeQueue"), ("Resource", "*")):
            wider: list[dict[str, Any]] = copy.deepcopy(permitted)
            if value not in wider[number][key]:
                wider[number][key].append(value)
                assert faults(wider, needed(who)), (permitted[number], value)


def test_there_is_one_role_for_each_worker_and_none_that_nobody_takes_on() -> None:
    names = {role["Properties"]["RoleName"] for role in access().resources("AWS::IAM::Role").values()}
    assert names == {f"fleet-{name}-dev" for name in (*QUEUES, *PEOPLE, "task-execution", "release")}


def test_workers_are_taken_on_by_lambda_by_this_accounts_tasks_and_by_pods_of_a_cluster_that_is_named() -> None:
    for worker in QUEUES:
        by_lambda, by_tasks = access().properties(f"{camel(worker)}Role")["AssumeRolePolicyDocument"]["Statement"]
        [_, _, by_pods] = access(ClusterArn=CLUSTER).properties(f"{camel(worker)}Role")["AssumeRolePolicyDocument"][
            "Statement"
        ]
        assert by_pods["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert by_pods["Action"] == ["sts:AssumeRole", "sts:TagSession"]
        assert by_pods["Condition"] == {"ArnEquals": {"aws:SourceArn": CLUSTER}}
        assert by_lambda["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert by_tasks["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert by_tasks["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_people_are_who_the_deployment_names_else_whom_the_account_permits() -> None:
    for who in PEOPLE:
        role, key = f"{camel(who)}Role", f"{camel(who)}Principals"
        [anybody] = access().properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert anybody["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        named = access(**{key: "arn:aws:iam::1:role/x"})
        [somebody] = named.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert somebody["Principal"] == {"AWS": "arn:aws:iam::1:role/x"}


def test_the_webhook_worker_and_the_operator_are_who_may_send_deliveries() -> None:
    default = stack("messaging").text["Parameters"]["DeliverySenders"]["Default"]
    for name in ("webhook-delivery", "fleet-operator"):
        assert f"role/*{name}*" in default
        assert name in access().properties(f"{camel(name)}Role")["RoleName"]


def test_without_a_token_for_expo_its_secret_is_nobodys() -> None:
    without = statements(access(ExpoTokenSecretArn=""), "ReminderDispatchRole")
    assert not [each for each in without if "secretsmanager:GetSecretValue" in each["Action"]]


def test_without_a_key_that_signs_the_places_of_heads_are_nobodys() -> None:
    for role in ("AuditArchiveRole", "ReaderRole", "FleetOperatorRole"):
        assert "audit-head" in json.dumps(statements(access(), role))
        assert "audit-head" not in json.dumps(statements(access(AuditSigningKeyArn=""), role))


def test_the_key_of_the_archive_is_made_by_aws_and_outlives_its_stack() -> None:
    secret = access().text["Resources"]["AuditHashKeys"]
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    made = secret["Properties"]["GenerateSecretString"]
    assert (made["GenerateStringKey"], made["PasswordLength"] % 4, made["PasswordLength"] >= 44) == ("k1", 0, True)
    assert json.loads(made["SecretStringTemplate"]) == {}
    assert not set("!\"#$%&'()*,-./:;<=>?@[\\]^_`{|}~") - set(made["ExcludeCharacters"])


def test_a_canary_may_move_the_workers_aliases_and_nothing_else() -> None:
    alarms, aliases = statements(access(), "ReleaseRole")
    assert (alarms["Action"], alarms["Resource"]) == (["cloudwatch:DescribeAlarms"], ["*"])
    assert aliases["Action"] == ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"]
    named = {each.rpartition(":function:")[2].removesuffix(":*") for each in aliases["Resource"]}
    assert named == {f"fleet-{worker}-dev" for worker in QUEUES}
    [trusted] = access().properties("ReleaseRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "codedeploy.amazonaws.com"}


def test_tasks_are_started_with_one_repository_and_their_own_logs() -> None:
    token, image, log = statements(access(), "TaskExecutionRole")
    assert (token["Action"], token["Resource"]) == (["ecr:GetAuthorizationToken"], ["*"])
    assert image["Resource"] == [f"arn:aws:ecr:{PLACE}:repository/fleet-workers"]
    assert image["Action"] == ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert log["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    services = stack("services", **{f"{worker.stem}Door": "fargate" for worker in WORKERS})
    for group in services.resources("AWS::Logs::LogGroup").values():
        name = group["Properties"]["LogGroupName"]
        assert name.startswith("/ecs/fleet-")
        assert log["Resource"] == [f"arn:aws:logs:{PLACE}:log-group:/ecs/fleet-*-dev:*"]
