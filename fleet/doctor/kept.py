"""What a deployed stage keeps for its workers beside their stacks: secrets, and the evidence of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fleet.doctor.check import Check, Trouble, ask, fault

if TYPE_CHECKING:
    from shared.clients import Clients

TOKEN: Final = "ExpoTokenSecretArn"  # noqa: S105  the name of a parameter
SIGNING_KEY: Final = "AuditSigningKeyArn"
SUBJECT_KEYS: Final = "table subject-keys"
UNSEEN: Final = frozenset({"AccessDenied", "AccessDeniedException"})


async def hash_keys(clients: Clients, secret: str | None) -> Check:
    """The keys that hide personal data in the archive, by the secret's ARN."""
    what = "archive's hash keys"
    if secret is None:
        return Check(what, "fault", "no secret", "deploy the stack access")
    try:
        return await _secret(clients, what, secret, without="no search finds what is archived")
    except Trouble as trouble:
        return fault(what, trouble)


async def token(clients: Clients, told: Mapping[str, Mapping[str, str]]) -> Check:
    """Expo's access token, by the parameters of the stacks: the role has to be permitted to read what the worker is told of."""
    what = "Expo's access token"
    given = {name: told[name].get(TOKEN, "") for name in ("access", "workers", "services") if told[name]}
    named = {each for each in given.values() if each}
    if not named:
        return Check(what, "ok", f"none: {TOKEN} is not set, and pushes go out without one")
    if len(set(given.values())) > 1:
        said = ", ".join(f"{name} has {value or 'none'}" for name, value in given.items())
        return Check(what, "fault", said, f"give the same {TOKEN} to all of them: the worker may not read it else")
    [secret] = named
    try:
        return await _secret(clients, what, secret, without="no push goes out")
    except Trouble as trouble:
        if trouble.code in UNSEEN:
            remedy = (
                "call it `{project}-expo-token-{stage}`, which the roles that look may see, or look as an administrator"
            )
            return Check(what, "warning", f"{secret}: {trouble.code}", remedy)
        return Check(what, "fault", f"{secret}: {trouble.code}", f"make this secret, or correct {TOKEN}")


async def evidence(clients: Clients, made: Mapping[str, str], table: str, access: Mapping[str, str]) -> list[Check]:
    """Where the stack `evidence` stands (`made`: its outputs): the table of persons' keys, and that the worker may sign."""
    if not made:
        return []
    key, permitted = made.get(SIGNING_KEY, ""), access.get(SIGNING_KEY, "")
    signs = Check("archive's signing key", "ok", key)
    if key != permitted:
        remedy = f"deploy access with {SIGNING_KEY}={key}: the worker is told of the key and may not use it"
        signs = Check(signs.what, "fault", f"access was given {permitted or 'none'}", remedy)
    try:
        answer: Any = await ask((await clients.open("dynamodb")).describe_table(TableName=table))
    except Trouble as trouble:
        if trouble.code != "ResourceNotFoundException":
            return [signs, fault(SUBJECT_KEYS, trouble)]
        remedy = f"restore it from a backup as {table}: without it nobody reads, finds or erases what it hides"
        return [signs, Check(SUBJECT_KEYS, "fault", "not there", remedy)]
    state = answer["Table"]["TableStatus"]
    if state in {"ACTIVE", "UPDATING"}:
        return [signs, Check(SUBJECT_KEYS, "ok", state)]
    return [signs, Check(SUBJECT_KEYS, "fault", state, "wait until it is ACTIVE")]


async def _secret(clients: Clients, what: str, secret: str, *, without: str) -> Check:
    """How a secret is, and not what is in it. Raises Trouble."""
    found: Any = await ask((await clients.open("secretsmanager")).describe_secret(SecretId=secret))
    if found.get("DeletedDate"):
        remedy = f"aws secretsmanager restore-secret --secret-id {secret}: without it {without}"
        return Check(what, "fault", f"to be deleted at {found['DeletedDate']}", remedy)
    if not any("AWSCURRENT" in stages for stages in found.get("VersionIdsToStages", {}).values()):
        remedy = f"aws secretsmanager put-secret-value --secret-id {secret} (docs/secrets.md): without it {without}"
        return Check(what, "fault", "it has no value", remedy)
    return Check(what, "ok", found["Name"])
