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
NO_API: Final = "none/none"
UNSEEN: Final = frozenset({"AccessDenied", "AccessDeniedException"})


async def hash_keys(clients: Clients, secret: str | None) -> Check:
    """The keys that hide personal data in the archive, by the secret's ARN."""
    what = "archive's hash keys"
    if secret is None:
        return Check(what, "fault", "no secret", "deploy the stack access")
    try:
        return await _secret(clients, what, secret, without="no search finds what is archived")
    except Trouble as trouble:
        if trouble.code == "ResourceNotFoundException":
            remedy = "docs/deploy.md, Changed by hand; what was archived under its keys is not found by a new secret's"
            return Check(what, "fault", f"deleted: {secret}", remedy)
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


def browsers(told: Mapping[str, Mapping[str, str]]) -> Check:
    """Where the worker of uploads tells browsers, and that its role may: without an API it does not start."""
    what = "browsers' API"
    runs = [
        name
        for name, door in (("workers", "lambda"), ("services", "fargate"))
        if told[name].get("UploadNotificationDoor") in {door, "both"}
    ]
    if deaf := [name for name in runs if not told[name].get("WsApiEndpoint")]:
        remedy = "deploy edge, and deploy them with its outputs WsApiEndpoint and WebSocketApi (docs/deploy.md)"
        said = f"{', '.join(deaf)}: WsApiEndpoint is not set, and upload-notification does not start"
        return Check(what, "fault", said, remedy)
    if runs and told["access"].get("WebSocketApi", NO_API) == NO_API:
        remedy = "deploy access with the output WebSocketApi of edge: upload-notification may post to no browser else"
        return Check(what, "fault", "access: WebSocketApi is not set", remedy)
    return Check(what, "ok", told[runs[0]]["WsApiEndpoint"] if runs else "upload-notification runs nowhere here")


def mail(told: Mapping[str, Mapping[str, str]]) -> Check:
    """The address that reminders come from, and that the worker's role may send in its name."""
    what = "e-mail sender"
    senders = {told[name].get("EmailSender", "") for name in ("workers", "services")} - {""}
    permitted = told["access"].get("EmailIdentity", "")
    refused = sorted(each for each in senders if permitted not in {each, each.rpartition("@")[2]})
    if refused:
        remedy = "deploy access with EmailIdentity, this address or its domain: SES refuses the worker else"
        return Check(what, "fault", f"{', '.join(refused)}; access was given {permitted or 'none'}", remedy)
    return Check(what, "ok", ", ".join(sorted(senders)) or "none: EmailSender is not set, and no e-mail goes out")


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
