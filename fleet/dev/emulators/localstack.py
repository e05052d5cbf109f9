"""LocalStack without Docker: host mode, in an environment of its own. The second opinion on what MiniStack says.

    python -m fleet.dev.emulators.localstack -- pytest tests/e2e

runs a command with FLEET_TEST_ENDPOINT set: to the LocalStack that already answers at AWS_ENDPOINT_URL, or to one that is
started for it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleet.dev import child, private
from fleet.dev.deploy import template
from fleet.dev.emulators.gate import new_keys
from fleet.dev.emulators.ministack import (
    REGION,
    EmulatorFailed,
    Endpoint,
    answers,
    asked,
    await_answer,
    bare_environment,
    ministack,
)
from fleet.dev.environments import PROJECT, EnvironmentBroken, ensure

_LOCK = PROJECT / "requirements" / "localstack.txt"
_CACHE = PROJECT / ".emulators" / "localstack-cache"
_HOOKS = PROJECT / "localstack-init" / "ready.d"
_STARTS_WITHIN = 120.0
_SERVICES = (
    "cloudformation,cloudwatch,dynamodb,dynamodbstreams,events,iam,kms,logs,s3,secretsmanager,ses,sns,sqs,ssm,sts"
)


@contextmanager
def localstack(*, log: Path | None = None) -> Iterator[Endpoint]:
    """Run LocalStack 4.9.2 until the block ends, with the topology deployed in it by `localstack-init/ready.d`.

    Its DynamoDB is a MiniStack behind it: DynamoDB Local listens on every interface, asks for no key, and logs with an
    old log4j. Both answer only who signs with their run's keys.

    Raises:
        EmulatorFailed: it ended early, did not become ready within two minutes, or its ready hook failed.
        EnvironmentBroken: its environment could not be built.
    """
    python = ensure(PROJECT / ".emulators" / "localstack", _LOCK)
    log = log or private.folder(PROJECT / private.HOME) / "localstack.log"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-localstack-")))
        beside = stack.enter_context(ministack(log=log.with_name("localstack-dynamodb.log")))
        listener = stack.enter_context(child.listening())
        endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", REGION, *new_keys())
        _furnish(root)
        log.unlink(missing_ok=True)  # logs are appended to, and this one is quoted when the start fails
        command = [str(python), "-I", str(Path(__file__).with_name("localstack_main.py"))]
        running = child.start(
            command, environment=_environment(root, endpoint, beside), log=log, cwd=root, listener=listener
        )
        listener.close()
        stack.callback(running.stop, patience=15.0)
        await_answer(running, endpoint, seconds=_STARTS_WITHIN)
        _await_hooks(running, endpoint)
        yield endpoint


def _furnish(root: Path) -> None:
    """Its init hooks, and its service catalog, which takes seconds to build and is kept between runs."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    for place, target in (("var/lib/localstack/cache", _CACHE), ("etc/localstack/init/ready.d", _HOOKS)):
        (root / place).parent.mkdir(parents=True)
        (root / place).symlink_to(target)
    (root / "tmp").mkdir()


def _environment(root: Path, endpoint: Endpoint, beside: Endpoint) -> dict[str, str]:
    port = urlsplit(endpoint.url).port
    return {
        **bare_environment(),
        "FILESYSTEM_ROOT": str(root),
        "TMPDIR": str(root / "tmp"),
        "FLEET_TEMPLATE": str(template()),
        "FLEET_ACCESS_KEY_ID": endpoint.access_key_id,
        "FLEET_SECRET_ACCESS_KEY": endpoint.secret_access_key,
        "FLEET_DYNAMODB_ACCESS_KEY_ID": beside.access_key_id,
        "FLEET_DYNAMODB_SECRET_ACCESS_KEY": beside.secret_access_key,
        "DYNAMODB_LOCAL_PORT": str(urlsplit(beside.url).port),
        "IN_MEMORY_CLIENT": "1",  # its own calls to itself do not come through the gate
        "OVERRIDE_IN_DOCKER": "0",  # else a machine with /.dockerenv is taken for its container
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "SQS_ENDPOINT_STRATEGY": "path",
        "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DISABLE_CORS_CHECKS": "1",
        "PROVIDER_OVERRIDE_DYNAMODB": "v2",
        "SQS_DISABLE_CLOUDWATCH_METRICS": "1",
        "SERVICES": _SERVICES,
        "EAGER_SERVICE_LOADING": "0",
        # Its newer engine resolves references among resources whose condition is false, and fails on them.
        "PROVIDER_OVERRIDE_CLOUDFORMATION": "engine-legacy",
    }


def _await_hooks(running: child.Child, endpoint: Endpoint) -> None:
    """A ready hook that fails is only logged by LocalStack; its state tells."""
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        state = _state(endpoint)
        hooks = [hook for hook in state.get("scripts", []) if hook["stage"] == "READY"]
        if any(hook["state"] == "ERROR" for hook in hooks):
            raise EmulatorFailed(f"a ready hook failed:\n{running.last_words()}")
        if state.get("completed", {}).get("READY") and all(hook["state"] == "SUCCESSFUL" for hook in hooks):
            return
        if running.ended_within(0.2) or time.monotonic() > deadline:
            raise EmulatorFailed(f"LocalStack did not become ready:\n{running.last_words()}")


def _state(endpoint: Endpoint) -> dict[str, Any]:
    try:
        document = json.loads(asked(endpoint, "GET", "/_localstack/init", {}) or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _running(environment: Mapping[str, str]) -> Endpoint | None:
    """The emulator that the caller already runs, if it answers."""
    if not environment.get("AWS_ENDPOINT_URL"):
        return None
    endpoint = Endpoint.from_environment(environment)
    return endpoint if answers(endpoint) else None


def main(arguments: list[str]) -> int:
    """Run the command after `--` beside LocalStack and answer its exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m fleet.dev.emulators.localstack -- COMMAND...", file=sys.stderr)
        return 2
    try:
        with ExitStack() as stack:
            endpoint = _running(os.environ) or stack.enter_context(localstack())
            print(f"LocalStack answers at {endpoint.url}", file=sys.stderr)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            environment |= {**endpoint.environment, "FLEET_TEST_ENDPOINT": endpoint.url}
            return subprocess.run(command, env=environment, check=False).returncode
    except (EmulatorFailed, EnvironmentBroken) as trouble:
        print(trouble, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
