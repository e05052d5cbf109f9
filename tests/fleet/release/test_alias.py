"""What runs behind an alias, and the way back, against a Lambda in memory."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.release.alias import ChangedMeanwhile, NotDeployed, NoWayBack, go_back, standing, stop_canary

FUNCTION = "fleet-audit-archive-dev"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


class Lambda:
    """One function: the code of each version, oldest first, and where its alias points."""

    def __init__(self, *codes: str, runs: int, canary: dict[str, float] | None = None) -> None:
        self.codes = codes
        self.alias: dict[str, Any] = {"FunctionVersion": str(runs), "RevisionId": "r1"}
        if canary:
            self.alias["RoutingConfig"] = {"AdditionalVersionWeights": canary}

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        if (FunctionName, Name) != (FUNCTION, "live"):
            raise refused("ResourceNotFoundException")
        return self.alias

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, *, FunctionName: str) -> list[dict[str, Any]]:
        assert FunctionName == FUNCTION
        made = [self._version(str(number), code) for number, code in enumerate(self.codes, start=1)]
        return [{"Versions": [self._version("$LATEST", "z"), *made[:2]]}, {"Versions": made[2:]}]

    def update_alias(self, *, RevisionId: str, **given: Any) -> None:
        if self.alias["RevisionId"] != RevisionId:
            raise refused("PreconditionFailedException")
        self.alias = given

    @staticmethod
    def _version(number: str, code: str) -> dict[str, str]:
        return {"Version": number, "LastModified": f"2026-11-0{len(number)}", "CodeSha256": code}


def test_the_way_back_leads_to_the_newest_older_version_of_another_code() -> None:
    client = Lambda("a", "b", "c", "c", "d", runs=4)
    stands = standing(client, FUNCTION)
    assert (stands.current.number, stands.canary) == (4, None)
    assert [each.number for each in stands.older] == [3, 2, 1]
    assert stands.way_back().number == 2
    assert stands.way_back(1).number == 1
    go_back(client, stands, stands.way_back(), note="x" * 300)
    assert client.alias == {
        "FunctionName": FUNCTION,
        "Name": "live",
        "FunctionVersion": "2",
        "RoutingConfig": {"AdditionalVersionWeights": {}},
        "Description": "x" * 256,
    }


def test_where_there_is_no_way_back_it_says_why() -> None:
    stands = standing(Lambda("a", "a", "b", runs=2), FUNCTION)
    for number, why in (
        (None, "of another code"),
        (2, "is the one that runs"),
        (3, "no version 3 before 2; there are: 1"),
    ):
        with pytest.raises(NoWayBack, match=why):
            stands.way_back(number)


def test_who_moved_the_alias_meanwhile_is_not_overruled() -> None:
    client = Lambda("a", "b", runs=2)
    stands = standing(client, FUNCTION)
    client.alias = client.alias | {"RevisionId": "r2"}
    with pytest.raises(ChangedMeanwhile):
        go_back(client, stands, stands.way_back(), note="")


def test_a_canary_is_seen_with_its_share() -> None:
    assert standing(Lambda("a", "b", runs=1, canary={"2": 0.1}), FUNCTION).canary == (2, 0.1)


def test_a_function_that_is_not_there_is_said_so() -> None:
    with pytest.raises(NotDeployed, match="no function fleet-other-dev with the alias `live`"):
        standing(Lambda("a", runs=1), "fleet-other-dev")


class CodeDeploy:
    """One deployment is under way."""

    def __init__(self) -> None:
        self.stopped: list[tuple[str, bool]] = []

    def list_deployments(self, **given: Any) -> dict[str, list[str]]:
        assert (given["applicationName"], given["deploymentGroupName"]) == (FUNCTION, FUNCTION)
        assert "InProgress" in given["includeOnlyStatuses"]
        return {"deployments": ["d-1"]}

    def stop_deployment(self, *, deploymentId: str, autoRollbackEnabled: bool) -> None:
        self.stopped.append((deploymentId, autoRollbackEnabled))


def test_whatever_a_canary_has_under_way_is_stopped_and_put_back() -> None:
    client = CodeDeploy()
    assert stop_canary(client, FUNCTION) == ["d-1"]
    assert client.stopped == [("d-1", True)]
