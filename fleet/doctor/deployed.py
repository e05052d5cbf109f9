"""A deployed stage: its stacks, and whether each worker runs, reads its queues, is watched, and finds what is kept for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fleet.doctor import kept
from fleet.doctor.check import Check, Trouble, ask, fault
from fleet.release.alias import ALIAS
from fleet.release.stacks import DEPLOYED, OPTIONAL, ORDER
from workers import roster

if TYPE_CHECKING:
    from shared.clients import Clients

ONE_OF_MANY: Final = "ReportBatchItemFailures"
EVIDENCE: Final = "evidence"
WATCHING: Final = ("alarms", "queue-alarms", "service-alarms", "edge")
ALARM: Final = "AWS::CloudWatch::Alarm"
FILTER: Final = "AWS::Logs::MetricFilter"
ROLE: Final = "AWS::IAM::Role"
LATEST: Final = "$LATEST"
BY_HAND: Final = "docs/deploy.md, Changed by hand: a deployment without a change of its own does not bring it back"
PROJECT: Final = "fleet"
"""Whose stage commands mean that name no project."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Names are `{project}-{resource}-{stage}`."""

    project: str
    stage: str

    def name_of(self, resource: str) -> str:
        """The physical name of a resource, or of a stack."""
        return f"{self.project}-{resource}-{self.stage}"

    @property
    def deploys(self) -> str:
        """The command that deploys it; another project's stacks would be made by one that does not name it."""
        named = "" if self.project == PROJECT else f" ProjectName={self.project}"
        return f"infra/deploy.sh {self.stage}{named}, with all parameters of the last time"

    def goes_back(self, worker: str) -> str:
        """The command that lets a worker run the version before."""
        named = "" if self.project == PROJECT else f" --project {self.project}"
        return f"fleet release rollback {self.stage} {worker}{named}"


async def deployed(stage: Stage, clients: Clients) -> list[Check]:
    """Look at everything that the stacks made and that messages need. Asks nothing that changes anything."""
    stacks = {name: await _stack(stage, clients, name) for name in DEPLOYED}
    checks = [check for check, _ in stacks.values()]
    outputs = {key: value for _, made in stacks.values() for key, value in made.outputs.items()}
    for worker in roster.WORKERS:
        checks += await _worker(stage, clients, worker, outputs)
    checks.append(await _roles(stage, clients))
    checks += [await _alarms(stage, clients), await _filters(stage, clients), await _topic(clients, outputs)]
    told = {name: made.parameters for name, (_, made) in stacks.items()}
    checks += [await kept.hash_keys(clients, outputs.get("AuditHashKeysSecretArn")), await kept.token(clients, told)]
    checks += [kept.browsers(told), kept.mail(told)]
    _, evidence = await _stack(stage, clients, EVIDENCE)  # where somebody deployed it: a stage may go without
    return checks + await kept.evidence(clients, evidence.outputs, stage.name_of("subject-keys"), told["access"])


@dataclass(frozen=True, slots=True)
class Made:
    """A stack that stands: its outputs, and the parameters that it was deployed with."""

    outputs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


async def _stack(stage: Stage, clients: Clients, name: str) -> tuple[Check, Made]:
    """How a stack ended, and what it was made of."""
    what = f"stack {name}"
    try:
        answer: Any = await ask((await clients.open("cloudformation")).describe_stacks(StackName=stage.name_of(name)))
    except Trouble as trouble:
        if trouble.code != "ValidationError":  # CloudFormation's way to say: no such stack
            return fault(what, trouble), Made()
        remedy = f"deploy it: {stage.deploys}"
        return Check(what, "warning" if name in OPTIONAL else "fault", "not there", remedy), Made()
    [stack] = answer["Stacks"]
    state = stack["StackStatus"]
    made = Made(
        {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])},
    )
    if state in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        return Check(what, "ok", state), made
    if state.endswith("_IN_PROGRESS"):
        return Check(what, "warning", state, "look again when the deployment has ended"), made
    return Check(what, "fault", state, _again(stage.name_of(name), state)), made


def _again(stack: str, state: str) -> str:
    """How a stack that ended otherwise is deployed again: CloudFormation refuses to update one that never stood."""
    if state in {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}:
        first = f"aws cloudformation delete-stack --stack-name {stack}, then "
    else:
        named = f"aws cloudformation continue-update-rollback --stack-name {stack}, then "
        first = named if state == "UPDATE_ROLLBACK_FAILED" else ""
    return f"see its events in CloudFormation; {first}deploy it again"


async def _worker(stage: Stage, clients: Clients, worker: str, outputs: dict[str, str]) -> list[Check]:
    """What runs a worker: its function behind the alias, its service, or both while it moves."""
    stem = "".join(word.capitalize() for word in worker.split("-"))
    function, service = f"{stem}AliasArn" in outputs, outputs.get(f"{stem}ServiceName")
    checks = []
    if function:
        checks += await _function(stage, clients, worker)
    if service:
        checks.append(await _service(clients, worker, outputs["ClusterName"], service))
    if not checks:
        remedy = f"deploy it: the parameter {stem}Door of the stacks workers and services says where"
        checks.append(Check(f"worker {worker}", "fault", "runs nowhere: its messages wait", remedy))
    return checks


async def _function(stage: Stage, clients: Clients, worker: str) -> list[Check]:
    what, client = f"function {worker}", await clients.open("lambda")
    try:
        found: Any = await ask(client.get_function_configuration(FunctionName=stage.name_of(worker), Qualifier=ALIAS))
        mapped: Any = await ask(client.list_event_source_mappings(FunctionName=f"{stage.name_of(worker)}:{ALIAS}"))
        kept_for_it: Any = await ask(client.get_function_concurrency(FunctionName=stage.name_of(worker)))
    except Trouble as trouble:
        if trouble.code == "ResourceNotFoundException":
            return [Check(what, "fault", f"it or its alias `{ALIAS}` is not there: messages wait", BY_HAND)]
        return [fault(what, trouble)]
    said = f"version {found['Version']}, {found['Runtime']}"
    if kept_for_it.get("ReservedConcurrentExecutions") == 0:
        remedy = f"aws lambda delete-function-concurrency --function-name {stage.name_of(worker)}, unless somebody stopped it"
        checks = [Check(what, "fault", f"{said}: its reserved concurrency is 0, and messages wait", remedy)]
    elif found["Version"] == LATEST:
        remedy = (
            f"aws lambda update-alias --function-name {stage.name_of(worker)} --name {ALIAS} --function-version NUMBER"
        )
        checks = [Check(what, "fault", f"the alias `{ALIAS}` runs {LATEST}, which no release put there", remedy)]
    elif found.get("State", "Active") in {
        "Active",
        "Inactive",
    }:  # one that nobody called for weeks is made again by a call
        checks = [Check(what, "ok", said)]
    else:
        why = found.get("StateReason") or found["State"]
        checks = [Check(what, "fault", f"{said}: {why}", stage.goes_back(worker))]
    sources = {each["EventSourceArn"].rpartition(":")[2]: each for each in mapped["EventSourceMappings"]}
    return [*checks, *(_mapping(queue, sources.get(stage.name_of(queue))) for queue in roster.app(worker).queues)]


def _mapping(queue: str, mapping: Any) -> Check:
    """A mapping that is not on the alias would run what no release put there: it is not found here."""
    what = f"mapping of {queue}"
    if mapping is None:
        return Check(what, "fault", f"no mapping to the alias `{ALIAS}`: messages wait", BY_HAND)
    if ONE_OF_MANY not in (mapping.get("FunctionResponseTypes") or []):
        return Check(what, "fault", f"without {ONE_OF_MANY}: one failure fails its batch", BY_HAND)
    if mapping["State"] in {"Enabled", "Creating", "Enabling", "Updating"}:
        return Check(what, "ok", f"{mapping['State']}, batches of {mapping['BatchSize']}")
    remedy = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled, unless somebody paused it"
    return Check(what, "fault", f"{mapping['State']}: messages wait", remedy)


async def _service(clients: Clients, worker: str, cluster: str, service: str) -> Check:
    what = f"service {worker}"
    try:
        answer: Any = await ask((await clients.open("ecs")).describe_services(cluster=cluster, services=[service]))
    except Trouble as trouble:
        return fault(what, trouble)
    for found in answer["services"]:
        said = f"{found['runningCount']} of {found['desiredCount']} tasks run"
        if found["runningCount"] or not found["desiredCount"]:
            return Check(what, "ok", said)
        return Check(what, "fault", said, "see the service's events in ECS, and the log of its tasks")
    return Check(what, "fault", "not there", BY_HAND)


async def _alarms(stage: Stage, clients: Clients) -> Check:
    """Alarms of the stage that call, or that somebody switched off."""
    client = await clients.open("cloudwatch")
    names: dict[str, tuple[str, bool]] = {}
    try:
        async for page in _pages(client.describe_alarms, AlarmNamePrefix=f"{stage.project}-"):
            names |= {
                one["AlarmName"]: (one["StateValue"], one.get("ActionsEnabled", True)) for one in page["MetricAlarms"]
            }
        ours = {name: state for name, state in names.items() if name.endswith(f"-{stage.stage}")}
        missing = sorted(await _declared(stage, clients, ALARM, WATCHING) - ours.keys()) if ours else []
    except Trouble as trouble:
        return fault("alarms", trouble)
    calling = sorted(name for name, (state, _) in ours.items() if state == "ALARM")
    silent = sorted(name for name, (_, enabled) in ours.items() if not enabled)
    if not ours:
        return Check("alarms", "fault", "none: nobody hears of anything", f"deploy them: {stage.deploys}")
    if missing:
        return Check("alarms", "fault", f"deleted: {', '.join(missing)}", BY_HAND)
    if silent:
        return Check("alarms", "fault", f"switched off: {', '.join(silent)}", "aws cloudwatch enable-alarm-actions")
    if calling:
        return Check(
            "alarms",
            "warning",
            f"{len(ours)}, in alarm: {', '.join(calling)}",
            "each one's description says what to do",
        )
    return Check("alarms", "ok", f"{len(ours)}, none in alarm")


async def _filters(stage: Stage, clients: Clients) -> Check:
    """Metrics from log lines: without its filter an alarm sees nothing and is calm."""
    what, client = "metrics from logs", await clients.open("logs")
    try:
        wanted = await _declared(stage, clients, FILTER, WATCHING)
        there = {
            each["filterName"]
            async for page in _pages(client.describe_metric_filters, "nextToken")
            for each in page["metricFilters"]
        }
    except Trouble as trouble:
        return fault(what, trouble)
    if missing := sorted(wanted - there):
        return Check(what, "fault", f"deleted, and their alarms see nothing: {', '.join(missing)}", BY_HAND)
    return Check(what, "ok", f"{len(wanted)} filters")


async def _roles(stage: Stage, clients: Clients) -> Check:
    """Without its role a function stands and cannot start, and a pipe or a rule sends nothing: both look well."""
    what, client = "roles", await clients.open("iam")
    missing = []
    try:
        wanted = sorted(await _declared(stage, clients, ROLE, ORDER))
        for role in wanted:
            try:
                await ask(client.get_role(RoleName=role))
            except Trouble as trouble:
                if trouble.code not in {"NoSuchEntity", "NoSuchEntityException"}:
                    raise
                missing.append(role)
    except Trouble as trouble:
        if trouble.code in kept.UNSEEN:
            remedy = "look as an administrator, or let the workflow look, once the stack pipeline is deployed anew"
            return Check(what, "warning", trouble.code, remedy)
        return fault(what, trouble)
    if missing:
        return Check(what, "fault", f"deleted: {', '.join(missing)}", BY_HAND)
    return Check(what, "ok", f"{len(wanted)} there")


async def _declared(stage: Stage, clients: Clients, kind: str, stacks: Iterable[str]) -> set[str]:
    """What these stacks made of this kind, whether or not it is there still. Raises Trouble."""
    client = await clients.open("cloudformation")
    names: set[str] = set()
    for stack in stacks:
        try:
            async for page in _pages(client.list_stack_resources, StackName=stage.name_of(stack)):
                names |= {
                    each["PhysicalResourceId"]
                    for each in page["StackResourceSummaries"]
                    if each["ResourceType"] == kind and each.get("PhysicalResourceId")
                }
        except Trouble as trouble:
            if trouble.code != "ValidationError":  # no such stack: that has been said
                raise
    return names


async def _pages(call: Callable[..., Awaitable[Any]], key: str = "NextToken", **asked: str) -> AsyncIterator[Any]:
    """All answers of a call that tells where the next begins. Raises Trouble."""
    token: dict[str, str] = {}
    while True:
        page = await ask(call(**asked, **token))
        yield page
        if not page.get(key):
            return
        token = {key: page[key]}


async def _topic(clients: Clients, outputs: dict[str, str]) -> Check:
    what, topic = "who is called", outputs.get("AlarmTopicArn")
    if topic is None:
        return Check(what, "fault", "no topic", "deploy the stack alarms")
    try:
        answer: Any = await ask((await clients.open("sns")).list_subscriptions_by_topic(TopicArn=topic))
    except Trouble as trouble:
        return fault(what, trouble)
    states = [each["SubscriptionArn"] for each in answer["Subscriptions"]]
    confirmed = [each for each in states if each.startswith("arn:")]
    if confirmed:
        return Check(what, "ok", f"{len(confirmed)} of {len(states)} have confirmed")
    found = "nobody has confirmed" if states else "nobody"
    return Check(
        what, "warning", found, "give the stack alarms AlarmEmail, PagerUrl or a Slack channel (docs/deploy.md)"
    )
