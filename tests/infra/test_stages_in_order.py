"""A stage of the workflow goes on only after what it needs has ended well."""

import re

import pytest

from tests.infra.test_pipeline import WORKFLOWS

RESULTS = ("success", "failure", "cancelled", "skipped")


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_a_stage_is_deployed_only_after_what_has_ended_well(stage: str) -> None:
    """A job that ran out of time is `cancelled`, and so is nothing else of the run: failure() and cancelled() are both false."""
    job = WORKFLOWS["deploy"]["jobs"][stage]
    before = next(each for each in job["needs"] if each != "image")
    told = [(result, image) for result in RESULTS for image in RESULTS if _goes_on(job["if"], before, result, image)]
    well = [("success", "success"), ("success", "skipped")]
    assert told == (
        well if stage == "dev" else [("success", image) for image in RESULTS]
    )  # dev has looked at the image


def _goes_on(condition: str, before: str, result: str, image: str) -> bool:
    """What GitHub would say where the run itself was not cancelled and no job is called `failure`."""
    said = condition.removeprefix("${{ ").removesuffix(" }}").replace("&&", "and")
    said = said.replace("!cancelled()", "True").replace("!failure()", "True")
    said = said.replace(f"needs.{before}.result", repr(result)).replace("needs.image.result", repr(image))
    said = re.sub(r"contains\(fromJSON\('(\[.*?\])'\), ('\w+')\)", r"(\2 in \1)", said)
    return bool(eval(said, {"__builtins__": {}}))  # the expression is this repository's own
