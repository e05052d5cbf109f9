"""One small function for each call of a browser, each with a role of its own."""

from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Fn, Token
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import name_of
from infra.resources.compute import grants
from infra.resources.compute.environment import settings_path
from infra.resources.compute.roles import by_lambda, role
from infra.resources.compute.settings import camel
from infra.resources.inputs import taken
from infra.resources.statements import Statement, allow

PACKAGE: Final = "workers.upload_notification.edge.functions"
NAME: Final = "edge"
SECONDS: Final = 10
"""A function's time: API Gateway itself waits 29 s for an answer, a browser less."""
MEMORY: Final = 256
"""MiB; CPU comes with it, and most of an answer is waiting."""


@dataclass(frozen=True)
class Call:
    """One of them: `does` on the table of sessions, and whether it signs forms for the bucket of uploads."""

    name: str
    does: tuple[str, ...]
    signs: bool = False

    @property
    def stem(self) -> str:
        """The CamelCase stem of its logical ids."""
        return camel(f"edge-{self.name}")

    @property
    def handler(self) -> str:
        return f"{PACKAGE}.{self.name.replace('-', '_')}"


CALLS: Final = (
    Call("open-session", ("GetItem", "PutItem", "UpdateItem"), signs=True),
    Call("read-session", ("GetItem",)),
    Call("make-token", ("GetItem", "UpdateItem")),
    Call("authorize", ("UpdateItem",)),
    Call("connect", ("UpdateItem",)),
    Call("disconnect", ("UpdateItem",)),
    Call("resume", ("GetItem",)),
)


@dataclass(frozen=True)
class Zip:
    """What all of them are made of; `retention` of their logs in days, under `key`."""

    code: lambda_.CfnFunction.CodeProperty
    runtime: str
    retention: str
    key: str


def function(scope: Construct, call: Call, made_of: Zip) -> lambda_.CfnFunction:
    """The function `{project}-edge-{call}-{stage}`, its log and its role."""
    log = logs.CfnLogGroup(
        scope,
        f"{call.stem}Log",
        log_group_name=name_of(f"{NAME}-{call.name}", prefix="/aws/lambda/"),
        retention_in_days=Token.as_number(made_of.retention),
        kms_key_id=made_of.key,
    )
    made = lambda_.CfnFunction(
        scope,
        f"{call.stem}Function",
        function_name=name_of(f"{NAME}-{call.name}"),
        architectures=["arm64"],
        runtime=made_of.runtime,
        handler=call.handler,
        code=made_of.code,
        role=role(scope, f"{NAME}-{call.name}", [by_lambda()], _may(call)).attr_arn,
        timeout=SECONDS,
        memory_size=MEMORY,
        environment=lambda_.CfnFunction.EnvironmentProperty(variables=_variables(call)),
        tracing_config=lambda_.CfnFunction.TracingConfigProperty(mode="Active"),
        logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_format="Text", log_group=log.ref),
    )
    for each in (log, made):
        each.override_logical_id(each.node.id)
    return made


def _variables(call: Call) -> dict[str, Any]:
    bucket = {"UPLOAD_BUCKET_NAME": taken("messaging", "UploadBucketName")} if call.signs else {}
    return {
        **bucket,
        "SESSIONS_TABLE_NAME": taken("messaging", "SessionsTableName"),
        "SETTINGS_PATH": settings_path(NAME),
        "AWS_SDK_UA_APP_ID": f"{NAME}-{call.name}",  # CloudTrail shows it with each call
    }


def _may(call: Call) -> list[Statement]:
    """Its own calls, its settings, its log, its traces; what it signs is done as its role."""
    group = f"/aws/lambda/${{ProjectName}}-{NAME}-{call.name}-${{Stage}}"
    settings = Fn.sub(
        f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter/${{ProjectName}}/${{Stage}}/{NAME}"
    )
    signed = [allow(["s3:PutObject"], grants.objects("uploads", "session-uploads/"))] if call.signs else []
    return [
        allow([f"dynamodb:{each}" for each in call.does], grants.table("sessions")),
        *signed,
        allow(["ssm:GetParametersByPath"], [settings]),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], [grants.log_group(group)]),
        # X-Ray knows no resources. The functions need no network of the stage's own: they call AWS alone.
        allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
    ]
