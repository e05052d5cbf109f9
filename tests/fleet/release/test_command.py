"""`fleet release`: what it prints, refuses and ends with."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from fleet.cli.deployment import release as command
from fleet.release import alias
from tests.fleet.release.test_alias import FUNCTION, CodeDeploy, Lambda
from workers.roster import WORKERS

OTHERS = len(WORKERS) - 1


class Region:
    region_name = "eu-central-1"


def run(monkeypatch: pytest.MonkeyPatch, client: Any, *words: str, deploys: Any = None) -> tuple[int, str]:
    client.meta = Region
    monkeypatch.setattr(command, "_client", lambda service: client if service == "lambda" else deploys)
    done = CliRunner().invoke(command.release, list(words))
    return done.exit_code, done.output


def test_status_tells_of_every_worker_and_of_those_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = run(monkeypatch, Lambda("a", "b", runs=1, canary={"2": 0.1}), "status", "dev")
    assert (code, "10% to 2" in text, text.count("not at Lambda")) == (4, True, OTHERS)
    code, text = run(monkeypatch, Lambda("a", "b", runs=2), "status", "dev", "--json")
    found = json.loads(text)["workers"]
    assert found["webhook-delivery"] is None
    assert (found["audit-archive"]["current"]["number"], found["audit-archive"]["older"][0]["code"]) == (2, "a")
    code, text = run(monkeypatch, Lambda("a", runs=1), "status", "prod")
    assert (code, "no function of fleet-*-prod in eu-central-1" in text) == (1, True)


def test_an_alias_that_runs_no_version_is_said_so_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Latest(Lambda):
        def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
            found = super().get_alias(FunctionName=FUNCTION, Name=Name)
            return found | {"FunctionVersion": "$LATEST"} if FunctionName == FUNCTION else found

        def paginate(self, *, FunctionName: str) -> list[dict[str, Any]]:
            return super().paginate(FunctionName=FUNCTION)

    code, text = run(monkeypatch, Latest("a", "b", runs=2), "status", "dev")
    assert (code, text.count("no version"), "runs $LATEST" in text) == (4, 1, True)
    assert "--name live --function-version 2 lets it run a version" in text
    assert text.count("2026-11-01") == OTHERS, "the other workers are told of"
    code, text = run(monkeypatch, Latest("a", "b", runs=2), "rollback", "dev", "audit-archive")
    assert (code, "runs $LATEST" in text) == (5, True)


def test_a_way_back_is_gone_with_both_yes_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    back = ("rollback", "dev", "audit-archive")
    for words, ends in (((), 0), (("--reason", "x"), 0), (("--yes",), 2), (("--yes", "--reason", " "), 2)):
        client = Lambda("a", "b", runs=2)
        code, _ = run(monkeypatch, client, *back, *words)
        assert (code, client.alias["FunctionVersion"]) == (ends, "2")
    client = Lambda("a", "b", runs=2)
    code, text = run(monkeypatch, client, *back, "--yes", "--reason", "it fails")
    assert (code, client.alias["FunctionVersion"], "from version 2 to version 1" in text) == (0, "1", True)
    assert client.alias["Description"].startswith("rolled back by ")
    assert client.alias["Description"].endswith(": it fails")


def test_a_canary_under_way_is_stopped_and_no_other_version_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    client, deploys = Lambda("a", "b", runs=1, canary={"2": 0.1}), CodeDeploy()
    sure = ("rollback", "dev", "audit-archive", "--yes", "--reason", "it fails")
    assert run(monkeypatch, client, *sure, "--to", "1", deploys=deploys)[0] == 5
    code, text = run(monkeypatch, client, *sure, deploys=deploys)
    assert (code, deploys.stopped, "stopped d-1" in text) == (0, [("d-1", True)], True)
    assert client.alias["FunctionVersion"] == "1"


def test_what_cannot_be_done_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Lambda("a", runs=1), "rollback", "dev", "audit-archive")[0] == 5
    assert run(monkeypatch, Lambda("a", runs=1), "rollback", "prod", "audit-archive")[0] == 1

    def overtaken(*_: Any, **__: Any) -> None:
        raise alias.ChangedMeanwhile(f"{FUNCTION}: somebody else moved the alias just now; look again")

    monkeypatch.setattr(alias, "go_back", overtaken)
    sure = ("rollback", "dev", "audit-archive", "--yes", "--reason", "it fails")
    code, text = run(monkeypatch, Lambda("a", "b", runs=2), *sure)
    assert (code, "somebody else moved" in text) == (5, True)
