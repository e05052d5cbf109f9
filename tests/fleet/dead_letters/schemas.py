"""The published schemas of docs/schemas, as tests hold output against them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

PLACE = Path(__file__).parents[3] / "docs" / "schemas"


@cache
def schema(name: str) -> Draft202012Validator:
    document = json.loads((PLACE / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def valid(name: str, result: Any) -> None:
    schema(name).validate(result)
