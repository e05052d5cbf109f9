"""A worker's alias at Lambda: the version that it runs, the canary beside it, and the way back.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

ALIAS: Final = "live"
MOST: Final = 256  # characters of an alias's description
RUNNING: Final = ("Created", "Queued", "InProgress", "Baking", "Ready")
"""States of a deployment of CodeDeploy that has not ended."""


class NotDeployed(Exception):
    """The function, or its alias, is not there."""


class NoWayBack(Exception):
    """The version that is asked for cannot be gone to; the text says why."""


class ChangedMeanwhile(Exception):
    """Somebody else moved the alias since it was looked at."""


@dataclass(frozen=True, slots=True)
class Version:
    """One published version. `code`: the SHA-256 of its zip in Base64; `since`: when it was published, as AWS writes it."""

    number: int
    since: str
    code: str
    made_of: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What an alias runs. `canary`: a version that takes this share of the traffic (0 to 1) beside it; `older`: newest first."""

    function: str
    current: Version
    older: tuple[Version, ...]
    canary: tuple[int, float] | None
    note: str
    revision: str

    def way_back(self, number: int | None = None) -> Version:
        """The version to go to, by default the newest older one of another code. Raises NoWayBack."""
        if number is None:
            other = [each for each in self.older if each.code != self.current.code]
            if not other:
                raise NoWayBack(f"{self.function}: no older version of another code is left")
            return other[0]
        if number == self.current.number:
            raise NoWayBack(f"{self.function}: version {number} is the one that runs")
        for each in self.older:
            if each.number == number:
                return each
        left = ", ".join(str(each.number) for each in self.older) or "none"
        raise NoWayBack(f"{self.function}: no version {number} before {self.current.number}; there are: {left}")


def standing(client: Any, function: str) -> Standing:
    """Ask Lambda. Raises NotDeployed, NoWayBack where the alias runs no version, and botocore's errors."""
    try:
        alias = client.get_alias(FunctionName=function, Name=ALIAS)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotDeployed(f"no function {function} with the alias `{ALIAS}`") from error
    published = sorted(_versions(client, function), key=lambda each: each.number, reverse=True)
    if not alias["FunctionVersion"].isdigit():
        raise NoWayBack(
            f"{function}: the alias runs {alias['FunctionVersion']}, which no release put there; {_set(function, published)}"
        )
    number = int(alias["FunctionVersion"])
    [current] = [each for each in published if each.number == number]
    weights: Mapping[str, float] = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Standing(
        function,
        current,
        tuple(each for each in published if each.number < number),
        next(((int(version), weight) for version, weight in weights.items()), None),
        alias.get("Description", ""),
        alias.get("RevisionId", ""),
    )


def _set(function: str, published: list[Version]) -> str:
    number = published[0].number if published else "NUMBER"
    return f"aws lambda update-alias --function-name {function} --name {ALIAS} --function-version {number} lets it run a version"


def _versions(client: Any, function: str) -> Iterator[Version]:
    for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=function):
        for each in page["Versions"]:
            if each["Version"] != "$LATEST":
                yield Version(
                    int(each["Version"]), each["LastModified"], each["CodeSha256"], each.get("Description", "")
                )


def go_back(client: Any, stands: Standing, to: Version, *, note: str) -> None:
    """Let the alias run `to` alone; `note` becomes its description, so that the change and its reason are one write.

    Messages in flight end where they are, or return after their visibility timeout. Raises ChangedMeanwhile.
    """
    try:
        client.update_alias(
            FunctionName=stands.function,
            Name=ALIAS,
            FunctionVersion=str(to.number),
            RoutingConfig={"AdditionalVersionWeights": {}},
            Description=note[:MOST],
            RevisionId=stands.revision,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailedException":
            raise
        raise ChangedMeanwhile(f"{stands.function}: somebody else moved the alias just now; look again") from error


def stop_canary(client: Any, function: str) -> list[str]:
    """End what CodeDeploy is still shifting to the new version; it puts the alias back itself. The ids of what was stopped."""
    found = client.list_deployments(
        applicationName=function, deploymentGroupName=function, includeOnlyStatuses=list(RUNNING)
    )["deployments"]
    for deployment in found:
        client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    return list(found)
