"""A secret is rotated while a process runs: what is old or refused is read again, and both versions count."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from shared.app import App
from shared.configuration.secret import LIFETIME, RETRY, Secret, read_version, read_versions
from shared.container import process
from shared.lambda_door.entry import Sandbox
from shared.settings import SettingsError
from tests.aws import Aws


class Kept:
    """Secrets Manager and a clock, by hand."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.at = 100.0
        self.readings = 0
        self.is_down = False

    def secret(self, *known: str) -> Secret:
        return Secret("TOKEN", known, read=self._read, clock=self._clock)

    def _clock(self) -> float:
        self.at += 1e-6  # no two moments are one
        return self.at

    async def _read(self) -> tuple[str, ...]:
        self.readings += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise SettingsError("TOKEN_SECRET_ARN: the secret cannot be read (InternalServiceError)")
        return self.texts


class Peer:
    """Takes these tokens, and remembers what it was shown."""

    def __init__(self, *takes: str) -> None:
        self.takes = takes
        self.shown: list[str | None] = []

    async def attempt(self, token: str | None) -> bool:
        self.shown.append(token)
        return token in self.takes

    async def ask(self, secret: Secret) -> bool:
        return await secret.accepted(self.attempt, refused=lambda taken: not taken)


async def test_what_the_start_has_read_is_used_for_a_lifetime_and_then_read_again() -> None:
    kept = Kept("new", "old")
    secret = kept.secret("old")
    kept.at += LIFETIME - 1
    assert (await secret.texts(), kept.readings) == (("old",), 0)
    kept.at += 1
    assert (await secret.texts(), kept.readings) == (("new", "old"), 1)
    kept.at += LIFETIME - 1
    assert (await secret.texts(), kept.readings) == (("new", "old"), 1)


async def test_a_refused_token_is_read_again_at_once() -> None:
    kept, peer = Kept("new", "old"), Peer("new")
    secret = kept.secret("old")
    assert await peer.ask(secret)
    assert (peer.shown, kept.readings) == (["old", "new"], 1)
    assert await peer.ask(secret)
    assert (peer.shown[2:], kept.readings) == (["new"], 1)


async def test_while_the_new_version_is_not_taken_yet_the_one_before_is_and_nothing_is_read() -> None:
    kept, peer = Kept("new", "old"), Peer("old")
    secret = kept.secret("new")
    assert await peer.ask(secret)
    assert (peer.shown, kept.readings) == (["new", "old"], 1)
    assert await peer.ask(secret)
    assert (peer.shown[2:], kept.readings) == (["new", "old"], 1)


async def test_each_version_is_tried_once_where_all_are_refused() -> None:
    kept, peer = Kept("new", "old"), Peer("another")
    assert not await peer.ask(kept.secret("old"))
    assert (peer.shown, kept.readings) == (["old", "new"], 1)


async def test_many_that_are_refused_at_the_same_moment_read_once() -> None:
    kept, peer = Kept("new", "old"), Peer("new")
    secret = kept.secret("old")
    assert all(await asyncio.gather(*(peer.ask(secret) for _ in range(20))))
    assert kept.readings <= 2, "one reading, and one more for who was refused while it ran"


async def test_while_secrets_manager_is_away_the_known_version_is_used_and_it_is_asked_seldom() -> None:
    kept = Kept("new", "old")
    secret, kept.is_down = kept.secret("old"), True
    kept.at += LIFETIME
    for _ in range(5):
        assert await secret.texts() == ("old",)
    assert kept.readings == 1
    kept.is_down = False
    kept.at += RETRY
    assert (await secret.texts(), kept.readings) == (("new", "old"), 2)


async def test_many_that_wait_for_a_reading_that_fails_wait_for_that_one_alone() -> None:
    kept = Kept()
    secret, kept.is_down = kept.secret("old"), True
    kept.at += LIFETIME
    assert await asyncio.gather(*(secret.texts() for _ in range(20))) == 20 * [("old",)]
    assert kept.readings == 1
    told = await asyncio.gather(*(secret.read_again() for _ in range(20)), return_exceptions=True)
    assert (kept.readings, {type(each) for each in told}) == (2, {SettingsError})


async def test_while_secrets_manager_is_away_a_refusal_does_not_ask_it_each_time() -> None:
    kept, peer = Kept("new"), Peer("new")
    secret, kept.is_down = kept.secret("old"), True
    for _ in range(5):
        assert not await peer.ask(secret)
    assert kept.readings == 1
    kept.is_down = False
    assert not await peer.ask(secret)
    kept.at += RETRY
    assert await peer.ask(secret)
    assert kept.readings == 2


async def test_who_must_know_is_told_that_it_cannot_be_read() -> None:
    kept = Kept("new")
    kept.is_down = True
    with pytest.raises(SettingsError, match="InternalServiceError"):
        await kept.secret("old").read_again()


@pytest.mark.parametrize(("given", "shown"), [({}, [None]), ({"TOKEN": "plain"}, ["plain"])])
async def test_a_plain_variable_or_none_is_tried_once_and_never_read(
    given: Mapping[str, str], shown: list[Any]
) -> None:
    peer = Peer()
    assert not await peer.ask(Secret.of(given, "TOKEN"))
    assert peer.shown == shown


class Asked(Exception):
    """The worker was opened."""


class Manager:
    """Secrets Manager's answers, by label."""

    def __init__(self, **versions: Mapping[str, Any]) -> None:
        self._versions = versions

    async def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]:
        assert SecretId == "arn"
        return self._versions[VersionStage]


@pytest.mark.parametrize("text", ["token\n", "token\r\n", " token", "\ttoken \n\n"])
async def test_the_newline_of_the_file_that_a_secret_came_from_is_none_of_it(text: str) -> None:
    assert await read_version(Manager(AWSCURRENT={"SecretString": text}), "TOKEN", "arn") == "token"


BLANK: list[Mapping[str, Any]] = [{"SecretBinary": b"token"}, {"SecretString": ""}, {"SecretString": " \n"}]


@pytest.mark.parametrize("version", BLANK)
async def test_a_version_without_text_is_refused_by_name(version: Mapping[str, Any]) -> None:
    with pytest.raises(SettingsError, match="TOKEN_SECRET_ARN: the secret has no text"):
        await read_version(Manager(AWSCURRENT=version), "TOKEN", "arn")


@pytest.mark.parametrize("version", BLANK)
async def test_a_slip_that_was_put_right_does_not_keep_the_right_version_away(version: Mapping[str, Any]) -> None:
    found = await read_versions(Manager(AWSCURRENT={"SecretString": "right"}, AWSPREVIOUS=version), "TOKEN", "arn")
    assert found == ("right",)


def app(seen: list[Secret]) -> App:
    def opened(environment: Mapping[str, str], _clients: object) -> Any:
        seen.append(Secret.of(environment, "TOKEN"))
        raise Asked

    return App(name="sample", queues=(), open_workers=opened)


def test_a_rotation_reaches_what_both_doors_have_opened(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)  # botocore reads these by itself
    manager: Any = aws.session.client("secretsmanager", endpoint_url=aws.endpoint.url_of("secretsmanager"))
    name = f"{aws.project}-{uuid.uuid4().hex[:8]}"
    manager.create_secret(Name=name, SecretString="first")
    environment, seen = {"TOKEN_SECRET_ARN": name, "HEALTH_PORT": "0"}, list[Secret]()
    sandbox = Sandbox(app(seen), environment)
    with pytest.raises(Asked):
        sandbox.invoke({"Records": []}, remaining=30.0)
    sandbox.close()
    assert process.main(app(seen), environment) == 1

    def read_again() -> list[tuple[str, ...]]:
        return [asyncio.run(secret.read_again()) for secret in seen]

    assert read_again() == 2 * [("first",)], "never rotated, so nothing is before it"
    manager.put_secret_value(SecretId=name, SecretString="second")
    assert read_again() == 2 * [("second", "first")]
    manager.put_secret_value(SecretId=name, SecretString="third")
    assert read_again() == 2 * [("third", "second")]
    manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with pytest.raises(
        SettingsError, match=r"TOKEN_SECRET_ARN: the secret cannot be read \(ResourceNotFoundException\)"
    ):
        read_again()
