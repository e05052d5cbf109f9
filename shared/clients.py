"""The clients of one process: each opened once, on its first use, and all closed together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from shared.bus import EventBus
from shared.outcome import code_of, is_outage, status_of
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.road.ledger import LEDGER, DynamoDbLedger, Ledger
from shared.settings import ClaimCheckSettings, SettingsError, meaning, queue_variables, read_settings, unset, variable
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import SqsSender
from shared.telemetry.aws_calls import TracedClient, tell_request_id
from shared.worker import Fifo, Worker

QUEUE = ("sqs", 1)
"""The client of queues that are read: its troubles are the poller's own matter, and its calls are tried again by who knows when a
lease has ended.
"""

if TYPE_CHECKING:
    from shared.aws.renewal import Renewal
    from shared.sqs.payloads import S3Payloads


class Clients:
    """AWS clients of one process, all from one session; `open` returns the same client for the same service.

    `pool` is the number of connections of one client, without its long polls: those have connections of their own,
    as many as there are, so that no delete waits behind them. `silence`: seconds for which an answer is waited for, where a
    person waits; it must be longer than the longest poll. `look_every` so many seconds at most, replaced keys are looked for.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        pool: int = 100,
        breakers: Breakers | None = None,
        silence: float | None = None,
        look_every: float = 1.0,
    ) -> None:
        self._environment = environment
        self._silence = silence
        self._look_every = look_every
        self._pool = pool
        self._stack = AsyncExitStack()
        self._opened: dict[tuple[str, str | None, int], Any] = {}
        self._opening = asyncio.Lock()
        self._session: Any = None
        self._payloads: S3Payloads | None = None
        self._renewed: Renewal | None = None
        self.breakers = breakers or Breakers()
        self.apart = Apart()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._opened.clear()
        await self._stack.aclose()

    async def open(self, service: str, *, endpoint_url: str | None = None, attempts: int = 3) -> Any:
        """The process's client of an AWS service, by botocore's name ("dynamodb"); credentials, region and
        AWS_ENDPOINT_URL are botocore's business. `attempts` of one call, together; 1 where a repetition would show.
        Where the service has fast calls it has those, unless AWS_CALLS=aioboto3 says otherwise.
        """
        key = (service, endpoint_url, attempts)
        async with self._opening:
            if key not in self._opened:
                self._opened[key] = self._early(*key) or await self._enter(*key)
            return self._opened[key]

    async def queue(self, name: str) -> SqsQueue:
        """The queue behind UPLOADS_QUEUE_URL and UPLOADS_DLQ_URL, for the logical name `uploads`."""
        url, dead_letter_url = self.required(*queue_variables(name))
        if url == dead_letter_url:
            raise SettingsError(
                f"{variable(name)}_DLQ_URL is {variable(name)}_QUEUE_URL: what is buried would come back"
            )
        service, attempts = QUEUE
        return SqsQueue(
            await self.open(service, attempts=attempts), name=name, url=url, dead_letter_url=dead_letter_url
        )

    async def queue_for(self, worker: Worker[Any]) -> SqsQueue:
        """The worker's queue. Raises SettingsError where that is a FIFO queue whose order the worker would not keep."""
        [url] = self.required(f"{variable(worker.queue)}_QUEUE_URL")
        if url.endswith(".fifo") and not isinstance(worker.order, Fifo):
            raise SettingsError(
                f"{variable(worker.queue)}_QUEUE_URL names a FIFO queue; the worker {worker.name} needs order=Fifo() to read it"
            )
        return await self.queue(worker.queue)

    async def sender(self, queue: str) -> SqsSender:
        """Sends to a logical queue of the fleet. The breaker hears of messages that are refused, too: their call succeeded."""
        from shared.aws.fallback import kind_of

        [url] = self.required(f"{variable(queue)}_QUEUE_URL")
        kind = kind_of("SendMessageBatch", {"QueueUrl": url})
        return SqsSender(
            await self.open("sqs"),
            name=queue,
            url=url,
            payloads=await self.payloads(),
            refused=lambda code: self.breakers.failed("sqs", code=code, call=kind),
        )

    async def bus(self, name: str) -> EventBus:
        """Puts events on this bus. Its breaker hears of entries that are refused, too: their call succeeded."""
        return EventBus(
            await self.open("events"),
            bus=name,
            refused=lambda code: self.breakers.failed("events", code=code, call="PutEvents"),
        )

    async def payloads(self) -> S3Payloads | None:
        """The bodies in CLAIM_CHECK_BUCKET_NAME; None where that is unset. Raises SettingsError."""
        settings = read_settings(ClaimCheckSettings, self._environment)
        if settings.claim_check_bucket_name is None or self._payloads is not None:
            return self._payloads
        from shared.sqs.payloads import READING, S3Payloads

        self._payloads = S3Payloads(
            await self.open("s3"),
            bucket=settings.claim_check_bucket_name,
            prefix=settings.claim_check_prefix or "",
            threshold=settings.claim_check_threshold_bytes,
            most=settings.claim_check_max_bytes,
            failed=lambda code: self.breakers.failed("s3", code=code, call=READING),
            cut=partial(self.breakers.cut, "s3"),
            came=partial(self.breakers.succeeded, "s3", call=READING),
        )
        return self._payloads

    async def ledger(self) -> Ledger:
        """The claims in LEDGER_TABLE_NAME."""
        [table] = self.required("LEDGER_TABLE_NAME")
        return DynamoDbLedger(
            await self.open("dynamodb"),
            table=table,
            refused=lambda code: self.breakers.failed("dynamodb", code=code, call=LEDGER),
            answered=partial(self.breakers.succeeded, "dynamodb", call=LEDGER),
        )

    async def ledger_for(self, worker: Worker[Any]) -> Ledger | None:
        """The ledger where it is configured; a worker whose events have keys cannot do without. Raises SettingsError."""
        if worker.once is None and not self._environment.get("LEDGER_TABLE_NAME"):
            return None
        return await self.ledger()

    def required(self, *names: str) -> list[str]:
        """The values of these variables. Raises SettingsError that names each one that is unset or empty."""
        if missing := [name for name in names if not self._environment.get(name)]:
            raise SettingsError.of({name: unset(name, meaning(name)) for name in missing})
        return [self._environment[name] for name in names]

    def _early(self, service: str, endpoint_url: str | None, attempts: int) -> Any:
        """A client that loads botocore when it must. None where that is at once: its environment is not the plain one, or spans are wanted."""
        if not self._is_fast(service) or self._environment.get("TELEMETRY_DETAIL") == "full":
            return None
        from shared.aws.connections import times
        from shared.aws.start.early_client import early_client, target

        how = self._hooks(service, attempts) | {
            "open_whole": partial(self._enter_later, service, endpoint_url, attempts)
        }
        how["target"] = partial(target, times=times(service, self._silence), most=self._pool)
        client = early_client(service, os.environ, endpoint_url, **how)
        if client is not None:
            self._stack.push_async_callback(client.close)
        return client

    def _hooks(self, service: str, attempts: int) -> dict[str, Any]:
        """What hears of calls that succeed, and of those that are cut."""
        if (service, attempts) == QUEUE:
            return {}
        succeeded = self.breakers.succeeded
        return {"answered": lambda call: succeeded(service, call=call), "cut": partial(self.breakers.cut, service)}

    async def _enter_later(self, *key: Any) -> Any:
        """In the midst of work: what takes long, the import, goes on beside it."""
        await asyncio.to_thread(import_module, "aioboto3")
        async with self._opening:
            return await self._enter(*key)

    async def _enter(self, service: str, endpoint_url: str | None, attempts: int) -> Any:
        from botocore.exceptions import InvalidRegionError, NoRegionError

        from shared.aws.answers.check import check_answers
        from shared.aws.fast_client import FastClient
        from shared.aws.objects import FastObjects
        from shared.aws.operation import FAST

        try:
            client = await self._stack.enter_async_context(self._client(service, endpoint_url, attempts))
        except NoRegionError as error:
            region = "AWS_DEFAULT_REGION"
            raise SettingsError.of(
                {region: unset(region, "the AWS region, such as eu-central-1, in the process's own environment")}
            ) from error
        except InvalidRegionError:  # which quotes it
            region = "AWS_DEFAULT_REGION"
            said = f"{region} (or the profile's region) is none of AWS's names, such as eu-central-1; look for spaces behind it"
            raise SettingsError.of({region: said}) from None
        except ValueError:  # botocore's, which quotes it
            said = f"AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_{service.upper()}"
            where = "the endpoint given for it" if endpoint_url else said
            raise SettingsError(f"set or mend these environment variables: {where}: no URL ({service})") from None
        check_answers(client)
        look = self._renewal().watch(client)
        if hooks := self._hooks(service, attempts):
            watch(client, service, self.breakers)
        is_traced = self._environment.get("TELEMETRY_DETAIL") == "full"
        if self._is_fast(service) and service == "s3":
            client = FastObjects(client, look=look, **hooks)
        elif self._is_fast(service) and service in FAST:
            tell = tell_request_id if is_traced else None
            client = FastClient(client, look=look, tell=tell, **hooks)
        return TracedClient(client) if is_traced else client

    def _renewal(self) -> Renewal:
        """Of the one session that all clients have their credentials from."""
        from aiobotocore.session import get_session

        from shared.aws.renewal import Renewal

        if self._renewed is None:
            defaults = [
                ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
                ("AWS_CONFIG_FILE", "~/.aws/config"),
            ]
            files = tuple(Path(self._environment.get(name) or usual).expanduser() for name, usual in defaults)
            self._renewed = Renewal(lambda: get_session().get_credentials(), files=files, every=self._look_every)
            self._stack.callback(self._renewed.close)
        return self._renewed

    def _is_fast(self, service: str) -> bool:
        """AWS_CALLS=aioboto3 switches all fast calls off, SQS_CLIENT=aioboto3 those of SQS."""
        switched = {"AWS_CALLS", "SQS_CLIENT"} if service == "sqs" else {"AWS_CALLS"}
        return all(self._environment.get(name) != "aioboto3" for name in switched)

    def _client(self, service: str, endpoint_url: str | None, attempts: int) -> Any:
        import aioboto3
        from aiobotocore.config import AioConfig

        from shared.aws.connections import times
        from shared.aws.sessions import Checked, LongPollsApart

        self._session = self._session or aioboto3.Session()
        connect, silence = times(service, self._silence)
        config = AioConfig(
            max_pool_connections=self._pool,
            connect_timeout=connect,
            read_timeout=silence,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
            http_session_cls=LongPollsApart if service == "sqs" else Checked,
            user_agent_extra="sqs-worker-fleet",
            signature_version={"s3": "s3v4"}.get(service),  # by default version 2, which new buckets refuse
        )
        return self._session.client(service, endpoint_url=endpoint_url, config=config)


def watch(client: Any, service: str, breakers: Breakers) -> None:
    """Tell the breakers what comes of each call of a client, after its own retries; of one that is cut before that, how long it waited."""
    from shared.aws.fallback import kind_of, refuses_entries, waited

    call = client._make_api_call  # noqa: SLF001  # no event tells of a call that is cancelled
    cut = partial(breakers.cut, service)

    async def called(operation: str, asked: dict[str, Any]) -> Any:
        kind = kind_of(operation, asked)
        try:
            answer = await waited(call(operation, asked), cut, kind)
        except Exception as error:
            if is_outage(error):
                breakers.failed(service, code=code_of(error), call=kind)
            elif (status := status_of(error)) is not None and (operation, status) != (
                "HeadObject",
                404,
            ):  # S3 says so of a bucket that is gone, too
                breakers.succeeded(service, call=kind)  # it is there, and says what was wrong with the question
            raise
        if not refuses_entries(answer):
            breakers.succeeded(service, call=kind)
        return answer

    client._make_api_call = called  # noqa: SLF001
