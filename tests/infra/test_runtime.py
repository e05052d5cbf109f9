"""Which Python runs the fleet: the image, Lambda's default, the parameters and the pipeline name the same."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEFAULT = json.loads((ROOT / "infra/templates/workers.json").read_text())["Parameters"]["LambdaRuntime"]["Default"]
VERSION = DEFAULT.removeprefix("python")


def test_the_image_runs_what_lambda_runs() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^ARG PYTHON=(.*)$", text, re.MULTILINE) == [VERSION]
    assert set(re.findall(r"^FROM python:(\S+)", text, re.MULTILINE)) == {"${PYTHON}-slim-bookworm"}
    assert set(re.findall(r"python:?(\d\.\d+)", text)) == {VERSION}


@pytest.mark.parametrize("file", sorted((ROOT / "infra/parameters").glob("workers-*.json")), ids=lambda file: file.stem)
def test_a_stage_runs_the_default(file: Path) -> None:
    said = {each["ParameterKey"]: each["ParameterValue"] for each in json.loads(file.read_text())}
    assert said["LambdaRuntime"] == DEFAULT


@pytest.mark.parametrize("file", ["infra/README.md", "docs/deploy.md", ".github/workflows/deploy.yml"])
def test_the_bundle_is_built_for_it(file: str) -> None:
    assert set(re.findall(r"fleet\.dev\.bundle .*--python (\S+)", (ROOT / file).read_text())) == {VERSION}
