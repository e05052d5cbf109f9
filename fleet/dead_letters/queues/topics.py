"""Where a letter of a topic's subscription goes back to: asked of SNS, for the letter names no endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from fleet.dead_letters.model.letter import UNREADABLE
from fleet.dead_letters.model.shapes import Standing, arn_name, is_reachable
from fleet.dead_letters.model.view import View
from shared.outcome import FORBIDDEN, code_of


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a topic whose letters go to the queue in question. `raw`: without SNS's envelope."""

    protocol: str
    endpoint: str
    raw: bool = False


class Topics:
    """SNS, as far as dead letters ask; an identity that may not ask knows of no subscription.

    `silent` is the error of an SNS that could not be reached: it is asked no further, for whoever writes letters chooses
    how many topics they name, and each would be waited for. `denied`: topics that may not be asked about, and which action that was.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.silent = ""
        self.denied: dict[str, str] = {}

    def behind(self, topic: str, queue_arn: str) -> tuple[Subscription, ...]:
        """The subscriptions of `topic` whose redrive policy names this dead-letter queue; none where SNS does not tell."""
        if self.silent:
            return ()
        try:
            return tuple(self._behind(topic, queue_arn))
        except BotoCoreError as error:
            self.silent = type(error).__name__
        except ClientError as error:
            if (code := code_of(error)) in FORBIDDEN | {"AuthorizationError"}:
                self.denied[topic] = f"{code} at {error.operation_name}"
        except (ResponseParserError, *UNREADABLE):
            pass
        return ()

    def _behind(self, topic: str, queue_arn: str) -> Iterable[Subscription]:
        for page in self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
            for each in page["Subscriptions"]:
                if not each["SubscriptionArn"].startswith("arn:"):  # it was never confirmed
                    continue
                judged = self._client.get_subscription_attributes(SubscriptionArn=each["SubscriptionArn"])["Attributes"]
                if _dead_letters_of(judged) == queue_arn:
                    raw = judged.get("RawMessageDelivery") == "true"
                    yield Subscription(each["Protocol"], each["Endpoint"], raw=raw)


def routed(views: Sequence[View], topics: Topics, *, queue_arn: str) -> list[View]:
    """The same letters; those of a topic with their destination where SNS knows it. Each topic is asked for once."""
    names = {each.standing.topic for each in views if each.standing.topic}
    found = {topic: topics.behind(topic, queue_arn) for topic in sorted(names)}
    return [_routed(each, found, topics) if each.standing.topic else each for each in views]


def _routed(each: View, found: Mapping[str, Sequence[Subscription]], topics: Topics) -> View:
    topic = each.standing.topic
    judged, unasked = towards(each.standing, found[topic]), topics.denied.get(topic) or topics.silent
    if unasked and not judged.destination:
        judged = replace(judged, why_not=f"SNS could not be asked ({unasked}): {judged.why_not}")
    return replace(each, standing=judged)


def towards(judged: Standing, found: Sequence[Subscription]) -> Standing:
    """To the one queue whose subscription uses this dead-letter queue; else why not. Pure."""
    endpoints = {(each.protocol, each.endpoint) for each in found}
    if not endpoints:
        return judged
    if len(endpoints) > 1:
        names = ", ".join(sorted(arn_name(endpoint) for _, endpoint in endpoints))
        why = f"several subscriptions of {arn_name(judged.topic)} use this queue ({names}): name one with --to"
        return replace(judged, why_not=why)
    [one, *_] = found
    if one.protocol != "sqs" or not is_reachable(one.endpoint):
        why = f"its subscriber is {one.protocol}, which only SNS can reach in its form: name a queue with --to"
        return replace(judged, why_not=why)
    if any(each.raw for each in found):
        why = f"{arn_name(one.endpoint)} takes raw messages now, and this letter has SNS's envelope: name it with --to"
        return replace(judged, why_not=why)
    return replace(judged, destination=one.endpoint, why_not="")


def _dead_letters_of(judged: Mapping[str, str]) -> str:
    try:
        policy = orjson.loads(judged.get("RedrivePolicy") or "{}")
    except ValueError:
        return ""
    return str(policy.get("deadLetterTargetArn") or "") if isinstance(policy, dict) else ""
