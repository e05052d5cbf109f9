"""The stacks of alarms: nothing is left out, each alarm leads somewhere, and all call one topic."""

import re
from pathlib import Path

from fleet.dead_letters.model.expiry import METRIC
from infra.concerns import CONCERNS
from infra.resources.concern import TableStream, filled
from infra.resources.queues import QUEUES
from infra.watch.subjects import RULES
from tests.infra.template import messaging, stack
from tests.infra.watch.watched import alarms, filters, templates
from workers import roster

DOCS = Path(__file__).parents[3] / "docs"
TABLES_WITH_PIPES = 3
"""Sessions, reminders and webhooks, to the archive."""
ALLOWED = {
    "Queue",
    "Outcome",
    "QueueName",
    "FunctionName",
    "ApiId",
    "RuleName",
    "EventBusName",
    "PipeName",
    "TableName",
    "GlobalSecondaryIndexName",
}


def resource(name: str) -> str:
    return name.removeprefix("fleet-").removesuffix("-prod")


def names(kind: str, field: str) -> list[str]:
    return [resource(str(each["Properties"][field])) for each in messaging("prod").resources(kind).values()]


def test_each_queue_has_its_alarms_whichever_queues_there_are() -> None:
    queues = names("AWS::SQS::Queue", "QueueName")
    letters = [name for name in queues if name.endswith("-dlq") or name == "events-undelivered"]
    wanted = {f"{name}-{fault}" for name in letters for fault in ("not-empty", "expiring")}
    wanted |= {
        f"{name}-{fault}"
        for name in set(queues) - set(letters)
        for fault in ("deep", "old", "stale", "failing", "slow")
    }
    assert len(wanted) == (2 + 5) * len(QUEUES) + 2
    assert wanted <= alarms().keys()


def test_each_rule_pipe_table_and_worker_has_its_alarms() -> None:
    wanted = {f"{name}-rule-{fault}" for name in names("AWS::Events::Rule", "Name") for fault in ("failing", "losing")}
    wanted |= {f"{name}-pipe-failing" for name in names("AWS::Pipes::Pipe", "Name")}
    wanted |= {f"{name}-table-throttled" for name in names("AWS::DynamoDB::Table", "TableName")}
    faults = ("dependency-down", "asks-for-you", "throttled", "breaking", "long")
    wanted |= {f"{worker}-{fault}" for worker in roster.WORKERS for fault in faults}
    pipes = TABLES_WITH_PIPES + len(filled(CONCERNS, TableStream))
    assert len(wanted) == 2 * len(RULES) + pipes + 4 + 5 * len(roster.WORKERS)
    assert wanted <= alarms().keys()


def test_each_api_and_function_that_browsers_call_has_its_alarms() -> None:
    edge = stack("edge", "prod")
    functions = {
        resource(each["Properties"]["FunctionName"]) for each in edge.resources("AWS::Lambda::Function").values()
    }
    apis = {resource(each["Properties"]["Name"]) for each in edge.resources("AWS::ApiGatewayV2::Api").values()}
    wanted = {f"{name}-breaking" for name in functions} | {"edge-throttled"}
    wanted |= {f"{name}-api-{fault}" for name in apis for fault in ("failing", "refusing")}
    assert len(wanted) == 7 + 1 + 2 * 2
    made = edge.resources("AWS::CloudWatch::Alarm").values()
    assert {resource(each["Properties"]["AlarmName"]) for each in made} == wanted
    throttled = alarms()["edge-throttled"]["Metrics"]
    watched = {each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in throttled if "MetricStat" in each}
    assert {resource(each) for each in watched} == functions


def test_the_workers_that_are_watched_are_those_of_the_roster_with_their_queues() -> None:
    groups = {each["LogGroupName"] for each in filters("both")}
    assert groups == {
        f"{prefix}fleet-{worker}-prod" for worker in roster.WORKERS for prefix in ("/aws/lambda/", "/ecs/")
    }
    queues = {queue for worker in roster.WORKERS for queue in roster.app(worker).queues}
    assert {f"{queue}-stale" for queue in queues} == {name for name in alarms() if name.endswith("-stale")}


def test_each_alarm_leads_to_a_section_that_exists() -> None:
    anchors = {
        f"{page}#{anchor(heading)}"
        for page in ("alarms.md", "runbook.md")
        for heading in re.findall(r"^#+ (.*)$", (DOCS / page).read_text(), re.MULTILINE)
    }
    for name, alarm in alarms().items():
        says, _, links = alarm["AlarmDescription"].partition(". See docs/")
        link, _, page = links.partition(" and http://127.0.0.1:8400/")
        assert says, name
        assert link in anchors, f"{name} leads to {link}"
        letters = name.rpartition("-")[0] if name.endswith(("-not-empty", "-expiring")) else ""
        known = {"", "workers", f"queues/fleet-{letters.removesuffix('-not')}-prod"}
        assert page in known, f"{name} leads to {page}"
        assert bool(letters) == page.startswith("queues/")


def test_each_section_of_the_page_is_one_that_an_alarm_leads_to() -> None:
    headings = re.findall(r"^## (.*)$", (DOCS / "alarms.md").read_text(), re.MULTILINE)
    led = {alarm["AlarmDescription"].partition(". See docs/")[2].partition(" and ")[0] for alarm in alarms().values()}
    assert {f"alarms.md#{anchor(heading)}" for heading in headings} == {
        link for link in led if link.startswith("alarms.md")
    }


def test_each_event_that_the_page_tells_what_to_do_about_is_one_that_is_logged() -> None:
    table = (DOCS / "alarms.md").read_text().partition("| event | what to do |")[2].partition("\n\n")[0]
    events = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    root = DOCS.parent
    code = "".join(path.read_text() for wing in ("shared", "workers") for path in (root / wing).rglob("*.py"))
    assert len(events) > 10
    assert {name for name in events if f'"{name}"' not in code} == set()


def test_each_error_that_a_worker_logs_is_one_that_the_page_tells_what_to_do_about() -> None:
    page = (DOCS / "alarms.md").read_text()
    root = DOCS.parent
    code = "".join(path.read_text() for wing in ("shared", "workers") for path in sorted((root / wing).rglob("*.py")))
    logged = set(re.findall(r'log\.(?:error|exception|critical)\(\s*"(\w+)"', code))
    # Dead letters and dependencies have alarms of their own; lines of what browsers call make no metric.
    told_elsewhere = {"message_buried", "dependency_down", "call_failed"}
    assert len(logged) > 10
    assert {name for name in logged - told_elsewhere if f"`{name}`" not in page} == set()


def test_all_alarms_call_one_topic_when_they_begin_and_when_they_end() -> None:
    topic = "arn:aws:sns:eu-central-1:111122223333:fleet-alarms-prod"
    for name, alarm in alarms().items():
        [called], [told] = alarm["AlarmActions"], alarm["OKActions"]
        assert called == told
        assert called in {topic, "AlarmTopic"}, name
    assert stack("alarms", "prod").properties("AlarmTopic")["TopicName"] == "fleet-alarms-prod"


def test_no_dimension_can_grow_with_customers_or_messages() -> None:
    for alarm in alarms().values():
        metrics = [alarm, *(each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each)]
        assert {each["Name"] for metric in metrics for each in metric.get("Dimensions", [])} <= ALLOWED
    for each in filters("both"):
        [made] = each["MetricTransformations"]
        fields = {dimension["Key"]: dimension["Value"] for dimension in made.get("Dimensions", [])}
        assert fields.keys() <= {"Queue", "Outcome"}
        assert {*fields.values()} <= {"$.queue", "$.outcome", "$.event", "$.status"}


def test_every_metric_of_ours_that_an_alarm_watches_is_made_by_a_filter_or_by_the_command() -> None:
    made = {each["MetricTransformations"][0]["MetricName"] for each in filters()}
    watched = {
        metric["MetricName"]
        for alarm in alarms().values()
        for metric in [
            alarm,
            *(each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each),
        ]
        if metric.get("Namespace") == "fleet/prod"
    }
    assert watched - made == {METRIC}, "by `fleet dlq ls --metric emf`"
    assert made - watched == {"Uploads", "Webhooks", "Reminders"}, "the dashboards' own"


def test_who_is_not_given_is_not_called() -> None:
    def called(**parameters: str) -> set[str]:
        given = stack("alarms", "prod", **parameters)
        subscriptions = {each["Properties"]["Protocol"] for each in given.resources("AWS::SNS::Subscription").values()}
        return subscriptions | {"chat"} if given.resources("AWS::Chatbot::SlackChannelConfiguration") else subscriptions

    assert called() == set()
    assert called(AlarmEmail="ops@example.com") == {"email"}
    assert called(PagerUrl="https://pager.example.com/sns") == {"https"}
    assert called(SlackWorkspaceId="T0123", SlackChannelId="C0123") == {"chat"}


def test_only_alarms_of_this_account_publish_and_only_by_tls() -> None:
    [policy] = stack("alarms", "prod").resources("AWS::SNS::TopicPolicy").values()
    allow, deny = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Principal"], allow["Action"]) == (
        "Allow",
        {"Service": "cloudwatch.amazonaws.com"},
        "sns:Publish",
    )
    assert allow["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-central-1:111122223333:alarm:fleet-*-prod"},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }
    assert (deny["Effect"], deny["Action"], deny["Condition"]) == (
        "Deny",
        "sns:Publish",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_the_topic_is_encrypted_only_with_a_key_that_alarms_may_use() -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1"
    assert "KmsMasterKeyId" not in stack("alarms", "prod").properties("AlarmTopic")
    assert stack("alarms", "prod", TopicKeyArn=key).properties("AlarmTopic")["KmsMasterKeyId"] == key


def test_every_number_of_the_page_is_the_default_of_its_parameter() -> None:
    page = (DOCS / "alarms.md").read_text().partition("| alarm |")[2].partition("A stage that")[0].replace(",", "")
    numbers = {
        name: parameter["Default"]
        for template in templates()
        for name, parameter in template.text["Parameters"].items()
        if parameter["Type"] == "Number"
    }
    assert len(numbers) == 18
    for name, default in numbers.items():
        [row] = [row for row in page.splitlines() if f"`{name}`" in row]
        assert default == 0 or re.search(rf"\b{default}\b", row), f"{name} is {default}"


def test_the_lines_of_other_numbers_name_parameters_that_there_are() -> None:
    said = (DOCS / "alarms.md").read_text().partition("A stage that is used less")[2].partition("\n\n")[0]
    known = {name for template in templates() for name in template.text["Parameters"]}
    given = dict(re.findall(r"(\w+)=(\d+)", said))
    assert given == {"LambdaErrors": "50", "LambdaThrottles": "5", "TableThrottles": "5", "LambdaMilliseconds": "10000"}
    assert given.keys() <= known


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
