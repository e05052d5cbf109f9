"""The whole fleet on this machine: an emulator, the topology, the stand-ins and the workers, each a process."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dev import child, private
from fleet.dev.crew import Crew, CrewFailed, Post
from fleet.dev.deploy import deploy, pipes, session
from fleet.dev.emulators.ministack import Endpoint, answers, free_port, ministack
from fleet.dev.stand_ins import server
from workers import roster
from workers.audit_archive.evidence.signing import FileKey

Say = Callable[[str], None]

SENDER = "reminders@fleet.example"
READY_WITHIN = 60.0
"""Seconds until every process answers; two slow cores need about ten."""


class NotAnEmulator(Exception):
    """The endpoint is AWS itself, where nothing may be deployed or tried out by these commands."""


class Unreachable(Exception):
    """Nothing answers at the endpoint that was given."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `endpoint`: an emulator that runs already (None: one of our own); `home`: where logs go;
    `tuning`: variables for the workers, over the defaults of `worker_environment`.
    """

    endpoint: str | None = None
    project: str = "fleet"
    stage: str = "dev"
    home: Path = Path(".fleet")
    tuning: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """An emulator with the topology on it; `names` are the variables the workers read."""

    endpoint: Endpoint
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A running fleet. `environment` is what its processes got, and what any client needs to drive it."""

    ground: Ground
    environment: Mapping[str, str]
    workers: Crew

    @property
    def stand_ins_url(self) -> str:
        return f"http://{self.environment['STAND_INS_HOST']}:{self.environment['STAND_INS_PORT']}"

    @property
    def browser_url(self) -> str:
        """Where a browser connects; it adds `?sessionId=`."""
        return f"{self.stand_ins_url}{server.GATEWAY}/ws".replace("http:", "ws:", 1)

    @property
    def webhook_secret(self) -> str:
        """The secret an endpoint must be registered with for the receiver to accept its webhooks."""
        return self.environment["STAND_INS_WEBHOOK_SECRET"]


@contextmanager
def open_ground(plan: Plan, say: Say) -> Iterator[Ground]:
    """Start the emulator, or take the one that is there, and deploy the topology.

    Raises:
        Taken: another run has its home here.
        NotAnEmulator, Unreachable: the given endpoint will not do.
        EmulatorFailed, EnvironmentBroken, DeploymentFailed: what they say.
    """
    with private.held(plan.home), _endpoint(plan, say) as endpoint:
        say(f"deploying {plan.project}-messaging-{plan.stage} by CloudFormation")
        try:
            names = deploy(endpoint, project=plan.project, stage=plan.stage)
            # SES sends only from a verified address, also on emulators.
            ses = session(endpoint).client("ses", endpoint_url=endpoint.url_of("ses"))
            ses.verify_email_identity(EmailAddress=SENDER)
        except (BotoCoreError, ClientError) as error:
            raise Unreachable(f"{endpoint.url}: {error}") from error
        yield Ground(endpoint, names)


@asynccontextmanager
async def run_workers(plan: Plan, ground: Ground, say: Say, *, all_of_them: bool = True) -> AsyncIterator[Fleet]:
    """Run the stand-ins and the workers inside the block; yields when all are ready. Raises CrewFailed.

    Without `all_of_them` a worker that cannot start is told of by `say` and tried again later, and the others run.
    The workers drain first and the stand-ins end after them, so that the last webhook still finds its receiver.
    """
    with child.listening() as listener:
        environment = worker_environment(ground, port=listener.getsockname()[1])
        own_log = plan.home.absolute() / "dlq-audit.jsonl"  # what is tried here is not among what people did elsewhere
        environment |= {"AUDIT_SIGNING_KEY": signing_key(plan.home), "DLQ_AUDIT_LOG": str(own_log), **plan.tuning}
        logs = plan.home / "logs"
        posts = [_post(worker, environment, logs) for worker in roster.WORKERS]
        patience = float(environment["DRAIN_SECONDS"]) + 5.0
        say(f"starting the stand-ins and {len(posts)} workers")
        beside = Crew([_stand_ins(environment, logs, listener)], say=say, patience=5.0)
        async with beside as around, Crew(posts, say=say, patience=patience) as workers:
            await around.ready(seconds=READY_WITHIN)
            missing = await workers.started(seconds=READY_WITHIN)
            for why in missing.values():
                if all_of_them:
                    raise CrewFailed(why)
                say(f"{why}\nThe others run; it is tried again.")
            yield Fleet(ground, environment, workers)


def worker_environment(ground: Ground, *, port: int) -> dict[str, str]:
    """Every variable that the workers and the stand-ins read; the secrets are new each time. `port`: the stand-ins'."""
    url = f"http://127.0.0.1:{port}"
    return {
        **ground.endpoint.environment,
        **ground.names,
        "WS_API_ENDPOINT": f"{url}{server.GATEWAY}",
        "EXPO_PUSH_URL": f"{url}{server.EXPO}/--/api/v2/push/send",
        "AWS_ENDPOINT_URL_SESV2": f"{url}{server.SES}",
        "EXPO_ACCESS_TOKEN": _random(),
        "EMAIL_SENDER": SENDER,
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "AUDIT_HASH_KEYS": f"local:{_random()}",
        "STAND_INS_HOST": "127.0.0.1",
        "STAND_INS_PIPES": ",".join(f"{table}:{queue}" for table, queue in pipes() if queue != "audit"),
        "STAND_INS_PORT": str(port),
        "STAND_INS_WEBHOOK_SECRET": f"whsec_{_random()}",
        "POLL_WAIT_SECONDS": "1",  # a drain waits for the open poll; an emulator's queue costs nothing to ask
        "DRAIN_SECONDS": "10",
    }


def signing_key(home: Path) -> str:
    """AUDIT_SIGNING_KEY of the fleet that has its `home` here: a key that is made once, and kept, as the archive is.

    Raises NotPrivate where somebody else has laid one there.
    """
    path = private.folder(home.absolute()) / "audit-signing-key.pem"
    if os.path.lexists(path):
        private.checked(path)
    else:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(FileKey.new().to_pem())
    return f"file:{path}"


@contextmanager
def _endpoint(plan: Plan, say: Say) -> Iterator[Endpoint]:
    if plan.endpoint is None:
        say("starting the emulator")
        with ministack(log=plan.home / "logs" / "emulator.log") as endpoint:
            yield endpoint
        return
    place = urlsplit(plan.endpoint)
    if not place.hostname or place.scheme not in {"http", "https"}:
        raise NotAnEmulator(f"{plan.endpoint} is not a URL of an emulator, such as http://127.0.0.1:4566")
    if place.hostname.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        raise NotAnEmulator(f"{plan.endpoint} is AWS itself: this command works on emulators only")
    endpoint = Endpoint.from_environment({**os.environ, "AWS_ENDPOINT_URL": plan.endpoint})
    if not answers(endpoint):
        raise Unreachable(f"no SQS answers at {plan.endpoint}: start the emulator, or correct --endpoint")
    yield endpoint


def _stand_ins(environment: Mapping[str, str], logs: Path, listener: socket.socket) -> Post:
    url = f"http://{environment['STAND_INS_HOST']}:{environment['STAND_INS_PORT']}/readyz"
    return Post(
        "stand-ins", ("stand-ins",), child.process_environment(environment), logs / "stand-ins.log", url, listener
    )


def _post(worker: str, environment: Mapping[str, str], logs: Path) -> Post:
    port = free_port()
    own = child.process_environment(
        {**environment, "HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(port), "AWS_SDK_UA_APP_ID": worker}
    )
    return Post(worker, ("run", worker), own, logs / f"{worker}.log", f"http://127.0.0.1:{port}/readyz")


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
