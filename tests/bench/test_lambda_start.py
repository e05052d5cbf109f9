"""What Lambda's init does not load: it is paid at every cold start, and is wanted by few invocations or by none."""

import json
import subprocess
import sys

import pytest

from tests.bench.lambda_start import FIRST, HANDLERS, PLAIN, code
from tests.bench.referee import ROOT

NOT_AT_INIT = (
    "aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore.client", "botocore.loaders", "botocore.model",
    "botocore.session", "cryptography", "fleet", "google", "opentelemetry.exporter", "opentelemetry.sdk", "requests",
    "shared.aws", "shared.container", "shared.sqs.payloads",
)  # fmt: skip
"""With all that is below them. Clients come at the first invocation, keys where something is signed or sealed, exporters where an
endpoint is named.
"""

NOT_AT_FIRST = tuple(name for name in NOT_AT_INIT if name != "shared.aws")
"""Nor is it loaded by the first invocation, where Lambda's environment is the plain one."""


@pytest.mark.slow
@pytest.mark.parametrize("handler", HANDLERS)
def test_the_import_of_a_handler_loads_no_client_no_exporter_and_no_door_of_the_container(handler: str) -> None:
    assert loaded_of(handler, NOT_AT_INIT) == []


@pytest.mark.slow
def test_the_first_invocation_loads_botocores_errors_alone() -> None:
    assert loaded_of(FIRST, NOT_AT_FIRST) == []


def loaded_of(module: str, unwanted: tuple[str, ...]) -> list[str]:
    """Which of these, or of what is below them, a process has loaded in Lambda's environment."""
    told = f"{code(module)}\nimport json, sys; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", told], check=True, cwd=ROOT, env=PLAIN, capture_output=True, timeout=60
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    return [name for name in loaded for each in unwanted if f"{name}.".startswith(f"{each}.")]
