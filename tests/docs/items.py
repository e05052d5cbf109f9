"""docs/schemas/items.schema.json: the items of the tables in plain form, written from models. `python -m tests.docs.items` writes it anew.

An occurrence is the worker's own model; of the others nothing is modelled where they are read, and test_items.py holds these to what the code
writes, and to what `fleet doctor --rows` finds wrong.
"""

import json
import re
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from tests.docs.messages import DOCS
from workers.reminder_dispatch.schedule.occurrence import Content, State, _Schedule
from workers.upload_notification import rules

FILE = DOCS / "schemas" / "items.schema.json"
INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
DUE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"

Instant = Annotated[str, Field(pattern=INSTANT)]
Due = Annotated[str, Field(pattern=DUE)]
EpochSeconds = Annotated[float, Field(ge=0, lt=2**36, description="epoch seconds")]


class Item(BaseModel):
    """Nothing else stands in it."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)


class Occurrence(State, Content, _Schedule):
    """One occurrence of a reminder, in the table `reminders`. You write the first one, or better its client does."""

    model_config = ConfigDict(extra="forbid")

    pk: str = Field(alias="PK", pattern="^REMINDER#.")
    sk: str = Field(alias="SK", pattern=DUE.replace("^", "^AT#"))
    gsi1pk: str = Field(
        default="",
        alias="GSI1PK",
        pattern=r"^DUE#\d{4}-\d\d-\d\dT\d\d:\d\d#(0\d|1[0-5])$",
        description="while it waits",
    )
    gsi1sk: str = Field(default="", alias="GSI1SK", min_length=1, description="while it waits")
    entity: Literal["occurrence"] = "occurrence"
    reminder_id: str = Field(alias="reminderId", min_length=1)
    due_at: Due = Field(alias="dueAt")
    revision: int = Field(default=0, ge=0)
    reason: str = ""
    sent_at: Instant = Field(default="", alias="sentAt")
    receipt: Literal["DELIVERED", "RECEIPT_FAILED", "RECEIPT_MISSING"] = "DELIVERED"
    receipt_reason: str = Field(default="", alias="receiptReason")
    receipt_at: Instant = Field(default="", alias="receiptAt")
    ttl: EpochSeconds = Field(default=0, alias="TTL")


class Reminder(Item):
    """The head of a reminder that its client wrote, beside its occurrences."""

    PK: str = Field(pattern="^REMINDER#.")
    SK: Literal["HEAD"]
    GSI1PK: str = Field(pattern="^TENANT#.")
    GSI1SK: str = Field(pattern="^REMINDER#.")
    entity: Literal["reminder"]
    reminderId: str
    tenantId: str
    revision: int = Field(ge=1)
    status: Literal["ACTIVE", "CANCELLED"]
    channel: Literal["push", "email", "webhook"]
    at: str
    timeZone: str
    rule: str
    createdAt: Instant
    updatedAt: Instant
    fingerprint: str
    TTL: EpochSeconds = 0


class OldSecret(Item):
    secret: str
    expiresAt: EpochSeconds


class Owed(Item):
    kind: str
    detail: str


class Endpoint(Item):
    """An endpoint of a tenant, in the table `webhooks`. You write it, or better its client does."""

    PK: str = Field(pattern="^TENANT#.")
    SK: str = Field(pattern="^ENDPOINT#.")
    GSI1PK: str = Field(default="", pattern="^ENDPOINT#.")
    GSI1SK: Literal["ENDPOINT"] = "ENDPOINT"
    entity: Literal["endpoint"] = "endpoint"
    tenantId: str = ""
    endpointId: str = Field(min_length=1, description="the id in SK")
    url: str = Field(pattern="^https?://", description="https; http in development alone")
    secret: str = Field(pattern="^(whsec_|whsk_|sealed:1:)")
    previousSecrets: list[str | OldSecret] = []
    eventTypes: list[Annotated[str, Field(pattern=r"^(\*|[^*]+(\.\*)?)$")]] = Field(min_length=1)
    enabled: bool
    disabledReason: str = ""
    createdAt: Instant = ""
    channels: list[str] = []
    eventPattern: str = ""
    customHeaders: dict[str, str] = {}
    payloadLimit: int = Field(default=0, ge=1)
    retrySchedule: list[Annotated[float, Field(ge=0)]] = []
    atMostOnce: bool = False
    expiresAfter: float = Field(default=1, ge=1)
    rateLimit: float = Field(default=1, gt=0)
    failingSince: Instant = ""
    failedAt: Instant = ""
    warned: int = 0
    owed: list[Owed] = []


class Attempt(Item):
    """One attempt of a delivery, in the table `webhooks`. The worker writes it."""

    PK: str = Field(pattern="^DELIVERY#.")
    SK: str = Field(pattern=r"^ATTEMPT#\d{4}$")
    GSI1PK: str = Field(default="", pattern="^ENDPOINT#.")
    GSI1SK: str = Field(default="", pattern="^ATTEMPT#.")
    entity: Literal["attempt"]
    eventType: str
    status: Literal["SENDING", "DELIVERED", "FAILED"]
    fingerprint: str
    startedAt: Instant
    claimedUntil: EpochSeconds
    TTL: EpochSeconds
    finishedAt: Instant = ""
    durationMs: int = Field(default=0, ge=0)
    httpStatus: int = Field(default=0, ge=0, le=999)
    error: str = ""
    response: str = ""
    nextAt: Instant = ""
    outcome: Literal["EXHAUSTED", "CANCELLED"] = "EXHAUSTED"
    settled: bool = False
    madeBy: str = ""
    resent: str = ""
    correlationId: str = ""
    webhookPayload: str = ""
    expungedAt: Instant = ""


class Session(Item):
    """One upload session, in the table `sessions`. You write it, or better its client does; the worker moves it on."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^(seq|scan)#[0-9a-f]{16}": {"type": "string"}}})

    sessionId: str = Field(pattern="^[^/]+$")
    status: str = Field(json_schema_extra={"enum": [*rules.OPEN, rules.COMPLETE, rules.REJECTED, rules.EXPIRED]})
    expiresAt: int = Field(ge=0, lt=2**36, description="epoch seconds")
    createdAt: str | float = ""
    tenantId: str = ""
    wsConnectionId: str = ""
    allowedTypes: list[Annotated[str, Field(pattern="/")]] = Field(default=[], min_length=1)
    maxBytes: int = Field(default=0, ge=1)
    minBytes: int = Field(default=0, ge=1)
    scanRequired: bool = False
    secretHash: str = ""
    connectHash: str = ""
    uploadKey: str = ""
    size: int = Field(default=0, ge=0)
    etag: str = ""
    versionId: str = ""
    sequencer: str = ""
    uploadedAt: Instant = ""
    contentType: str = ""
    reason: str = ""
    checksumSha256: str = ""
    otherFiles: list[dict[str, str | float]] = []
    announcedSequencer: str = ""
    announceUntil: EpochSeconds = 0
    announcedTo: str = ""
    busySince: EpochSeconds = 0


class Claim(Item):
    """A claim on a piece of work, in the table `ledger`. The worker writes it."""

    key: str
    owner: str
    state: Literal["CLAIMED", "DONE"]
    fingerprint: str = ""
    claimedUntil: EpochSeconds = 0
    expiresAt: EpochSeconds
    result: str = ""


MODELS: dict[str, type[BaseModel]] = {
    "session": Session,
    "occurrence": Occurrence,
    "reminder": Reminder,
    "endpoint": Endpoint,
    "attempt": Attempt,
    "claim": Claim,
}
"""By the names of their examples in docs/data-model.md."""


def examples() -> dict[str, Any]:
    page = (DOCS / "data-model.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- validates: (\S+) -->\n```json\n(.*?)```", page, re.DOTALL)
    return {name: json.loads(text) for name, text in found if name in MODELS}


def document() -> dict[str, Any]:
    """A definition for each item: `items.schema.json#/$defs/Endpoint`."""
    wanted: Any = [(model, "validation") for model in MODELS.values()]
    _, made = models_json_schema(wanted, by_alias=True, ref_template="#/$defs/{model}")
    for name, example in examples().items():
        made["$defs"][MODELS[name].__name__]["examples"] = [example]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Items of sqs-worker-fleet's tables",
        "description": "In plain JSON, one definition for each: a number is DynamoDB's N, a list its L. What is missing has no attribute. Rules across attributes: docs/data-model.md.",
        **made,
    }


def text() -> str:
    return json.dumps(_without_defaults(document()), indent=2, ensure_ascii=False) + "\n"


def _without_defaults(node: Any) -> Any:
    """An attribute that may be missing has no default here: what stands for it is the reader's business."""
    match node:
        case dict():
            return {
                name: _without_defaults(each)
                for name, each in node.items()
                if not (name == "default" and "properties" not in node) or name == "examples"
            }
        case list():
            return [_without_defaults(each) for each in node]
        case _:
            return node


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
