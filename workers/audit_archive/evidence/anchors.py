"""Where the head of the chain is kept outside of the archive's bucket, so that what is cut off there shows."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
from pydantic import TypeAdapter

from workers.audit_archive.chain.digest import Head
from workers.audit_archive.rules import canonical
from workers.audit_archive.store.bucket import Bucket

if TYPE_CHECKING:
    from types_aiobotocore_ssm import SSMClient

log = structlog.get_logger()

_HEAD = TypeAdapter(Head)
_SHORT = re.compile(r"([1-9][0-9]{0,11}):([0-9a-f]{64})")
_OBJECT = re.compile(r"([0-9]{12})-([0-9a-f]{64})\.json")
_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()/-]{1,800}))?")
_PARAMETER = re.compile(r"ssm:(?P<name>/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)")


class Anchor(Protocol):
    """A place of the archive's heads. Each call may be repeated; whatever it raises leaves its effect unknown."""

    @property
    def name(self) -> str: ...
    async def keep(self, head: Head) -> None: ...


@dataclass(frozen=True, slots=True)
class InLog:
    """A line of the worker's log: where the log goes, nobody who owns the bucket may write or delete."""

    name: str = "log"

    async def keep(self, head: Head) -> None:
        log.info("audit_head", head=str(head), tree_size=head.tree_size, root=head.root, genesis=head.genesis)


@dataclass(frozen=True, slots=True)
class InBucket:
    """Objects `{prefix}/{number}-{hash}.json` in another bucket, each written once and never changed: two histories of one
    archive stand there side by side.
    """

    bucket: Bucket
    prefix: str
    name: str

    async def keep(self, head: Head) -> None:
        await self.bucket.put_new(f"{self.prefix}{head.sequence:012}-{head.sha256}.json", canonical(asdict(head)), {})

    async def heads(self) -> list[Head]:
        """Every head that was kept, read from the names alone. Raises ValueError where a name is none."""
        found = []
        for key in await self.bucket.keys(self.prefix):
            name = _OBJECT.fullmatch(key.removeprefix(self.prefix))
            if name is None:
                raise ValueError(f"{self.name} holds something else than heads: {key!r}")
            found.append(Head(int(name[1]), name[2]))
        return found


@dataclass(frozen=True, slots=True)
class InParameter:
    """A parameter of Systems Manager holds the newest head, and its history a hundred before. Of two workers the slower one
    may put an older head back, until the next digest: what it says stays true.
    """

    client: SSMClient
    parameter: str
    name: str

    async def keep(self, head: Head) -> None:
        text = canonical(asdict(head)).decode()
        await self.client.put_parameter(Name=self.parameter, Value=text, Type="String", Overwrite=True)

    async def heads(self) -> list[Head]:
        """The newest one. Raises ValueError where the parameter holds something else, and the client's ParameterNotFound."""
        answer = await self.client.get_parameter(Name=self.parameter)
        try:
            return [_HEAD.validate_json(answer["Parameter"]["Value"], strict=True)]
        except ValueError as error:
            raise ValueError(f"{self.name} holds something else than a head") from error


def read_head(text: str) -> Head | None:
    """The head in `NUMBER:HASH`, None where it is another text."""
    found = _SHORT.fullmatch(text)
    return Head(int(found[1]), found[2]) if found else None


@dataclass(frozen=True, slots=True)
class LogPlace:
    """`log`"""


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """`s3://bucket/prefix`"""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class ParameterPlace:
    """`ssm:/name`"""

    parameter: str


Place = LogPlace | BucketPlace | ParameterPlace


def place(text: str) -> Place:
    """Read one place. Raises ValueError that names the forms."""
    if text == "log":
        return LogPlace()
    if found := _BUCKET.fullmatch(text):
        prefix = (found["prefix"] or "").strip("/")
        return BucketPlace(found["bucket"], f"{prefix}/" if prefix else "")
    if found := _PARAMETER.fullmatch(text):
        return ParameterPlace(found["name"])
    raise ValueError("an anchor is `log`, `s3://bucket/prefix` or `ssm:/name`")


def places(text: str) -> tuple[Place, ...]:
    """Read several, separated by commas. Raises ValueError."""
    return tuple(place(part.strip()) for part in text.split(","))
