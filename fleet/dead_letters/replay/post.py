"""What a replay sends, and what is known of each message afterwards: accepted, refused, or nobody can say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.queues.dead_letter_queue import Unsent
from shared.outcome import FORBIDDEN, THROTTLED, code_of, is_outage
from shared.sqs.batches import BATCH, NOT_NAMED, MalformedAnswer, refused_entries

if TYPE_CHECKING:
    from types_aiobotocore_lambda import LambdaClient
    from types_aiobotocore_sqs import SQSClient

LARGEST_CALL = 1_048_576  # bytes of all messages of one batch call
TRIES = 5
_POLICY = re.compile(r"no [a-z -]{1,40} policy allows|explicit deny in an? [a-z -]{1,40} policy")
UNANSWERED = (BotoCoreError, MalformedAnswer, OSError)
"""Errors of a call of which nobody can say whether it was carried out."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What one try says, by the place of each parcel; whatever is not named was accepted. `refused`: SQS's code, nobody has it;
    `final`: of those, the ones that would be refused again; `uncertain`: the answer was lost, and it may have been sent.
    """

    refused: Mapping[int, str] = field(default_factory=dict)
    final: frozenset[int] = frozenset()
    uncertain: frozenset[int] = frozenset()

    def accepted(self, parcels: Sequence[Parcel]) -> set[str]:
        """The ids of these that are known to have been accepted."""
        return {each.id for place, each in enumerate(parcels) if place not in self.refused.keys() | self.uncertain}

    def moved(self, by: int) -> Posted:
        """The same of parcels that stand so many places further on."""
        return Posted(
            {place + by: code for place, code in self.refused.items()},
            frozenset(place + by for place in self.final),
            frozenset(place + by for place in self.uncertain),
        )

    def joined(self, other: Posted) -> Posted:
        return Posted({**self.refused, **other.refused}, self.final | other.final, self.uncertain | other.uncertain)


class SqsPost:
    """Sends to queues by ARN, and to Lambda functions asynchronously. Its clients must not repeat a call by themselves: a send
    whose answer was lost is a thing to count, and not one to do again unseen.
    """

    def __init__(
        self,
        client: SQSClient,
        *,
        urls: Mapping[str, str],
        functions: Callable[[], Awaitable[LambdaClient]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._urls = urls
        self._functions = functions
        self._sleep = sleep

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Unsent:
        """Send, and try again what was refused; a FIFO queue also where the answer was lost, for it knows what comes twice."""
        left, dead, unsure, why = [*parcels], set[str](), set[str](), ""
        for attempt in range(TRIES):
            if attempt:
                await self._sleep(0.1 * 2 ** (attempt - 1))
            posted = await self.once(destination, left)
            again = posted.refused.keys() - posted.final
            why = next(iter(posted.refused.values()), why)
            dead |= {left[place].id for place in posted.final}
            unsure -= posted.accepted(left)
            unsure |= {left[place].id for place in posted.uncertain}
            if destination.endswith(".fifo"):
                again |= posted.uncertain
            left = [left[place] for place in sorted(again)]
            if not left or ":lambda:" in destination:
                break
        return Unsent(frozenset(dead.union(each.id for each in left) - unsure), frozenset(unsure), why)

    async def once(self, destination: str, parcels: Sequence[Parcel]) -> Posted:
        """One try of each."""
        posted, start = Posted(), 0
        if ":lambda:" in destination:
            return await self._invoke(destination, parcels)
        for chunk in _fitting(parcels):
            part = await self._send(self._urls[destination], chunk)
            posted, start = posted.joined(part.moved(start)), start + len(chunk)
        return posted

    async def _send(self, url: str, parcels: Sequence[Parcel]) -> Posted:
        places = range(len(parcels))
        entries: list[Any] = [{"Id": str(place), **_entry(each, url)} for place, each in enumerate(parcels)]
        try:
            answer = await self._client.send_message_batch(QueueUrl=url, Entries=entries)
        except ClientError as error:
            posted = _refused(error, places)
            if len(parcels) > 1 and not posted.uncertain and not is_outage(error):
                return await self._one_by_one(url, parcels)  # one of them spoils the call for the others
            return posted
        except UNANSWERED as error:
            return _unanswered(error, places)
        return _read(answer, len(parcels))

    async def _one_by_one(self, url: str, parcels: Sequence[Parcel]) -> Posted:
        posted = Posted()
        for place, each in enumerate(parcels):
            posted = posted.joined((await self._send(url, [each])).moved(place))
        return posted

    async def _invoke(self, function: str, parcels: Sequence[Parcel]) -> Posted:
        """One by one: what was taken stays taken, also where the next one is refused."""
        client = await self._functions()
        posted = Posted()
        for place, each in enumerate(parcels):
            here = range(place, place + 1)
            try:
                await client.invoke(FunctionName=function, InvocationType="Event", Payload=each.body.encode())
            except ClientError as error:
                part = _refused(error, here)
            except UNANSWERED as error:
                part = _unanswered(error, here)
            else:
                continue
            posted = posted.joined(part)
        return posted


def _refused(error: ClientError, places: range) -> Posted:
    """A throttle did nothing; of another fault of AWS's (5xx) nobody can say whether it came before or after the work, nor of an
    answer that names no error, for whoever stands between wrote it (a redirect, a proxy's page): botocore has its status as the code.
    """
    code = code_of(error)
    if code in THROTTLED:
        return Posted(dict.fromkeys(places, code))
    if code.isdigit() or int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        return Posted(uncertain=frozenset(places))
    return Posted(dict.fromkeys(places, _denied(error) if code in FORBIDDEN else code), final=frozenset(places))


def _denied(error: ClientError) -> str:
    """Which action was denied, and by which kind of policy where AWS says so; no other word of its text."""
    policy = _POLICY.search(str(error.response["Error"].get("Message")))
    return f"{code_of(error)} at {error.operation_name}" + (f" ({policy[0]})" if policy else "")


def _unanswered(error: Exception, places: range) -> Posted:
    """Nothing was sent where no connection came about. aiobotocore calls it an EndpointConnectionError, too, where one that was
    there broke while the answer was waited for.
    """
    cause = error.kwargs.get("error") if isinstance(error, EndpointConnectionError) else None
    if isinstance(error, ConnectTimeoutError) or isinstance(cause, aiohttp.ClientConnectorError):
        return Posted(dict.fromkeys(places, code_of(error)))
    return Posted(uncertain=frozenset(places))


def _read(answer: Any, count: int) -> Posted:
    """An entry that an answer does not name at all may have been sent, and so may one that it calls both done and failed."""
    codes = refused_entries(answer, count, due="MessageId")
    failed, taken = _named(answer, "Failed"), _named(answer, "Successful")
    final = frozenset(place for place in codes if failed.get(str(place), {}).get("SenderFault"))
    lost = frozenset(place for place, code in codes.items() if code == NOT_NAMED or str(place) in taken)
    return Posted({place: code for place, code in codes.items() if place not in lost}, final - lost, lost)


def _named(answer: Any, which: str) -> dict[Any, Mapping[str, Any]]:
    """The entries of one list of an answer, by their ids."""
    listed = answer.get(which) if isinstance(answer, Mapping) else ()
    every = listed if isinstance(listed, list | tuple) else ()
    return {each["Id"]: each for each in every if isinstance(each, Mapping) and isinstance(each.get("Id"), str)}


def _entry(each: Parcel, url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "MessageBody": each.body,
        "MessageAttributes": {
            name: {"DataType": value.data_type, "BinaryValue": value.binary}
            if value.binary is not None
            else {"DataType": value.data_type, "StringValue": value.text or ""}
            for name, value in each.attributes.items()
        },
    }
    if url.endswith(".fifo"):
        entry |= {"MessageGroupId": each.group or each.id, "MessageDeduplicationId": each.deduplication}
    elif each.group:
        entry["MessageGroupId"] = each.group
    return entry


def _fitting(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    """Chunks of at most ten messages and one mebibyte."""
    chunk: list[Parcel] = []
    size = 0
    for each in parcels:
        if chunk and (len(chunk) == BATCH or size + each.size > LARGEST_CALL):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += each.size
    if chunk:
        yield chunk
