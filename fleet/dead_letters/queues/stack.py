"""The names of a deployed stage, from the outputs of its stack."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError


class NoSuchStack(Exception):
    """CloudFormation knows no stack of this name in this region."""


def outputs(client: Any, *, project: str, stage: str) -> dict[str, str]:
    """The outputs of `{project}-messaging-{stage}` under the names that the fleet reads: `UploadsDlqUrl` is UPLOADS_DLQ_URL.

    Raises NoSuchStack.
    """
    stack = f"{project}-messaging-{stage}"
    try:
        [described, *_] = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # CloudFormation's way to say: no such stack
            raise NoSuchStack(f"there is no stack {stack} in {client.meta.region_name}") from error
        raise
    return {variable(each["OutputKey"]): each["OutputValue"] for each in described.get("Outputs", [])}


def variable(output_key: str) -> str:
    """The environment variable of a stack output: UPPER_SNAKE of its key."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output_key).upper()
