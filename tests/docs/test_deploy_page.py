"""The ten commands of docs/deploy.md, run against a command line of AWS that only writes down what it is asked."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import jmespath  # type: ignore[import-untyped]  # botocore's own, without types
import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.release.stacks import DEPLOYED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text().partition("### Ten commands")[2]
BLOCK = PAGE.partition("```bash\n")[2].partition("```")[0]
OUTPUTS = {
    "SessionsUrl": "https://api.example",
    "WebSocketApi": "a1/browsers",
    "WsApiEndpoint": "a1.execute-api.eu-west-1.amazonaws.com/browsers",
}
STUBS = """
write() { printf '%s\\t' "$@" >> "$CALLS"; echo >> "$CALLS"; }
aws() { write aws "$@"; if [ "$2" = describe-stacks ]; then printf '%s' "$TOLD"; fi; }
make() { write make "$@"; }
fleet() { write fleet "$@"; }
python() { write python "$@"; }
export -f write aws
set -euo pipefail
"""


def after(call: list[str], option: str) -> list[str]:
    """The words behind an option, to the next one."""
    rest = call[call.index(option) + 1 :]
    return rest[: next((number for number, word in enumerate(rest) if word.startswith("--")), len(rest))]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    log = tmp_path_factory.mktemp("deploy") / "calls"
    told = "\t".join(f"{name}={value}" for name, value in OUTPUTS.items() if name != "SessionsUrl")
    done = subprocess.run(
        ["bash", "-c", STUBS + BLOCK],
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "CALLS": str(log), "TOLD": told},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip("\t").split("\t") for line in log.read_text().splitlines()]


def deployed(calls: list[list[str]]) -> list[tuple[str, dict[str, str]]]:
    """Each stack's template with the parameters that it is given, in order."""
    found = []
    for call in calls:
        if call[1:3] == ["cloudformation", "deploy"]:
            [template] = after(call, "--template-file")
            [name] = after(call, "--stack-name")
            assert name == f"acme-{Path(template).stem}-dev"
            assert (ROOT / "infra" / "templates" / Path(template).name).is_file()
            found.append(
                (Path(template).stem, dict(each.split("=", 1) for each in after(call, "--parameter-overrides")))
            )
    return found


def test_there_are_ten_and_each_has_its_row_with_what_it_prints_and_costs() -> None:
    commands = [line for line in BLOCK.replace("\\\n", "").splitlines() if not line.startswith("export")]
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, 11))
    assert len(commands) == 10


@pytest.mark.slow
def test_stacks_come_in_their_order_with_all_that_they_ask_for(calls: list[list[str]]) -> None:
    stacks = deployed(calls)
    assert [name for name, _ in stacks] == ["messaging", "edge", *[name for name in DEPLOYED if name != "services"]]
    for name, given in stacks:
        known = json.loads((ROOT / "infra" / "templates" / f"{name}.json").read_text())["Parameters"]
        assert given.keys() <= known.keys()
        assert (given["ProjectName"], given["Stage"]) == ("acme", "dev")
        assert not [key for key, parameter in known.items() if "Default" not in parameter and key not in given]
    told = dict(stacks)
    assert told["access"]["WebSocketApi"] == OUTPUTS["WebSocketApi"]
    assert told["workers"]["WsApiEndpoint"] == OUTPUTS["WsApiEndpoint"], (
        "without it the worker of uploads does not start"
    )


@pytest.mark.slow
def test_the_zip_goes_where_the_stacks_look_for_it(calls: list[list[str]]) -> None:
    [made] = [call[-1] for call in calls if call[1:3] == ["s3", "mb"]]
    [copied] = [call for call in calls if call[1:3] == ["s3", "cp"]]
    [bundled] = [call for call in calls if call[0] == "python"]
    assert bundled[1:4] == ["-m", "fleet.dev.bundle", copied[3]]
    for name, given in deployed(calls):
        if name in {"edge", "workers"}:
            assert f"s3://{given['LambdaDeploymentBucket']}/{given['LambdaCodeKey']}" == copied[4]
            assert copied[4].startswith(f"{made}/")
            runtime = given.get("LambdaRuntime", "python3.13")
            assert runtime == f"python{bundled[bundled.index('--python') + 1]}"


@pytest.mark.slow
def test_what_one_stack_says_is_asked_for_as_the_next_one_takes_it(calls: list[list[str]]) -> None:
    [asked] = [call for call in calls if call[1:3] == ["cloudformation", "describe-stacks"] and "acme-edge-dev" in call]
    outputs = json.loads((ROOT / "infra" / "templates" / "edge.json").read_text())["Outputs"]
    assert OUTPUTS.keys() <= outputs.keys()
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
    found: Any = jmespath.search(" ".join(after(asked, "--query")), {"Stacks": [{"Outputs": listed}]})
    assert found == [f"{name}={OUTPUTS[name]}" for name in ("WebSocketApi", "WsApiEndpoint")]


@pytest.mark.slow
def test_the_fleets_own_commands_are_there_with_these_options(calls: list[list[str]]) -> None:
    planned, looked = (call for call in calls if call[0] == "fleet")
    assert planned == ["fleet", "deploy", "plan", "dev", "--set", "ProjectName=acme"]
    assert looked == ["fleet", "--project", "acme", "--stage", "dev", "doctor"]
    said = CliRunner().invoke(fleet, planned[1:])
    assert said.exit_code == 0
    assert "fixed cost: 15.60 $" in said.output, "as the page has it"
    assert {"--project", "--stage"} <= {name for each in fleet.params for name in each.opts}
    assert "doctor" in fleet.list_commands(click.Context(fleet))


def test_each_stack_that_keeps_something_is_named_where_the_page_takes_it_down() -> None:
    down = PAGE.partition("## Take it down")[2]
    told = set(re.findall(r"^\| `(.+?)` \|", down, re.MULTILINE))
    kept = {
        path.stem
        for path in (ROOT / "infra" / "templates").glob("*.json")
        for each in json.loads(path.read_text())["Resources"].values()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert told == kept
