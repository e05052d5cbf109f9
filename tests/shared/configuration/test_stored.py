"""Parameters and secrets stand for variables, at both doors, and what is wrong with one is named before anything starts."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from shared.app import App
from shared.configuration.stored import read_environment
from shared.container import process
from shared.lambda_door.entry import Sandbox
from shared.settings import SettingsError
from tests.aws import Aws


@pytest.fixture
def path(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> str:
    """A path of this test's own; endpoint and credentials are read by botocore itself."""
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return f"/{aws.project}/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(aws: Aws, path: str) -> Any:
    ssm: Any = aws.session.client("ssm", endpoint_url=aws.endpoint.url_of("ssm"))

    def put(name: str, value: str) -> None:
        ssm.put_parameter(Name=f"{path}/{name}", Value=value, Type="String")

    return put


@pytest.fixture
def secret(aws: Aws) -> Any:
    client: Any = aws.session.client("secretsmanager", endpoint_url=aws.endpoint.url_of("secretsmanager"))

    def keep(text: str) -> str:
        return str(client.create_secret(Name=f"{aws.project}-{uuid.uuid4().hex[:8]}", SecretString=text)["ARN"])

    return keep


async def test_parameters_stand_for_variables_and_the_environment_wins(store: Any, path: str) -> None:
    for number in range(12):  # more than one answer holds
        store(f"NUMBER_{number}", str(number))
    store("LOG_LEVEL", "debug")
    store("EMAIL_SENDER", "a@example.com")
    store("deeper/LOG_LEVEL", "error")
    found = await read_environment({"SETTINGS_PATH": f"{path}/", "LOG_LEVEL": "warning", "EMAIL_SENDER": ""})
    assert (found["LOG_LEVEL"], found["EMAIL_SENDER"], found["NUMBER_11"]) == ("warning", "a@example.com", "11")


async def test_a_secret_stands_for_its_variable(secret: Any, path: str) -> None:
    found = await read_environment({"EXPO_ACCESS_TOKEN_SECRET_ARN": secret("token"), "AUDIT_HASH_KEYS_SECRET_ARN": ""})
    assert found["EXPO_ACCESS_TOKEN"] == "token"
    assert "AUDIT_HASH_KEYS" not in found


async def test_where_nothing_is_stored_nothing_is_asked() -> None:
    given = {"LOG_LEVEL": "info", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert await read_environment(given) is given


@pytest.mark.parametrize("name", ["lower", "AWS_ENDPOINT_URL", "WITH-DASH"])
async def test_a_parameter_that_is_no_setting_is_named(store: Any, path: str, name: str) -> None:
    store(name, "x")
    with pytest.raises(SettingsError, match=f"SETTINGS_PATH: {path}/{name} is not a setting"):
        await read_environment({"SETTINGS_PATH": path})


async def test_a_secret_that_cannot_be_read_is_named_with_the_reason(path: str, secret: Any, aws: Aws) -> None:
    with pytest.raises(SettingsError, match=r"TOKEN_SECRET_ARN: .* \(ResourceNotFoundException\)"):
        await read_environment({"TOKEN_SECRET_ARN": f"{aws.project}-none"})


async def test_a_text_and_a_secret_for_one_variable_are_refused(store: Any, path: str, secret: Any) -> None:
    with pytest.raises(SettingsError, match="set one of the two: TOKEN or TOKEN_SECRET_ARN") as refused:
        await read_environment({"TOKEN": "hidden", "TOKEN_SECRET_ARN": "any"})
    assert "hidden" not in str(refused.value)
    store("TOKEN", "hidden")
    with pytest.raises(SettingsError, match="a secret does not belong in SETTINGS_PATH: TOKEN"):
        await read_environment({"SETTINGS_PATH": path, "TOKEN_SECRET_ARN": secret("x")})


class Asked(Exception):
    """The worker was opened with this environment."""


def app(seen: list[str]) -> App:
    def opened(environment: Mapping[str, str], _clients: object) -> Any:
        seen.append(environment["GREETING"])
        raise Asked

    return App(name="sample", queues=(), open_workers=opened)


def test_both_doors_open_a_worker_with_what_is_stored(store: Any, path: str) -> None:
    store("GREETING", "hello")
    seen: list[str] = []
    sandbox = Sandbox(app(seen), {"SETTINGS_PATH": path})
    with pytest.raises(Asked):
        sandbox.invoke({"Records": []}, remaining=30.0)
    sandbox.close()
    assert process.main(app(seen), {"SETTINGS_PATH": path, "HEALTH_PORT": "0"}) == 1
    assert seen == ["hello", "hello"]
