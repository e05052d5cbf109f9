"""What the fleet reaches beyond its queues and tables: the bus, browsers, mail, push, and the stand-ins' server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from fleet.doctor.check import Check, Trouble, ask, fault

if TYPE_CHECKING:
    from types_aiobotocore_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_ses import SESClient

NO_CONNECTION = "fleetdoctor="


async def bus(events: EventBridgeClient, name: str, queue_arn: str) -> list[Check]:
    """The bus, and the rule that takes tenants' events to the webhook worker."""
    try:
        await ask(events.describe_event_bus(Name=name))
    except Trouble as trouble:
        return [fault("event bus", trouble, variable="EVENT_BUS_NAME")]
    return [Check("event bus", "ok", name), await _rule(events, "rule to webhook-events", queue_arn, bus=name)]


async def schedule(events: EventBridgeClient, queue_arn: str) -> Check:
    """The rule that ticks each minute; it lives on the default bus, where schedules are allowed."""
    return await _rule(events, "rule to reminder-ticks", queue_arn)


async def digests(events: EventBridgeClient, queue_arn: str) -> Check:
    """The rule that asks for the archive's digests; without them nobody can tell what was taken out of it."""
    return await _rule(events, "rule to audit", queue_arn)


async def websockets(client: ApiGatewayManagementApiClient) -> Check:
    """Post to a connection that cannot exist: 410 says that everything else is right."""
    what = "WebSocket API"
    try:
        await client.post_to_connection(ConnectionId=NO_CONNECTION, Data=b"{}")
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status in {400, 410}:  # 400: AWS finds that the id cannot be one, after it has let us in
            return Check(what, "ok", "may post to connections")
        remedy = "correct WS_API_ENDPOINT, and allow execute-api:ManageConnections"
        return Check(what, "fault", f"answers {status}", remedy)
    except BotoCoreError as error:
        return Check(what, "fault", type(error).__name__, "correct WS_API_ENDPOINT: nothing answers there")
    return Check(what, "warning", "takes messages for connections that do not exist", "no API Gateway would")


async def sender(ses: SESClient, address: str) -> Check:
    """The address that reminders come from, or its domain, must be verified with SES."""
    what, domain = "e-mail sender", address.rpartition("@")[2]
    try:
        answer: Any = await ask(ses.get_identity_verification_attributes(Identities=[address, domain]))
    except Trouble as trouble:
        return fault(what, trouble, variable="EMAIL_SENDER")
    states = [one["VerificationStatus"] for one in answer["VerificationAttributes"].values()]
    if "Success" in states:
        return Check(what, "ok", address)
    remedy = "verify the address or its domain with SES in this region"
    return Check(what, "fault", states[0] if states else "not verified", remedy)


async def check_reachable(client: aiohttp.ClientSession, what: str, url: str, *, variable: str) -> Check:
    """Whether anything at all answers at a URL: any HTTP status will do."""
    try:
        async with client.get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return Check(what, "ok", f"answers (HTTP {answer.status})")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Check(what, "fault", type(error).__name__, f"nothing answers at {variable}: correct it, or open the way")


async def _rule(events: EventBridgeClient, what: str, queue_arn: str, bus: str | None = None) -> Check:
    place: Mapping[str, Any] = {"EventBusName": bus} if bus else {}
    try:
        found: Any = await ask(events.list_rule_names_by_target(TargetArn=queue_arn, **place))
        names = found.get("RuleNames", [])
        rules: list[Any] = [await ask(events.describe_rule(Name=name, **place)) for name in names]
    except Trouble as trouble:
        return fault(what, trouble)
    if not rules:
        return Check(what, "fault", "no rule has this queue as its target", "deploy the messaging stack")
    enabled = [rule["Name"] for rule in rules if rule.get("State", "").startswith("ENABLED")]
    if not enabled:
        return Check(what, "fault", f"{names[0]} is disabled", f"enable the rule {names[0]}")
    return Check(what, "ok", enabled[0])
