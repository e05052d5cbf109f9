"""A result that could not be written into the table waits in a message of its own: the attempt is not made again."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from workers.webhook_delivery.event import DeliveryJob, Made
from workers.webhook_delivery.rules import Again, Claimed, Delivered, Endpoint, Exhausted, Gone, Reply, Result, Verdict

_WORDS: dict[type[Verdict], Literal["delivered", "again", "exhausted", "gone"]] = {
    Delivered: "delivered",
    Again: "again",
    Exhausted: "exhausted",
    Gone: "gone",
}
LONGEST = timedelta(days=14)
"""For which a result waits for the table: as long as SQS keeps a message that nobody touches."""


def park(job: DeliveryJob, claimed: Claimed, result: Result, endpoint: Endpoint) -> DeliveryJob:
    """The job with its result."""
    reply, verdict = result.reply, result.verdict
    made = Made(
        status=reply.status,
        error=reply.error,
        response=reply.body,
        verdict=_WORDS[type(verdict)],
        nextAt=verdict.at if isinstance(verdict, Again) else None,
        startedAt=result.started,
        finishedAt=result.finished,
        claimedUntil=claimed.until,
        url=_digest(endpoint.url),
    )
    return job.model_copy(update={"made": made})


def unpark(made: Made) -> tuple[Claimed, Result]:
    """The claim under which the attempt was made, and its result."""
    reply = Reply(made.status, made.error, body=made.response)
    return Claimed(made.claimed_until), Result(reply, _verdict(made), made.started_at, made.finished_at)


def is_of(made: Made, endpoint: Endpoint | None) -> bool:
    """Whether the endpoint still has the URL that answered."""
    return endpoint is not None and _digest(endpoint.url) == made.url


def waits_too_long(made: Made, *, now: datetime) -> bool:
    return now - made.finished_at > LONGEST


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()


def _verdict(made: Made) -> Verdict:
    match made.verdict:
        case "again":
            return Again(at=made.next_at or made.finished_at)
        case "delivered":
            return Delivered()
        case "exhausted":
            return Exhausted()
        case "gone":
            return Gone()
