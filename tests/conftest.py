"""One emulator for the whole run, one deployed stack for each process of it, and a wall around this machine."""

import gc
import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import structlog

from fleet.dev.deploy import deploy
from fleet.dev.emulators.ministack import Endpoint
from fleet.typed import ENV_FILE, STAGE
from tests import botocore_data, examples, kept, left_open, loopback
from tests.aws import Aws

loopback.stay()
left_open.watch()
botocore_data.keep()
examples.register()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it for what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not one of xdist's own processes, but the one that owns the run
        kept.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        kept.end()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected and imported lives to the end of the run: no collection of garbage looks through it again."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After the fixtures, whose event loop has closed by then."""
    yield
    found = left_open.left_open()
    assert not found, f"{item.nodeid} left open: {found}"


@pytest.fixture(scope="session")
def emulator() -> Endpoint:
    """The run's emulator."""
    return kept.emulator()


@pytest.fixture(scope="session")
def aws(emulator: Endpoint) -> Aws:
    """The topology, deployed under a project name of this run's own, so that runs do not meet on a shared emulator."""
    project = f"t{uuid.uuid4().hex[:8]}"
    return Aws(emulator, project, "dev", deploy(emulator, project=project, stage="dev"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with one certificate authority."""
    path = tmp_path_factory.mktemp("authority") / "one.pem"
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    path.write_text(first + end + "\n")
    return str(path)


@pytest.fixture(autouse=True)
def _queues_of_this_test(request: pytest.FixtureRequest) -> Iterator[None]:
    if "aws" not in request.fixturenames:
        yield
        return
    aws: Aws = request.getfixturevalue("aws")
    with aws.queues_of_a_test():
        yield


@pytest.fixture(autouse=True)
def _stays_on_this_machine() -> Iterator[None]:
    loopback.attempts.clear()
    yield
    assert not loopback.attempts, "this test reached beyond the loopback interface"


@pytest.fixture(autouse=True)
def _no_credentials_of_the_developer(monkeypatch: pytest.MonkeyPatch, authority: str) -> None:
    """No test finds a real account: neither in the environment nor in the developer's files."""
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority)  # every client reads the whole list of the world's otherwise


@pytest.fixture(autouse=True)
def _nothing_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is called in this process leaves what it was given behind, for the commands that it names."""
    monkeypatch.setenv(STAGE, "")
    monkeypatch.setenv(ENV_FILE, "")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A door configures logging for its whole process, and every logger keeps what it saw first: both are undone."""
    kept = {name: [*logging.getLogger(name).handlers] for name in ("", "asyncio")}
    yield
    for name, handlers in kept.items():
        logging.getLogger(name).handlers[:] = handlers
    if structlog.is_configured():
        structlog.reset_defaults()
        for name, module in [*sys.modules.items()]:
            if name.startswith(("shared.", "workers.", "fleet.")) and hasattr(module, "log"):
                vars(module.log).pop("bind", None)
