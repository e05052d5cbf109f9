"""What Lambda's init does not load: it is paid at every cold start, and is wanted by few invocations or by none."""

import json
import subprocess
import sys

import pytest

from tests.bench.lambda_start import HANDLERS, code
from tests.bench.referee import ROOT

NOT_AT_INIT = (
    "aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore.client", "botocore.loaders", "botocore.model",
    "botocore.session", "cryptography", "fleet", "google", "opentelemetry.exporter", "opentelemetry.sdk", "requests",
    "shared.aws", "shared.container", "shared.sqs.payloads",
)  # fmt: skip
"""With all that is below them. Clients come at the first invocation, keys where something is signed or sealed, exporters where an
endpoint is named.
"""


@pytest.mark.slow
@pytest.mark.parametrize("handler", HANDLERS)
def test_the_import_of_a_handler_loads_no_client_no_exporter_and_no_door_of_the_container(handler: str) -> None:
    told = f"{code(handler)}\nimport json; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", told], check=True, cwd=ROOT, capture_output=True, timeout=60)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded for each in NOT_AT_INIT if f"{name}.".startswith(f"{each}.")] == []
