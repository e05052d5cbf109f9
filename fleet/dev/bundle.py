"""The zip that Lambda runs: the workers, what they import, and nothing a developer needs.

    python -m fleet.dev.bundle [build/fleet-lambda.zip] [--platform aarch64-unknown-linux-gnu --python 3.13]

It is built for the runtime and the processor that infra/templates/workers.json names, whatever runs here, and its name says for which. The same sources and lock give the same bytes. Handlers are named `workers.<concern>.app.lambda_handler`.
"""

import argparse
import compileall
import hashlib
import json
import py_compile
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.dev.environments import PROJECT, EnvironmentBroken, install_into, one_builder

LOCK = PROJECT / "requirements" / "lambda.txt"
SERVICES = {
    "apigatewaymanagementapi",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "kms",
    "s3",
    "secretsmanager",
    "sesv2",
    "sqs",
    "ssm",
    "sts",
}
"""The AWS services whose descriptions go along: botocore brings those of all four hundred, 20 MB."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can say; real times would change the bytes
_USELESS = (".pyi", ".pyx", ".pxd", ".c", ".h", ".so.debug")
_RECORDS = {
    "RECORD",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
    "uv_cache.json",
}  # of the installer, not of the package


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a zip is built for: `python` (`3.13`) and Lambda's name of a processor (`arm64`)."""

    python: str
    architecture: str

    @property
    def platform(self) -> str:
        """Uv's name of it."""
        return f"{'aarch64' if self.architecture == 'arm64' else self.architecture}-unknown-linux-gnu"

    @property
    def zip_name(self) -> str:
        return f"fleet-lambda-python{self.python}-{self.architecture}.zip"


def deployed_runtime() -> Runtime:
    """What the functions of the committed template run on."""
    text = (PROJECT / "infra" / "templates" / "workers.json").read_text(encoding="utf-8")
    template = json.loads(text)
    functions = [
        each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    ]
    [architecture] = {name for each in functions for name in each["Architectures"]}
    python = template["Parameters"]["LambdaRuntime"]["Default"]
    return Runtime(str(python).removeprefix("python"), str(architecture))


def bundle(target: Path, *, platform: str | None = None, python: str | None = None) -> Path:
    """Write the zip to `target` and answer its path.

    Without `platform` (uv's name of one) and `python` (`3.13`) it is built for this machine's. Byte code, which knows no platform, is
    compiled into it where this Python is the one it is built for: an import from source costs a cold start a second.

    Raises:
        EnvironmentBroken: the requirements could not be installed.
    """
    compiled = _is_own(python)
    requirements = _requirements(platform, python, compiled=compiled)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(unfinished, "w") as archive:
        sources = Path(scratch)
        _copy_sources(sources, compiled=compiled)
        for staging in (sources, requirements):
            for path in _wanted(staging):
                entry = zipfile.ZipInfo(path.relative_to(staging).as_posix(), _EPOCH)
                entry.external_attr = 0o644 << 16  # Lambda's own user reads them
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=6)
    return unfinished.replace(target)


def _is_own(python: str | None) -> bool:
    return python in {None, f"{sys.version_info.major}.{sys.version_info.minor}"}


def _requirements(platform: str | None, python: str | None, *, compiled: bool) -> Path:
    """The installed requirements, kept between builds while the lock stays what it is."""
    subject = "\n".join((LOCK.read_text(), sys.version, platform or "", python or ""))
    staging = PROJECT / "build" / f"lambda-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"
    with one_builder(staging):
        if not staging.exists():
            unfinished = staging.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            install_into(unfinished, LOCK, platform=platform, python=python)
            if compiled:
                _compile(unfinished)
            unfinished.rename(staging)
    return staging


def _copy_sources(staging: Path, *, compiled: bool) -> None:
    for package in ("shared", "workers"):
        shutil.copytree(PROJECT / package, staging / package, ignore=shutil.ignore_patterns("__pycache__"))
    if compiled:
        _compile(staging)


def _compile(staging: Path) -> None:
    """Byte code that is trusted without a look at the source's time, because a zip does not keep it."""
    compileall.compile_dir(
        staging,
        quiet=2,
        workers=0,  # as many as there are processors
        stripdir=str(staging),
        prependdir="/var/task",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _wanted(staging: Path) -> Iterator[Path]:
    for path in sorted(staging.rglob("*")):
        inside = path.relative_to(staging)
        if path.is_file() and not _is_ballast(inside):
            yield path


def _is_ballast(inside: Path) -> bool:
    parts = inside.parts
    if parts[0] in {"botocore", "boto3"} and len(parts) > 3 and parts[1] == "data":
        return parts[2] not in SERVICES
    if parts[-2:-1] and parts[-2].endswith(".dist-info"):
        return inside.name in _RECORDS
    return parts[0] == "bin" or inside.suffix in _USELESS or inside.name == ".lock"


def main() -> int:
    runtime = deployed_runtime()
    parser = argparse.ArgumentParser(description="Build the zip that Lambda runs.")
    parser.add_argument("target", type=Path, nargs="?", help=f"the zip; build/{runtime.zip_name} unless it is named")
    parser.add_argument("--platform", help=f"uv's name of another platform than {runtime.platform}")
    parser.add_argument("--python", help=f"another Python's version than {runtime.python}")
    parser.add_argument("--here", action="store_true", help="for the Python and the machine that run this")
    asked = parser.parse_args()
    if asked.here and (asked.platform or asked.python):
        parser.error("--here is this machine: leave --platform and --python out")
    if asked.target is None and (asked.here or asked.platform or asked.python):
        parser.error("name the zip: it is not built for what the templates name")
    platform, python = (
        (None, None) if asked.here else (asked.platform or runtime.platform, asked.python or runtime.python)
    )
    try:
        written = bundle(asked.target or PROJECT / "build" / runtime.zip_name, platform=platform, python=python)
    except EnvironmentBroken as trouble:
        print(trouble, file=sys.stderr)
        return 1
    digest = hashlib.sha256(written.read_bytes()).hexdigest()
    print(f"{written}  {written.stat().st_size / 1e6:.1f} MB  sha256 {digest}")
    print(
        f"built for {f'Python {python} on {platform}' if platform else 'this Python on this machine'}", file=sys.stderr
    )
    if not _is_own(python):
        print(
            f"without byte code, which costs a cold start a second: run by Python {python} it has it", file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
