"""The fleet behind Lambda's door, deployed as it would be to AWS: the zip that ships, and the committed stacks `access` and `workers`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.dev.bundle import bundle
from fleet.dev.deploy import session, stand, template
from fleet.dev.emulators.ministack import Endpoint
from workers import roster

STORED = (
    "AUDIT_BATCH_SECONDS",
    "AUDIT_DIGEST_SECONDS",
    "EXPO_PUSH_URL",
    "WEBHOOK_ALLOW_LOOPBACK",
    "WEBHOOK_BREAKER_SECONDS",
    "WEBHOOK_RETRY_SCHEDULE",
    "WEBHOOK_TIMEOUT_SECONDS",
)
"""What a stage sets in Parameter Store; the emulator's stage sets stand-ins and short times there."""


@contextmanager
def functions(endpoint: Endpoint, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Deploy both stacks beside the messaging stack whose names `environment` holds; delete them at the end."""
    project = environment["UPLOADS_QUEUE_URL"].rsplit("/", 1)[-1].removesuffix("-uploads-dev")
    bucket, key = _uploaded(endpoint, project, bundle(folder / "fleet-lambda.zip"))
    token = _client(endpoint, "secretsmanager").create_secret(
        Name=f"{project}-expo-token-dev", SecretString=environment["EXPO_ACCESS_TOKEN"]
    )["ARN"]
    for worker in roster.WORKERS:
        for name in STORED:
            _client(endpoint, "ssm").put_parameter(
                Name=f"/{project}/dev/{worker}/{name}", Value=environment[name], Type="String"
            )
    named = {"ProjectName": project, "Stage": "dev", "ExpoTokenSecretArn": token}
    stand(endpoint, f"{project}-access-dev", template("access").read_text(), **named)
    stand(
        endpoint,
        f"{project}-workers-dev",
        template("workers").read_text(),
        **named,
        LambdaDeploymentBucket=bucket,
        LambdaCodeKey=key,
        LambdaRuntime="python3.11",
        WsApiEndpoint=environment["WS_API_ENDPOINT"],
        EmailSender=environment["EMAIL_SENDER"],
    )
    try:
        yield
    finally:
        client = _client(endpoint, "cloudformation")
        for stack in ("workers", "access"):
            client.delete_stack(StackName=f"{project}-{stack}-dev")
            client.get_waiter("stack_delete_complete").wait(
                StackName=f"{project}-{stack}-dev", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )


def _uploaded(endpoint: Endpoint, project: str, code: Path) -> tuple[str, str]:
    bucket = f"{project}-code"
    s3 = _client(endpoint, "s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=code.name, Body=code.read_bytes())
    return bucket, code.name


def _client(endpoint: Endpoint, service: str) -> Any:
    # One of many service names, which the stubs know only as literals.
    return session(endpoint).client(service, endpoint_url=endpoint.url_of(service))  # type: ignore[call-overload]
