"""Queues by name, URL or ARN, and what feeds a dead-letter queue: plain questions to SQS; many queues are asked side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from fleet.dead_letters.model.named import elsewhere
from fleet.dead_letters.model.plan.plan import Place
from fleet.dead_letters.model.shapes import Origin, arn_name
from fleet.dead_letters.queues.feeders import feeders, redrive_policy
from fleet.typed import typed
from shared.aws.answers.check import check_answers
from shared.outcome import FORBIDDEN, code_of

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

AT_ONCE = 16
"""Queues that are asked side by side."""
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
_MISSING = ("NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")


class NoSuchQueue(Exception):
    """SQS knows no queue of this name in this region."""

    def __init__(self, name: str, region: str) -> None:
        super().__init__(f"there is no queue {name} in {region}: `{typed('dlq', 'ls')}` lists those that are there")


class OtherPlace(Exception):
    """A URL or ARN names a queue of another endpoint, region or account; here is one of the same name."""


class OddAttributes(Exception):
    """GetQueueAttributes answered, and what was asked for is not in it: nothing is known of that queue."""


class NotDeadLetters(Exception):
    """Nothing names this queue as the place of its dead letters: it may be in use."""


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue as SQS describes it at this moment; `retention` in seconds, counts as SQS approximates them.

    `redrives_to` and `most_receives`: its own redrive policy. `fed_by`: who names it as the place of dead letters,
    where that was asked.
    """

    name: str
    url: str
    arn: str
    retention: float
    visible: int
    in_flight: int
    redrives_to: str = ""
    most_receives: int | None = None
    fed_by: tuple[str, ...] = ()

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")


def connect() -> SQSClient:
    """A boto3 client that answers or fails within 15 seconds."""
    return service("sqs")  # type: ignore[no-any-return]  # one function opens every service


def service(name: str) -> Any:
    """A boto3 client of any service: two tries of five seconds, and a second between them at most."""
    return services()(name)


def services() -> Callable[[str], Any]:
    """Opens such clients out of one session, which reads what it needs to know of AWS once for all of them."""
    import boto3  # noqa: PLC0415 - 0.3 s that `--help` must not take
    from botocore.config import Config  # noqa: PLC0415

    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=3, read_timeout=4, retries=retries, max_pool_connections=AT_ONCE)
    session = boto3.Session()

    def open_one(name: str) -> Any:
        client = session.client(name, config=config)  # type: ignore[call-overload]  # the stubs list every service by name
        check_answers(client)
        return client

    return open_one


class Catalog:
    """The queues of one account and region. `unread`: those of a list that AWS refuses to describe, and its words."""

    def __init__(self, client: SQSClient, environment: Mapping[str, str]) -> None:
        self._client = client
        self._environment = environment
        self._known_sources: dict[str, list[str]] = {}
        self.unread: list[str] = []

    @property
    def region(self) -> str:
        return self._client.meta.region_name

    @property
    def endpoint(self) -> str:
        return self._client.meta.endpoint_url

    def place(self, info: QueueInfo) -> Place:
        return Place(info.name, info.arn, self.endpoint)

    def queue(self, given: str) -> QueueInfo:
        """By URL, ARN or name; a dead-letter queue of the fleet also by its logical name (`uploads`, `uploads-dlq`).

        Raises NoSuchQueue, OddAttributes.
        """
        logical = given.removesuffix("-dlq").upper().replace("-", "_")
        url = self._environment.get(f"{logical}_DLQ_URL") or (
            given if given.startswith(("http://", "https://")) else ""
        )
        try:
            if not url:
                url = self._url_of(arn_name(given))
            found = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes")
        except ClientError as error:
            if any(code in error.response["Error"]["Code"] for code in _MISSING):
                raise NoSuchQueue(given, self.region) from error
            raise
        attributes: dict[str, str] = {str(name): value for name, value in (found or {}).items()}
        arn = attribute(attributes, "QueueArn", url)
        redrives_to, most_receives = redrive_policy(attributes)
        return QueueInfo(
            name=arn_name(arn),
            url=url,
            arn=arn,
            retention=number(attributes, "MessageRetentionPeriod", url),
            visible=number(attributes, "ApproximateNumberOfMessages", url),
            in_flight=number(attributes, "ApproximateNumberOfMessagesNotVisible", url),
            redrives_to=redrives_to,
            most_receives=most_receives,
        )

    def _url_of(self, name: str) -> str:
        """Raises ClientError, OddAttributes."""
        answer: Mapping[str, Any] = self._client.get_queue_url(QueueName=name)
        if not (url := answer.get("QueueUrl")):
            raise OddAttributes(f"SQS answered GetQueueUrl of {name} without QueueUrl: nothing is known of that queue")
        return str(url)

    def dead_letter_queue(self, given: str) -> QueueInfo:
        """As `queue`, where something names it as the place of its dead letters; `fed_by` says who.

        Redrive policies answer first, in one call; the other services are asked only where no queue names it.
        Raises NoSuchQueue, OtherPlace, NotDeadLetters.
        """
        info = self._here(given)
        if sources := self._sources(info):
            return replace(info, fed_by=tuple(f"queue {arn_name(each)}" for each in sources))
        asked = feeders(info.arn, services())
        if not asked.found:
            unasked = f" ({', '.join(asked.unasked)} could not be asked)" if asked.unasked else ""
            raise NotDeadLetters(
                f"{info.name} is not a dead-letter queue: no redrive policy, rule, pipe, topic, function or schedule "
                f"names it{unasked}; nothing was read or changed"
            )
        return replace(info, fed_by=asked.found)

    def destination(self, given: str) -> QueueInfo:
        """Where letters are to go, by URL or name; a queue of the fleet also by its logical name. Raises NoSuchQueue,
        OtherPlace.

        An ARN is looked up as such: a queue whose real name is the logical name of another is not taken for that one.
        """
        named = self._environment.get(f"{given.upper().replace('-', '_')}_QUEUE_URL")
        return self._here(named or (given if "/" in given else f"arn:aws:sqs:::{given}"))

    def _here(self, given: str) -> QueueInfo:
        """As `queue`, where that is what the URL or ARN names: a client asks its own endpoint, whatever host a URL has."""
        info = self.queue(given)
        url = given if given.startswith("arn:") else info.url
        why = elsewhere(url, arn=info.arn, own=[self.endpoint])
        if why and url == info.url:  # an endpoint may call itself by other names
            why = elsewhere(url, arn=info.arn, own=[self.endpoint, self._url_of(info.name)])
        if why:
            raise OtherPlace(f"{url} is not the queue {info.name} that is here: {why}; nothing was read or changed")
        return info

    def dead_letter_queues(self) -> list[QueueInfo]:
        """Those that the environment names and, unless DLQ_QUEUES is `named`, every queue that another one's redrive policy names or
        that is called so. `fed_by` is empty where no redrive policy names it: `dead_letter_queue` asks the other services.
        """
        named = [url for name, url in self._environment.items() if name.endswith("_DLQ_URL") and url]
        named += [url for url in [self._environment.get("EVENTS_UNDELIVERED_QUEUE_URL")] if url]
        try:
            every = [] if self._environment.get("DLQ_QUEUES") == "named" else [*self._every()]
        except ClientError as error:
            if not named or "AccessDenied" not in error.response["Error"]["Code"]:
                raise
            every = []  # who may not list queues still sees those that the environment names
        fed: dict[str, list[str]] = {}
        for info in every:
            fed.setdefault(info.redrives_to, []).append(f"queue {info.name}")
        found = {
            info.arn: replace(info, fed_by=tuple(fed.get(info.arn, ())))
            for info in every
            if info.arn in fed or "-dlq" in info.name or info.url in named
        }
        listed = {info.url for info in every}
        for one in side_by_side(self._if_there, [url for url in dict.fromkeys(named) if url not in listed]):
            if one is not None:
                found[one.arn] = one
        return sorted(found.values(), key=lambda info: info.name)

    def origin(self, info: QueueInfo) -> Origin:
        """What feeds this dead-letter queue."""
        prefix = info.arn.rpartition(":")[0]
        named = {
            name.removesuffix("_QUEUE_URL").lower().replace("_", "-"): f"{prefix}:{url.rpartition('/')[2]}"
            for name, url in self._environment.items()
            if name.endswith("_QUEUE_URL") and url
        }
        return Origin(info.arn, tuple(self._sources(info)), named)

    def has_function(self, arn: str) -> bool:
        """Whether Lambda knows it; an identity that may not ask finds out when it invokes."""
        try:
            service("lambda").get_function_configuration(FunctionName=arn)
        except ClientError as error:
            return error.response["Error"]["Code"] != "ResourceNotFoundException"
        return True

    def _sources(self, info: QueueInfo) -> list[str]:
        """ARNs of the queues whose redrive policy names it; asked once."""
        if info.arn not in self._known_sources:
            self._known_sources[info.arn] = self._asked_sources(info)
        return self._known_sources[info.arn]

    def _asked_sources(self, info: QueueInfo) -> list[str]:
        prefix = info.arn.rpartition(":")[0]
        try:
            pages = self._client.get_paginator("list_dead_letter_source_queues").paginate(QueueUrl=info.url)
            return [f"{prefix}:{url.rpartition('/')[2]}" for page in pages for url in page.get("queueUrls", [])]
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("InvalidAction", "UnsupportedOperation", "NotImplemented"):
                raise
        return [each.arn for each in self._every() if each.redrives_to == info.arn]  # an emulator without that call

    def _every(self) -> Iterator[QueueInfo]:
        pages = self._client.get_paginator("list_queues").paginate()
        urls = [url for page in pages for url in page.get("QueueUrls", [])]
        yield from (info for info in side_by_side(self._if_there, urls) if info is not None)

    def _if_there(self, url: str) -> QueueInfo | None:
        try:
            return self.queue(url)
        except NoSuchQueue:  # deleted since it was listed, or since it was named
            if url in self._environment.values():
                self.unread.append(f"{arn_name(url)} is named by the environment, and not there")
            return None
        except ClientError as error:
            if code_of(error) not in FORBIDDEN:
                raise
            self.unread.append(f"{arn_name(url)} may not be read: {error}")
            return None


def attribute(attributes: Mapping[str, str], name: str, url: str) -> str:
    """What SQS says of the queue at `url`. Raises OddAttributes."""
    if not (found := attributes.get(name)):
        raise OddAttributes(f"SQS answered GetQueueAttributes of {url} without {name}: nothing is known of that queue")
    return found


def number(attributes: Mapping[str, str], name: str, url: str, *, missing: int | None = None) -> int:
    """As `attribute`, where that is a number; `missing` is taken where it is not there."""
    if missing is not None and name not in attributes:
        return missing
    found = attribute(attributes, name, url)
    if not found.isascii() or not found.isdecimal():
        raise OddAttributes(f"SQS answered GetQueueAttributes of {url} with a {name} that is not a number")
    return int(found)


def side_by_side(ask: Callable[[Asked], Answer], given: Iterable[Asked]) -> list[Answer]:
    """The answers, in the order given; raises what the first of them raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*pool.map(ask, given)]
