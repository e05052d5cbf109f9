"""The stack `access`: who may do what, and the key that hides personal data in the archive."""

import string
from typing import Any

from aws_cdk import CfnDeletionPolicy, Fn
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.concerns import CONCERNS
from infra.naming import name_of
from infra.outputs import export
from infra.resources.compute import grants, people
from infra.resources.compute.roles import by_lambda, by_pods, by_principals, by_releases, by_tasks, role
from infra.resources.compute.settings import camel
from infra.resources.compute.table import WORKERS
from infra.resources.concern import Concern
from infra.resources.inputs import Inputs, where
from infra.resources.statements import Statement, allow
from infra.stack import FleetStack


class AccessStack(FleetStack):
    """Needs no other stack: names tell it what roles are for."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "access", "Roles and secrets of the worker fleet")
        self._inputs = Inputs(self)
        self._workers()
        self._tasks()
        role(self, "release", [by_releases()], people.release())
        for name, statements in (
            ("producer", people.producer()),
            # The messaging stack's parameter DeliverySenders knows an operator by this name.
            ("fleet-operator", [*people.operator(), *self._signed([*grants.heads_read(), _subjects()])]),
            ("reader", [*people.reader(), *self._signed(grants.heads_read())]),
        ):
            role(self, name, [by_principals(self._people(name))], statements)

    def _people(self, name: str) -> Any:
        """Who may take on a role: whom the parameter names, else whom the account's administrators permit to."""
        key = f"{camel(name)}Principals"
        listed = self._inputs.names(key, f"ARNs that may take on the role {name}; none: IAM says who", default="")
        named = self._inputs.condition(f"{key}Given", Fn.condition_not(Fn.condition_equals(Fn.join("", listed), "")))
        account = Fn.sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
        return Fn.condition_if(named.logical_id, Fn.ref(key), account)

    def _workers(self) -> None:
        inputs = self._inputs
        inputs.text(
            "WebSocketApi",
            "Browsers' WebSocket API: ID/STAGE",
            default="none/none",
            pattern="[a-z0-9]+/[A-Za-z0-9_$-]+",
        )
        connections = (
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}/POST/@connections/*"
        )
        inputs.text(
            "EmailIdentity", "Domain or address, verified with SES, that reminders come from", default="none.invalid"
        )
        mail = [
            Fn.sub(f"arn:${{AWS::Partition}}:ses:${{AWS::Region}}:${{AWS::AccountId}}:{each}")
            for each in ("identity/${EmailIdentity}", "configuration-set/*", "template/*")
        ]
        token = inputs.text("ExpoTokenSecretArn", "Secret with Expo's access token, where it asks for one", default="")
        given = inputs.condition("ExpoTokenGiven", Fn.condition_not(Fn.condition_equals(token, "")))
        own: dict[str, list[Any]] = {
            "upload-notification": grants.upload_notification(Fn.sub(connections)),
            "webhook-delivery": [
                *grants.webhook_delivery(),
                self._with_key("WebhookSecretsKeyArn", "Key that opens endpoints' signing secrets", "kms:Decrypt"),
            ],
            "reminder-dispatch": [
                *grants.reminder_dispatch(*mail),
                where(given, allow(["secretsmanager:GetSecretValue"], [token])),
            ],
            "audit-archive": [
                *grants.audit_archive(self._hash_keys()),
                self._with_key(
                    "AuditSigningKeyArn", "Key that signs digests of the archive", "kms:GetPublicKey", "kms:Sign"
                ),
                *self._signed([*grants.heads_kept(), _subjects()]),
            ],
            **{each.name: [*grants.once(), *_asked_for(each)] for each in CONCERNS},
        }
        in_network = inputs.in_network(inputs.names("Subnets", "Subnets of functions", default=""))
        placed = where(in_network, grants.in_a_network())
        cluster = inputs.text("ClusterArn", "Cluster of EKS whose pods take roles on", default="NONE")
        podded = inputs.condition("Podded", Fn.condition_not(Fn.condition_equals(cluster, "NONE")))
        trusted = [by_lambda(), by_tasks(), where(podded, by_pods(cluster))]
        for each in WORKERS:
            role(self, each.name, trusted, [*grants.every_worker(each), *own[each.name], placed])

    def _with_key(self, parameter: str, what: str, *actions: str) -> Any:
        """A statement on a key of KMS, where the parameter names one."""
        key = self._inputs.text(parameter, f"{what}: its ARN", default="")
        given = self._inputs.condition(
            parameter.replace("Arn", "Given"), Fn.condition_not(Fn.condition_equals(key, ""))
        )
        return where(given, allow([*actions], [key]))

    @staticmethod
    def _signed(statements: list[Statement]) -> list[Any]:
        """Statements about the stack `evidence`, where its key is named."""
        return [Fn.condition_if("AuditSigningKeyGiven", each, Fn.ref("AWS::NoValue")) for each in statements]

    def _hash_keys(self) -> str:
        """The ARN of the secret. Its value is made by AWS and seen by nobody; who loses it loses every search in the archive."""
        secret = secretsmanager.CfnSecret(
            self,
            "AuditHashKeys",
            name=name_of("audit-hash-keys"),
            description="Keys that hide personal data in the audit archive: the first one makes new hashes",
            # 64 letters and digits are 48 bytes of Base64.
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                secret_string_template="{}",  # noqa: S106  no secret: what the generated one is added to
                generate_string_key="k1",
                password_length=64,
                exclude_characters=string.punctuation,
            ),
        )
        secret.override_logical_id("AuditHashKeys")
        secret.cfn_options.deletion_policy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE
        secret.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        export(self, "AuditHashKeysSecretArn", secret.ref)
        return secret.ref

    def _tasks(self) -> None:
        """Starts tasks of Fargate: pulls the image, and writes what it prints."""
        self._inputs.text(
            "ImageRepository", "Repository of the image, in this account's registry", default="fleet-workers"
        )
        repository = Fn.sub("arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${ImageRepository}")
        groups = grants.log_group("/ecs/${ProjectName}-*-${Stage}")
        role(
            self,
            "task-execution",
            [by_tasks()],
            [
                allow(["ecr:GetAuthorizationToken"], ["*"]),  # a registry's token is not one repository's
                allow(
                    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [repository]
                ),
                allow(["logs:CreateLogStream", "logs:PutLogEvents"], [groups]),
            ],
        )


def _subjects() -> Statement:
    """The worker hides with the keys of persons; an operator searches with them, and erases."""
    return allow(["dynamodb:BatchGetItem", "dynamodb:PutItem"], grants.table("subject-keys"))


def _asked_for(concern: Concern) -> list[Statement]:
    """What the file of a concern says that its worker may do."""
    return [
        allow(
            each.actions,
            [*grants.table(*each.tables), *(arn for bucket in each.buckets for arn in grants.objects(bucket, ""))],
        )
        for each in concern.grants
    ]
