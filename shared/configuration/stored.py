"""Settings out of Parameter Store and secrets out of Secrets Manager, read at a door, as if the environment held them.

    SETTINGS_PATH=/fleet/prod/webhook-delivery   the parameter `.../LOG_LEVEL` below it stands for the variable LOG_LEVEL
    AUDIT_HASH_KEYS_SECRET_ARN=arn:aws:...       the secret's text stands for the variable AUDIT_HASH_KEYS

What the environment itself says wins over a parameter. Where neither is set no call is made. Parameters are read
this once; what uses a secret for long asks `Secret` (secret.py), which reads it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import Clients
from shared.configuration.secret import SECRET, read_version
from shared.outcome import code_of
from shared.settings import SettingsError

PATH: Final = "SETTINGS_PATH"

_NAME = re.compile("[A-Z][A-Z0-9_]*")


async def read_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with what is stored for it.

    Raises SettingsError: a secret or the path cannot be read; a parameter does not name a setting, or names one of AWS's own
    clients, which read the process's environment alone; a variable is given both as a text and as a secret.
    """
    path = environment.get(PATH)
    secrets = {name.removesuffix(SECRET): arn for name, arn in environment.items() if name.endswith(SECRET) and arn}
    if both := sorted(name for name in secrets if environment.get(name)):
        raise SettingsError(f"set one of the two: {', '.join(f'{name} or {name}{SECRET}' for name in both)}")
    if not path and not secrets:
        return environment
    async with Clients(environment) as clients:
        stored = await _parameters(await clients.open("ssm"), path) if path else {}
        if both := sorted(secrets.keys() & stored.keys()):
            raise SettingsError(f"a secret does not belong in {PATH}: {', '.join(both)}")
        kept = await clients.open("secretsmanager") if secrets else None
        read = {name: await read_version(kept, name, arn) for name, arn in secrets.items()}
    given = {name: value for name, value in environment.items() if value}  # an empty variable counts as unset
    return {**stored, **given, **read}


async def _parameters(client: Any, path: str) -> dict[str, str]:
    """The parameters right below the path, by the last part of their names."""
    found: dict[str, str] = {}
    asked: dict[str, Any] = {"Path": path.rstrip("/"), "WithDecryption": False}
    while True:
        try:
            answer = await client.get_parameters_by_path(**asked)
        except (ClientError, BotoCoreError) as error:
            raise SettingsError(f"{PATH}: {path} cannot be read ({code_of(error)})") from error
        for each in answer["Parameters"]:
            name = each["Name"].rpartition("/")[2]
            if not _NAME.fullmatch(name) or name.startswith("AWS_"):
                raise SettingsError(f"{PATH}: {each['Name']} is not a setting of any worker: delete or rename it")
            found[name] = each["Value"]
        if not answer.get("NextToken"):
            return found
        asked["NextToken"] = answer["NextToken"]
