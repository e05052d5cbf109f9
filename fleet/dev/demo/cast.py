"""Who and what appears in the demo: files with odd names, customers' endpoints, reminders in three time zones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from workers.reminder_dispatch.schedule.zones import read_zone
from workers.reminder_dispatch.table.keys import due_text, index_keys, key_of

Item = dict[str, Any]
"""A row in DynamoDB's typed JSON."""

KIB = 1024
PART = 5 * KIB * KIB
"""Bytes of a multipart upload's parts: S3 allows no smaller ones, but for the last."""

Browser = Literal["notified", "nobody watching", "left before"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of `size` bytes to be uploaded in a session of its own, and who is watching there.

    `content`: its bytes, random ones where None; `draft`: what is uploaded first, and replaced by it; `asks`: attributes of the
    session, in typed JSON; `scan`: what the malware scan says of it; `status` and `reason`: what the session must end with;
    `has_tenant`: whether the session is of the customer whose webhooks hear of it.
    """

    session_id: str
    name: str
    size: int
    browser: Browser = "notified"
    content: bytes | None = field(default=None, repr=False)
    draft: bytes | None = field(default=None, repr=False)
    asks: Mapping[str, Any] = field(default_factory=dict)
    scan: str | None = None
    status: str = "UPLOADED"
    reason: str | None = None
    has_tenant: bool = True

    @property
    def key(self) -> str:
        return f"session-uploads/{self.session_id}/{self.name}"


@dataclass(frozen=True, slots=True)
class Customer:
    """A webhook endpoint at the receiver's `path`, and what it takes."""

    name: str
    path: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Appointment:
    """A reminder that is due at `due_at`; `rule` makes it come again. `waits`: why it is not sent while the demo runs."""

    reminder_id: str
    channel: Literal["push", "email", "webhook"]
    time_zone: str
    due_at: datetime
    rule: str | None = None
    waits: Literal["", "quiet hours", "Expo: UNAUTHORIZED"] = ""

    @property
    def quiet_hours(self) -> tuple[str, str]:
        """From an hour before it is due to two hours after, where it lives."""
        here = self.due_at.astimezone(read_zone(self.time_zone))
        return f"{here - timedelta(hours=1):%H:%M}", f"{here + timedelta(hours=2):%H:%M}"

    @property
    def local_time(self) -> str:
        """The wall clock where the reminder lives, without offset."""
        return self.due_at.astimezone(read_zone(self.time_zone)).replace(tzinfo=None).isoformat()

    @property
    def token(self) -> str:
        return f"ExponentPushToken[{'refused-' if self.waits.startswith('Expo') else ''}{self.reminder_id}]"


def files(run: str) -> tuple[File, ...]:
    """The first wave: sizes from one byte to a multipart upload, and names that break careless key decoding."""
    named: tuple[tuple[str, int, Browser], ...] = (
        ("one-byte.bin", 1, "notified"),
        ("holiday film + map.bin", 100 * KIB, "notified"),
        ("Grüße/aus Köln/100%.bin", 300 * KIB, "notified"),
        ("🎉 party #1.bin", 70 * KIB, "notified"),
        ("a+b c%20d&e=f?.bin", 20, "notified"),
        ("a film in two parts.bin", 6 * KIB * KIB, "notified"),
        ("nobody is watching.bin", 10 * KIB, "nobody watching"),
        ("the browser has left.bin", 10 * KIB, "left before"),
    )
    return tuple(File(f"{run}-{number}", *each) for number, each in enumerate(named, start=1))


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64)
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*"
"""What every scanner takes for a virus, and nothing else does; in two parts, or it would take this file for one.

https://www.eicar.org/download-anti-malware-testfile/
"""

_PICTURES: Mapping[str, Any] = {"allowedTypes": {"L": [{"S": "image/*"}]}}
_SCANNED: Mapping[str, Any] = {"scanRequired": {"BOOL": True}}


def judged_files(run: str) -> tuple[File, ...]:
    """Files of the first wave whose sessions ask for a verdict, each with the one that it must get; of nobody who has webhooks."""

    def judged(name: str, content: bytes, status: str, reason: str | None = None, **more: Any) -> File:
        session = f"{run}-judged-{name.partition('.')[0].replace(' ', '-')}"
        verdict: dict[str, Any] = {"status": status, "reason": reason}
        return File(session, name, len(content), content=content, has_tenant=False, **verdict, **more)

    polyglot = b"GIF89a/*\x01\0*/=1;alert(1)//"
    return (
        judged("a picture.png", PNG, "COMPLETE", asks=_PICTURES),
        judged("both picture and script.gif", polyglot, "REJECTED", "content_mismatch", asks=_PICTURES),
        judged("nothing.png", b"", "REJECTED", "empty", asks=_PICTURES),
        judged("infected.txt", EICAR, "REJECTED", "threats_found", asks=_SCANNED, scan="THREATS_FOUND"),
        judged(
            "replaced before its scan.png",
            PNG + bytes(100),
            "COMPLETE",
            draft=PNG,
            asks={**_PICTURES, **_SCANNED},
            scan="NO_THREATS_FOUND",
        ),
    )


def scan_result(file: File, *, bucket: str, etag: str, version: str | None, now: datetime) -> Mapping[str, Any]:
    """What GuardDuty Malware Protection for S3 says on the account's bus when it has looked at this very file."""
    about = {"bucketName": bucket, "objectKey": file.key, "eTag": etag, **({"versionId": version} if version else {})}
    return {
        "version": "0",
        "id": f"scan-of-{file.session_id}",
        "source": "aws.guardduty",
        "detail-type": "GuardDuty Malware Protection Object Scan Result",
        "time": _instant(now),
        "detail": {
            "schemaVersion": "1.0",
            "scanStatus": "COMPLETED",
            "resourceType": "S3_OBJECT",
            "s3ObjectDetails": about,
            "scanResultDetails": {"scanResultStatus": file.scan},
        },
    }


def files_under_fire(run: str) -> tuple[File, ...]:
    """The second wave: a worker is killed while it works on these."""
    return tuple(File(f"{run}-kill-{number}", f"under fire {number}.bin", 5 * KIB) for number in range(1, 7))


REFUSING = "refusing"
"""An Expo project that takes nothing of us: its tokens say so to the stand-in."""

DOWN = Customer("down at first", "/down", ("order.placed",))
"""Fails once for each webhook, has asked for no retries, and is registered when its orders are placed."""


def customers() -> tuple[Customer, ...]:
    """One that is well and wants everything, one that fails twice for each webhook, one that is gone."""
    return (
        Customer("healthy", "/ok", ("*",)),
        Customer("fails twice", "/flaky", ("upload.*",)),
        Customer("gone", "/gone", ("upload.completed",)),
    )


def appointments(run: str, *, now: datetime) -> tuple[Appointment, ...]:
    """Due now, wherever their wall clocks stand; the first one comes again every day, the last two wait."""
    due = now.astimezone(UTC).replace(microsecond=0)
    return (
        Appointment(f"{run}-push", "push", "Europe/Berlin", due, rule="FREQ=DAILY;COUNT=3"),
        Appointment(f"{run}-email", "email", "America/New_York", due),
        Appointment(f"{run}-webhook", "webhook", "Asia/Kolkata", due),
        Appointment(f"{run}-quiet", "push", "Asia/Tokyo", due, waits="quiet hours"),
        Appointment(f"{run}-refused", "push", "Europe/Paris", due, waits="Expo: UNAUTHORIZED"),
    )


def appointments_under_fire(run: str, *, now: datetime) -> tuple[Appointment, ...]:
    """Reminders of the second wave."""
    due = now.astimezone(UTC).replace(microsecond=0)
    zones = ("Pacific/Auckland", "Asia/Tokyo", "America/Sao_Paulo")
    return tuple(Appointment(f"{run}-fire-{number}", "push", zone, due) for number, zone in enumerate(zones, start=1))


def session_item(file: File, *, tenant: str, now: datetime) -> Item:
    return {
        "sessionId": {"S": file.session_id},
        "status": {"S": "AWAITING_SCAN"},
        "createdAt": {"S": _instant(now)},
        "expiresAt": {"N": str(int((now + timedelta(hours=1)).timestamp()))},
        **({"tenantId": {"S": tenant}} if file.has_tenant else {}),
        **file.asks,
    }


def endpoint_item(customer: Customer, *, run: str, tenant: str, url: str, secret: str, now: datetime) -> Item:
    endpoint = endpoint_id(customer, run)
    return {
        **endpoint_key(customer, run=run, tenant=tenant),
        "GSI1PK": {"S": f"ENDPOINT#{endpoint}"},
        "GSI1SK": {"S": "ENDPOINT"},
        "entity": {"S": "endpoint"},
        "tenantId": {"S": tenant},
        "endpointId": {"S": endpoint},
        "url": {"S": url},
        "secret": {"S": secret},
        "eventTypes": {"L": [{"S": each} for each in customer.event_types]},
        "enabled": {"BOOL": True},
        "createdAt": {"S": _instant(now)},
    }


def endpoint_key(customer: Customer, *, run: str, tenant: str) -> Item:
    return {"PK": {"S": f"TENANT#{tenant}"}, "SK": {"S": f"ENDPOINT#{endpoint_id(customer, run)}"}}


def endpoint_id(customer: Customer, run: str) -> str:
    return f"{run}{customer.path.replace('/', '-')}"


def reminder_item(appointment: Appointment, *, tenant: str, now: datetime) -> Item:
    key = key_of(appointment.reminder_id, appointment.due_at)
    index: Mapping[str, str] = index_keys(appointment.reminder_id, appointment.due_at)
    item: Item = {
        "PK": {"S": key.pk},
        "SK": {"S": key.sk},
        **{name: {"S": value} for name, value in index.items()},
        "entity": {"S": "occurrence"},
        "reminderId": {"S": appointment.reminder_id},
        "dueAt": {"S": due_text(appointment.due_at)},
        "status": {"S": "PENDING"},
        "channel": {"S": appointment.channel},
        "tenantId": {"S": tenant},
        "title": {"S": "Appointment"},
        "body": {"S": "It is time."},
        "data": {"M": {"demo": {"BOOL": True}}},
        "timeZone": {"S": appointment.time_zone},
        "localTime": {"S": appointment.local_time},
    }
    if appointment.channel == "push":
        item["tokens"] = {"L": [{"S": appointment.token}]}
    if appointment.waits == "quiet hours":
        begin, end = appointment.quiet_hours
        item["quietHours"] = {"M": {"from": {"S": begin}, "until": {"S": end}}}
    if appointment.waits == "Expo: UNAUTHORIZED":
        item["project"] = {"S": REFUSING}
    if appointment.channel == "email":
        item["email"] = {"S": "guest@example.com"}
    if appointment.rule is not None:
        item |= {"rule": {"S": appointment.rule}, "ruleStart": {"S": appointment.local_time}}
    return item


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
