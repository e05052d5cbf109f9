"""The embedded AWS: MiniStack as a process of its own on loopback, behind a gate with a key for this run alone."""

import http.client
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleet.dev import child, private
from fleet.dev.emulators.gate import FUNCTIONS, SERVICES, Keys, new_keys
from fleet.dev.environments import PROJECT, ensure

REGION = "us-east-1"
_LOCK = PROJECT / "requirements" / "ministack.txt"
_STARTS_WITHIN = 30.0
_SERVICE_IDS = {"dynamodbstreams": "DYNAMODB_STREAMS"}  # where a service's id is not just its client name in capitals
_HANDED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


class EmulatorFailed(Exception):
    """The emulator did not come up; the message quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where AWS answers, and who we are there. An emulator that is not ours takes any keys; these are the customary ones."""

    url: str
    region: str = REGION
    access_key_id: str = "test"
    secret_access_key: str = field(default="test", repr=False)
    overrides: Mapping[str, str] = field(default_factory=dict)
    """AWS_ENDPOINT_URL_<SERVICE> of the services that answer elsewhere; boto3 and aiobotocore read these too."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Endpoint":
        """The endpoint that AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> and the usual AWS variables describe."""
        return cls(
            url=environment["AWS_ENDPOINT_URL"],
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION,
            access_key_id=environment.get("AWS_ACCESS_KEY_ID", "test"),
            secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY", "test"),
            overrides={name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL_")},
        )

    def url_of(self, service: str) -> str:
        """Where `service` (`sqs`, `dynamodbstreams`) answers."""
        return self.overrides.get(f"AWS_ENDPOINT_URL_{_SERVICE_IDS.get(service, service.upper())}", self.url)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that boto3 and aiobotocore read by themselves."""
        return MappingProxyType(
            {
                "AWS_ENDPOINT_URL": self.url,
                "AWS_REGION": self.region,
                "AWS_DEFAULT_REGION": self.region,
                "AWS_ACCESS_KEY_ID": self.access_key_id,
                "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
                "AWS_EC2_METADATA_DISABLED": "true",
                **self.overrides,
            }
        )


@contextmanager
def ministack(*, log: Path | None = None, functions: bool = False, calls: Path | None = None) -> Iterator[Endpoint]:
    """Run MiniStack until the block ends, or this process does.

    It runs in an environment of its own, because its botocore is not the one aioboto3 needs: `FLEET_EMULATOR_HOME`, or
    `.emulators/ministack` in the project, which is built from its lock when it is missing. State lives in memory only.
    It answers those who sign with the endpoint's keys, and runs Lambda functions only where `functions` says so. Each call
    that it has answered becomes a line of `calls`, with its body: for tests, whose data is nobody's.

    Raises:
        EmulatorFailed: it ended early, or did not answer ListQueues within 30 seconds.
        EnvironmentBroken: its environment could not be built.
    """
    python = emulator_python()
    log = log or private.folder(PROJECT / private.HOME) / "ministack.log"
    log.unlink(missing_ok=True)  # logs are appended to, and this one is quoted when the start fails
    keys = new_keys()
    with tempfile.TemporaryDirectory(prefix="fleet-ministack-") as scratch, child.listening() as listener:
        port = listener.getsockname()[1]
        running = child.start(
            [str(python), "-I", str(Path(__file__).with_name("ministack_main.py"))],
            environment=_environment(port, scratch, keys, functions=functions)
            | ({"FLEET_EMULATOR_CALLS": str(calls)} if calls else {}),
            log=log,
            cwd=Path(scratch),
            listener=listener,
        )
        listener.close()  # it is the child's now: where that ends, a client is refused and does not wait
        try:
            endpoint = Endpoint(f"http://127.0.0.1:{port}", REGION, *keys)
            await_answer(running, endpoint, seconds=_STARTS_WITHIN)
            yield endpoint
        finally:
            running.stop()


def emulator_python() -> Path:
    """The interpreter that has MiniStack installed, built on demand."""
    home = os.environ.get("FLEET_EMULATOR_HOME")
    if home:
        return Path(home) / "bin" / "python"
    return ensure(PROJECT / ".emulators" / "ministack", _LOCK)


def await_answer(running: child.Child, endpoint: Endpoint, *, seconds: float) -> None:
    """Wait until SQS answers at `endpoint`.

    Raises:
        EmulatorFailed: the process ended, or `seconds` passed.
    """
    deadline = time.monotonic() + seconds
    while not answers(endpoint):
        if running.ended_within(0.05):
            raise EmulatorFailed(f"the emulator ended while starting:\n{running.last_words()}")
        if time.monotonic() > deadline:
            raise EmulatorFailed(f"the emulator did not answer within {seconds:.0f} s:\n{running.last_words()}")


def answers(endpoint: Endpoint) -> bool:
    """Whether ListQueues gets its answer: the port alone opens before the services do."""
    question = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    return asked(endpoint, "POST", "/", question, b"{}") is not None


def asked(endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes | None:
    """What one signed request is answered, or None where it is not answered with 200. For what no client of boto asks."""
    request = AWSRequest(method, f"{endpoint.url}{path}", dict(headers), body)
    SigV4Auth(Credentials(endpoint.access_key_id, endpoint.secret_access_key), "sqs", endpoint.region).add_auth(request)
    place = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.read() if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def bare_environment() -> dict[str, str]:
    """What an emulator may know of the caller: not its AWS_*, its PYTHON*, nor any other setting it could mistake for its own."""
    return {name: os.environ[name] for name in _HANDED_ON if name in os.environ}


def _environment(port: int, scratch: str, keys: Keys, *, functions: bool) -> dict[str, str]:
    return {
        **bare_environment(),
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,  # the functions that it runs sign with it too
        "SERVICES": ",".join(sorted({*SERVICES, "dynamodbstreams", *(FUNCTIONS if functions else ())})),
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",  # else it listens on port 8883, and takes a second longer to start
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{scratch}/no-docker",  # it would sweep its containers off the machine's Docker
        "TMPDIR": scratch,
        "S3_DATA_DIR": f"{scratch}/s3",
    }
