"""A worker behind Lambda's door: function, version, alias, and a mapping from each of its queues to the alias."""

import hashlib
from pathlib import Path
from typing import Any, Final

from aws_cdk import CfnCondition, CfnDeletionPolicy, Fn, IResolvable, Token
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.compute.settings import MEMORY, Source, WorkerSettings
from infra.resources.inputs import taken

ALIAS: Final = "live"


class Function(Construct):
    """One worker's function; all of it exists only where `on` holds."""

    def __init__(
        self,
        scope: Construct,
        settings: WorkerSettings,
        *,
        on: CfnCondition,
        code: lambda_.CfnFunction.CodeProperty,
        runtime: str,
        environment: dict[str, Any],
        reserved: IResolvable,
        retention: str,
        key: str,
        network: IResolvable,
        place: IResolvable,
        windows: dict[str, str],
    ) -> None:
        """`reserved`: concurrency kept for it; `retention` of its log in days, `key` its key; `network`: its VPC, or nothing, `place` a word for it; `windows` by queue, where a stage has its own."""
        super().__init__(scope, f"{settings.stem}Lambda")
        stem = settings.stem
        log_group = logs.CfnLogGroup(
            self,
            f"{stem}Log",
            log_group_name=name_of(settings.name, prefix="/aws/lambda/"),
            retention_in_days=Token.as_number(retention),
            kms_key_id=key,
        )
        said = _release(settings, place)
        function = lambda_.CfnFunction(
            self,
            f"{stem}Function",
            function_name=name_of(settings.name),
            description=said,
            architectures=["arm64"],
            runtime=runtime,
            handler=settings.handler,
            code=code,
            role=taken("access", f"{stem}RoleArn"),
            timeout=settings.timeout,
            memory_size=MEMORY,
            environment=lambda_.CfnFunction.EnvironmentProperty(variables=environment),
            vpc_config=network,
            reserved_concurrent_executions=Token.as_number(reserved),
            tracing_config=lambda_.CfnFunction.TracingConfigProperty(mode="Active"),
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_format="Text", log_group=log_group.ref),
        )
        version = lambda_.CfnVersion(self, f"{stem}Version", function_name=function.ref, description=said)
        # The version before stays, for the way back: an alias points to it again within seconds.
        version.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        self.alias = lambda_.CfnAlias(
            self, f"{stem}Alias", name=ALIAS, function_name=function.ref, function_version=version.attr_version
        )
        mappings = [self._mapping(source, windows.get(source.queue)) for source in settings.sources]
        for resource in (log_group, function, version, self.alias, *mappings):
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = on
        export(self, f"{stem}AliasArn", self.alias.ref, on=on)

    def _mapping(self, source: Source, window: str | None) -> lambda_.CfnEventSourceMapping:
        return lambda_.CfnEventSourceMapping(
            self,
            f"{source.stem}Mapping",
            event_source_arn=taken("messaging", f"{source.stem}QueueArn"),
            function_name=self.alias.ref,
            batch_size=source.batch,
            maximum_batching_window_in_seconds=source.window if window is None else Token.as_number(window),
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=source.concurrency),
            function_response_types=["ReportBatchItemFailures"],
        )


def _release(settings: WorkerSettings, place: IResolvable) -> str:
    """What a version is made of. Another text publishes another version; CloudFormation sees no other reason to.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-version.html
    """
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    parameters = ("LambdaCodeKey", "LambdaRuntime", *settings.asked.values())
    words = [hashlib.sha256(sources.encode()).hexdigest()[:12], *(f"${{{each}}}" for each in parameters)]
    return Fn.join(" ", [Fn.sub(" ".join(words)), Token.as_string(place)])
