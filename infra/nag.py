"""What AWS's own rules (cdk-nag, AwsSolutions) find in the stacks, and why each of it stays: `python -m infra.nag`. Asks no network."""

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from infra.app import app
from infra.concerns import CONCERNS
from infra.resources.compute.table import WORKERS
from infra.resources.concern import OwnBucket, filled

_WIDE: Final = r"AwsSolutions-IAM5\[Resource::"
_PEOPLE: Final = "(access: (FleetOperator|Reader)|pipeline: Deployer)Role: "
_WORKERS: Final = f"access: ({'|'.join(each.stem for each in WORKERS)})"

ACCEPTED: Final[Mapping[str, str]] = {
    # What everybody's calls need: tests/infra/test_access.py holds each grant against the calls that were recorded.
    rf"{_WORKERS}Role: {_WIDE}[*]\]": "X-Ray's puts know no resources, nor does what Lambda needs to put a function into a network",
    rf"{_WORKERS}Role: {_WIDE}.*:log-group:/aws/lambda/.*:[*]\]": "streams of its own log group, named by Lambda",
    rf"(access: \w+|pipeline: Deployer)Role: {_WIDE}.*:s3:::[^/*]+/[^/*]+[/=-][*]\]": "objects below one prefix of one bucket",
    rf"access: \w+Role: {_WIDE}.*-payloads-<Stage>/[*]\]": "a body's key is its hash: any object of a bucket that holds nothing else",
    rf"access: UploadNotificationRole: {_WIDE}.*/POST/@connections/[*]\]": "a post to one of a browser's connections, whose ids come and go",
    rf"access: ReminderDispatchRole: {_WIDE}.*:(configuration-set|template)/[*]\]": "reminders name their templates; the sender is one identity",
    rf"access: AuditArchiveRole: {_WIDE}.*/stream/[*]\]": "a table's stream ends with the moment when it was switched on",
    rf"access: TaskExecutionRole: {_WIDE}[*]\]": "a registry's token is not one repository's",
    rf"access: TaskExecutionRole: {_WIDE}.*:log-group:/ecs/.*\]": "one role starts the tasks of all workers: groups of its stage",
    rf"access: ReleaseRole: {_WIDE}[*]\]": "cloudwatch:DescribeAlarms with a list of names asks for all",
    rf"access: (Release|FleetOperator)Role: {_WIDE}.*:function:.*-<Stage>:[*]\]": "versions and the alias of one worker's function",
    rf"access: ProducerRole: {_WIDE}.*:stack/<ProjectName>-messaging-<Stage>/[*]\]": "one stack: its id ends with what AWS chooses",
    # Looking at a stage: no action among these changes anything.
    rf"{_PEOPLE}{_WIDE}[*]\]": "questions about an account's rules, functions, alarms and topics, which know no resources",
    rf"{_PEOPLE}{_WIDE}.*:stack/<ProjectName>-[*]-<Stage>/[*]\]": "the stage's own stacks",
    rf"{_PEOPLE}{_WIDE}.*:secret:<ProjectName>-(audit-hash-keys|expo-token)-<Stage>-[*]\]": "one secret, described and not read: its ARN ends with what AWS chooses",
    rf"{_PEOPLE}{_WIDE}.*:log-group:/(aws/lambda|ecs)/<ProjectName>-[*]-<Stage>:[*]\]": "a question over the lines of the stage's own workers",
    rf"{_PEOPLE}{_WIDE}.*:<ProjectName>-[*](-dlq)?-<Stage>\]": "the stage's own queues: a letter may have come to any of them",
    # Deploying a stage.
    r"pipeline: DeploymentRole: AwsSolutions-IAM4.*PowerUserAccess\]": "CloudFormation makes a dozen kinds of resources as this role, and nobody else can take it on",
    rf"pipeline: DeploymentRole: {_WIDE}.*:role/<ProjectName>-[*]-<Stage>\]": "roles that it may make are the stage's own",
    rf"pipeline: DeployerRole: {_WIDE}.*:role/<ProjectName>-[*]-<Stage>\]": "whether each role of the stage is there, and nothing else of it",
    r"pipeline: Boundary: AwsSolutions-IAM5.*": "a bound and no grant: each role's own policy says what of it it may do",
    r"care: BackupRole: AwsSolutions-IAM4.*AWSBackupServiceRolePolicyForBackup\]": "what a backup takes changes with the service; AWS keeps this policy, and it makes backups alone",
    # What browsers call: tests/infra/test_edge_template.py holds each role against its function's calls.
    rf"edge: Edge\w+Role: {_WIDE}[*]\]": "X-Ray's puts know no resources",
    rf"edge: Edge\w+Role: {_WIDE}.*:log-group:/aws/lambda/.*:[*]\]": "streams of its own log group, named by Lambda",
    rf"edge: EdgeOpenSessionRole: {_WIDE}.*/session-uploads/[*]\]": "a form is for any one object below the prefix of sessions",
    r"edge: Edge\w+Function: AwsSolutions-L1": "the zip says which Python it was built for: the parameter LambdaRuntime",
    r"edge: OpenSessionRoute: AwsSolutions-APIG4": "a JWT or IAM, by a condition that the rule cannot read",
    r"edge: (ReadSession|MakeToken)Route: AwsSolutions-APIG4": "the session's own secret authorizes, which the function compares",
    r"edge: (Disconnect|Resume)Route: AwsSolutions-APIG4": "who was let in at $connect; API Gateway takes no authorizer there",
    r"edge: (Sessions|Browsers)Stage: AwsSolutions-APIG1": "each function logs its call; an access log would keep the query, and with it tokens",
    # What is otherwise on purpose.
    r"(messaging: \w+Bucket|evidence: Heads): AwsSolutions-S1": "who called what is CloudTrail's to tell (data events); access logs are best effort, and a bucket more",
    r"messaging: \w+Table: AwsSolutions-DDB3": "recovery to any second is on in staging and prod by a condition, which the rule cannot read; dev may lose its data",
    r"messaging: EventsUndeliveredQueue: AwsSolutions-SQS3": "it is the last queue of undelivered events; the rule sees that of queues which a queue redrives into",
    r"access: AuditHashKeys: AwsSolutions-SMG4": "a new hash key makes new hashes: a person adds one in front and keeps the others, or searches find nothing",
    r"workers: \w+Function: AwsSolutions-L1": "the zip says which Python it was built for: the parameter LambdaRuntime",
    r"services: \w+Task: AwsSolutions-ECS2": "names of queues and tables and no secret; a change of them is a deployment, with a way back",
    **{
        rf"access: {each.stem}Role: {_WIDE}.*-{each.name}-<Stage>/[*]\]": "any object of a bucket of the worker's own"
        for each in filled(CONCERNS, OwnBucket)
    },
}
"""Why a finding stays, by a regular expression over `stack: resource: rule`."""


def findings() -> Iterator[str]:
    """All that the rules find, accepted or not, as `stack: resource: rule`."""
    with tempfile.TemporaryDirectory() as outdir:
        made = app(outdir)
        from aws_cdk import CfnResource, Stack  # noqa: PLC0415  importing it starts Node, whose banner `app` silences
        from cdk_nag import AwsSolutionsChecks  # noqa: PLC0415  as above

        made.synth()
        rules = AwsSolutionsChecks(made)
        for stack in made.node.children:
            for each in stack.node.find_all():
                if CfnResource.is_cfn_resource(each):
                    # One by one: a report over a whole app does not say of which resource it speaks.
                    name = Stack.of(each).resolve(cast("CfnResource", each).logical_id)
                    for violation in rules.validate_scope(each).violations:
                        yield f"{stack.node.id}: {name}: {violation.rule_name}"


def faults(found: Iterable[str], accepted: Mapping[str, str] = ACCEPTED) -> list[str]:
    """What nobody has accepted, and what was accepted and is found no more."""
    every = [*found]
    new = [each for each in every if not any(re.fullmatch(pattern, each) for pattern in accepted)]
    gone = [pattern for pattern in accepted if not any(re.fullmatch(pattern, each) for each in every)]
    return [
        *(f"{each}: mend it, or say in infra/nag.py why it stays" for each in new),
        *(f"{pattern}: is found no more: take it out of infra/nag.py" for pattern in gone),
    ]


def main() -> int:
    """Exit status of the command: 1 where there is a fault."""
    found = [*findings()]
    wrong = faults(found)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{len(found)} findings, {len(ACCEPTED)} reasons, {len(wrong)} faults\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
