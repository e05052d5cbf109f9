"""docs/schemas/messages.asyncapi.json is what the models say, and takes what they take."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.docs.messages import FILE, MODELS, OF_AWS, document, text

CHANNELS: dict[str, Any] = document()["channels"]


def test_the_file_is_what_the_models_say() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "`python -m tests.docs.messages` writes it anew"


def test_every_queue_of_the_four_workers_has_a_channel() -> None:
    assert {*CHANNELS} == {*MODELS, *OF_AWS}


@pytest.mark.parametrize("queue", MODELS)
def test_a_schema_takes_its_example_and_not_one_that_lacks_a_field(queue: str) -> None:
    body = CHANNELS[queue]["messages"]["body"]
    Draft202012Validator.check_schema(body["payload"])
    schema = Draft202012Validator(body["payload"])
    [example] = body["examples"]
    assert schema.is_valid(example["payload"])
    for name in body["payload"]["required"]:
        assert not schema.is_valid({each: value for each, value in example["payload"].items() if each != name}), name
