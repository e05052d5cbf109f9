"""The template's parameters, and the stage's row of settings as the template looks it up at deployment."""

from typing import Any, Final

from aws_cdk import Aws, CfnCondition, CfnMapping, CfnParameter, Fn, ICfnConditionExpression, IResolvable, Token
from constructs import Construct

from infra.naming import PROJECT, STAGE
from infra.settings import STAGES

SWITCH: Final = ["true", "false"]
NO_KEY: Final = "NONE"


class Stage(Construct):
    """Values that are known at deployment only, as tokens."""

    def __init__(self, scope: Construct) -> None:
        """Declare parameters, mapping and conditions."""
        super().__init__(scope, "Settings")
        self._parameter(
            PROJECT,
            "fleet",
            "Names begin with it; bucket names are shared by all of AWS, so choose your own",
            allowed_pattern="[a-z][a-z0-9-]{1,28}[a-z0-9]",
        )
        self._parameter(STAGE, "dev", "Row of the settings table; names end with it", allowed_values=list(STAGES))
        pipes = self._parameter(
            "PipesEnabled", "true", "Table streams to the audit queue by EventBridge Pipes", allowed_values=SWITCH
        )
        lock = self._parameter(
            "AuditObjectLock", "false", "Object Lock on the audit bucket; choose at creation", allowed_values=SWITCH
        )
        origins = self._parameter(
            "UploadOrigins", "*", "Web origins that may upload from a browser", type="CommaDelimitedList"
        )
        senders = self._parameter(
            "DeliverySenders",
            "arn:*:iam::*:role/*webhook-delivery*,arn:*:iam::*:role/*fleet-operator*",
            "Who may send to webhook-deliveries, and so have a webhook signed: ARNs",
            type="CommaDelimitedList",
        )
        key = self._parameter(
            "KeyArn", NO_KEY, "Key of the stack `keys` for tables, buckets and queues; NONE: AWS's own"
        )
        self._row = CfnMapping(self, "Stages", mapping={name: row.as_mapping() for name, row in STAGES.items()})
        self._row.override_logical_id("Stages")

        self.piped = self._condition("Piped", Fn.condition_equals(pipes.value_as_string, "true"))
        self.audit_locked = self._condition("AuditLocked", Fn.condition_equals(lock.value_as_string, "true"))
        self.keyless = self._condition("Keyless", Fn.condition_equals(key.value_as_string, NO_KEY))
        self.point_in_time_recovery = self._switch(
            "PointInTimeRecovery", [name for name, row in STAGES.items() if row.point_in_time_recovery]
        )
        self.deletion_protection = self._switch(
            "DeletionProtection", [name for name, row in STAGES.items() if row.deletion_protection]
        )
        self.upload_origins: list[str] = origins.value_as_list
        self.delivery_senders: list[str] = senders.value_as_list
        self.upload_versioning = self._look_up("UploadVersioning")
        self.upload_retention = self._look_up("UploadRetentionDays")
        self.log_retention = self._look_up("LogRetentionDays")
        self.audit_lock_mode = self._look_up("AuditLockMode")

    def with_key(self, keyed: Any, plain: Any = Aws.NO_VALUE) -> Any:
        """`keyed` where the stage has a key of its own, `plain` elsewhere."""
        return Fn.condition_if(self.keyless.logical_id, plain, keyed)

    @property
    def key(self) -> str:
        """The ARN of the stage's key, or nothing."""
        return Token.as_string(self.with_key(Fn.ref("KeyArn")))

    def _parameter(
        self,
        key: str,
        default: str,
        description: str,
        *,
        type: str = "String",  # noqa: A002  CloudFormation's own word
        allowed_values: list[str] | None = None,
        allowed_pattern: str | None = None,
    ) -> CfnParameter:
        parameter = CfnParameter(
            self,
            key,
            type=type,
            default=default,
            description=description,
            allowed_values=allowed_values,
            allowed_pattern=allowed_pattern,
        )
        parameter.override_logical_id(key)
        return parameter

    def _look_up(self, key: str) -> str:
        return self._row.find_in_map(Fn.ref(STAGE), key)

    def _condition(self, key: str, expression: ICfnConditionExpression) -> CfnCondition:
        condition = CfnCondition(self, key, expression=expression)
        condition.override_logical_id(key)
        return condition

    def _switch(self, key: str, stages: list[str]) -> IResolvable:
        """True in `stages` (two to ten of them). Not looked up in the mapping: MiniStack's conditions do not read one."""
        condition = self._condition(key, Fn.condition_or(*[Fn.condition_equals(Fn.ref(STAGE), one) for one in stages]))
        return Fn.condition_if(condition.logical_id, True, False)
